"""Slack's own words against ours: its published errors, and what a channel's name can be."""

import json
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.slack import webhook_channel, webhook_provider
from functions.slack.channel import CHANNEL, normalise
from functions.slack.message import ERRORS, Means
from shared.channels.registry import load_screens
from tests.e2e.stack import ROOT

DATA = json.loads((ROOT / "tests" / "data" / "slack.json").read_text())
SPEC = ROOT.parent / "shared" / "specs" / "slack.json"

OF_WEBHOOKS = {
    # https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
    *("action_prohibited", "channel_is_archived", "invalid_payload", "invalid_token", "no_active_hooks", "no_service"),
    *("no_service_id", "no_team", "posting_to_general_channel_denied", "rollup_error", "team_disabled"),
    "user_not_found",
}


OF_UPDATES = {
    # https://docs.slack.dev/reference/methods/chat.update#errors, those that are not chat.postMessage's, too
    *("block_mismatch", "cant_update_message", "edit_window_closed", "external_channel_migrating", "is_inactive"),
    *("message_not_found", "update_failed"),
}


def test_every_error_that_slack_publishes_has_its_meaning() -> None:
    assert set(ERRORS) == {*DATA["errors"], *OF_WEBHOOKS, *OF_UPDATES}


@pytest.mark.skipif(not SPEC.exists(), reason="what Slack publishes is not beside this repository")
def test_the_list_here_is_the_published_one() -> None:
    published = json.loads(SPEC.read_text())
    assert DATA["errors"] == published["error"]["properties"]["error"]["enum"]
    assert DATA["arguments"] == sorted(published["arguments"])


@pytest.mark.parametrize(
    "code",
    ["not_in_channel", "no_permission", "access_denied", "team_access_not_granted", "ekm_access_denied"]
    + [code for code in ERRORS if code.startswith(("restricted_action", "slack_connect"))],
)
def test_what_any_caller_can_bring_about_by_an_address_rings_no_alarm_of_our_credentials(code: str) -> None:
    means, words = ERRORS[code]
    assert means is Means.OPERATOR
    assert "replay" in words


@pytest.mark.parametrize(
    "name",
    [
        *("#general", "#größe", "#日本語", "#ops-2_x.y"),
        *("#हिन्दी", "#விளம்பரம்", "#ภาษาไทย_น้ำ", "#עִבְרִית", "#العَرَبِيَّة", "#tiếng-việt"),
        "#می\u200cخواهم",  # Persian joins no letters here
        "#क्\u200dष",
    ],
)
def test_a_channels_name_has_letters_of_any_script_with_their_marks(name: str) -> None:
    assert normalise(name) == unicodedata.normalize("NFC", name)
    assert normalise(unicodedata.normalize("NFD", name)) == normalise(name), "one spelling"
    assert normalise(f" {name.title()}\u00a0") == normalise(name)


@pytest.mark.parametrize(
    "address",
    [
        "#",
        "ops",
        "#a b",
        "#a,b",
        "#a#b",
        "#a<b",
        "#a&b",
        "#a/b",
        "#a\u202eb",
        "#a\u00adb",
        "#\u200d",
        "#-a",
        "#" + "x" * 81,
    ],
)
def test_what_is_no_name_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="must be a Slack channel"):
        normalise(address)


@given(st.text(max_size=90).map("#".__add__))
def test_the_one_spelling_is_its_own(address: str) -> None:
    try:
        spelling = normalise(address)
    except ValueError:
        return
    assert normalise(spelling) == spelling


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Sets up the webhook with this channel."""

    def set_up(channel: str | None) -> None:
        monkeypatch.setenv("SLACK_PROVIDER", "webhook")
        monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/x")  # pragma: allowlist secret
        if channel is None:
            monkeypatch.delenv("SLACK_WEBHOOK_CHANNEL", raising=False)
        else:
            monkeypatch.setenv("SLACK_WEBHOOK_CHANNEL", channel)

    return set_up


@pytest.mark.parametrize("channel", [None, "", "ops", "#a b"])
@pytest.mark.parametrize("start", [webhook_provider.provider, webhook_channel.screen])
def test_a_webhook_without_its_channel_stops_the_start(
    webhook: Callable[[str | None], None], start: Callable[[], object], channel: str | None
) -> None:
    webhook(channel)
    with pytest.raises(SystemExit, match="SLACK_WEBHOOK_CHANNEL"):
        start()


def test_the_gateway_lets_by_what_is_for_the_webhooks_channel_alone(webhook: Callable[[str | None], None]) -> None:
    webhook(" #Ops ")
    refusal = load_screens({"slack": CHANNEL})["slack"].refusal
    assert refusal("#ops") is None
    for other in ("#dev", "C0123ABCD"):
        said = refusal(other)
        assert said is not None
        assert "SLACK_WEBHOOK_CHANNEL" in said
        assert other not in said


@pytest.mark.parametrize("provider", ["slack", "log", None])
def test_without_a_webhook_any_channel_may_be_addressed(monkeypatch: pytest.MonkeyPatch, provider: str | None) -> None:
    monkeypatch.setenv("SLACK_PROVIDER", provider or "")
    monkeypatch.setenv("SLACK_WEBHOOK_CHANNEL", "#ops")
    assert load_screens({"slack": CHANNEL})["slack"].refusal("#dev") is None


@pytest.mark.parametrize(
    ("text", "length"), [("abc", 3), ("\U0001f680", 1), ("&", 5), ("<>", 8), ("&amp;", 9), ("\n", 1)]
)
def test_a_text_is_as_long_as_what_is_posted(text: str, length: int) -> None:
    assert CHANNEL.measure.of(text) == length
