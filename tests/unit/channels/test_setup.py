"""What the settings of a process say of each channel: by name, without a value."""

from collections.abc import Mapping

from shared.channels.registry import load_channels
from shared.channels.setup import ChannelSetup, SettingState, channel_setups

CANARY = "canary-5e3f"
WHOLE = {
    "EMAIL_PROVIDER": "sendgrid",
    "SMS_PROVIDER": "twilio,vonage",
    "SLACK_PROVIDER": "slack",
    "PUBLIC_URL": "https://hark.example.com",
    "UNSUBSCRIBE_KEYS": CANARY,
    "SENDGRID_WEBHOOK_PUBLIC_KEY": CANARY,
    "TWILIO_AUTH_TOKEN": CANARY,
    "VONAGE_SIGNATURE_SECRET": CANARY,
}
CHANNELS = load_channels()


def setups(**changed: str) -> Mapping[str, ChannelSetup]:
    return channel_setups(CHANNELS, {**WHOLE, **changed})


def said(channel: str, **changed: str) -> list[tuple[str, SettingState]]:
    return [(problem.name, problem.state) for problem in setups(**changed)[channel].problems]


def test_where_all_is_set_nothing_is_said() -> None:
    assert {name: setup.problems for name, setup in setups().items()} == dict.fromkeys(CHANNELS, ())
    sms = setups()["sms"]
    assert (sms.providers, sms.receipts) == (("twilio", "vonage"), ("twilio", "vonage"))


def test_without_what_checks_receipts_they_are_refused() -> None:
    changed = setups(TWILIO_AUTH_TOKEN="")["sms"]
    assert changed.receipts == ("vonage",)
    (problem,) = changed.problems
    assert (problem.name, problem.state) == ("TWILIO_AUTH_TOKEN", SettingState.MISSING)
    assert "twilio" in problem.effect
    assert said("sms", TWILIO_AUTH_TOKEN="", SMS_PROVIDER="vonage") == [], "nothing goes by Twilio"


def test_a_provider_that_sends_nothing_or_is_none_is_suspicious() -> None:
    assert said("slack", SLACK_PROVIDER="log") == [("SLACK_PROVIDER", SettingState.SUSPICIOUS)]
    assert said("slack", SLACK_PROVIDER="") == [("SLACK_PROVIDER", SettingState.MISSING)]
    assert said("slack", SLACK_PROVIDER=CANARY) == [("SLACK_PROVIDER", SettingState.WRONG)]


def test_without_links_there_is_no_marketing() -> None:
    assert said("email", PUBLIC_URL="") == [("PUBLIC_URL", SettingState.SUSPICIOUS)]
    assert said("email", UNSUBSCRIBE_KEYS="") == [("UNSUBSCRIBE_KEYS", SettingState.SUSPICIOUS)]
    assert said("email", UNSUBSCRIBE_KEYS="", FIRESTORE_EMULATOR_HOST="127.0.0.1:1") == []
    assert said("email", PUBLIC_URL="http://hark.example.com") == [("PUBLIC_URL", SettingState.SUSPICIOUS)]


def test_no_value_is_told() -> None:
    for shown in (setups(), setups(EMAIL_PROVIDER=CANARY, PUBLIC_URL=f"http://{CANARY}.example.com")):
        assert CANARY not in str([(setup.receipts, setup.problems) for setup in shown.values()])
