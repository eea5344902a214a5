"""What the parts of the messages of the optional channels may be, and what is said of those that may not."""

import importlib
import json
from typing import Any

import pytest
from pydantic import ValidationError

from functions.discord.content import LONGEST_EMBEDS
from functions.googlechat.channel import LARGEST as LARGEST_OF_CHAT
from functions.push.channel import LARGEST as LARGEST_OF_PUSH
from functions.teams.channel import LARGEST as LARGEST_OF_TEAMS
from functions.webpush.channel import LARGEST as LARGEST_OF_WEBPUSH
from shared.channels.registry import ALL, load_channels

CARD = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "x"}]}
GOOD: list[tuple[str, dict[str, Any]]] = [
    ("telegram", {"silent": True, "topic": 7, "link_preview": False}),
    ("teams", {"subject": "Deploy", "card": CARD}),
    ("discord", {"username": "Deploys", "embeds": [{"title": "x", "fields": [{"name": "n", "value": "v"}]}]}),
    ("discord", {"embeds": [{"image": {"url": "https://a.test/x.png"}}] * 10}),
    ("googlechat", {"thread": "build-42", "cards": [{"cardId": "1", "card": {"header": {"title": "x"}}}]}),
    ("push", {"subject": "Deploy", "image": "https://a.test/x.png", "data": {"order": "42"}}),
    ("webpush", {"subject": "Deploy", "icon": "https://a.test/i.png", "data": {"a": [1]}, "urgency": "high"}),
    ("voice", {"language": "de-AT"}),
    ("apprise", {"subject": "Deploy"}),
]
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("voice", {"message": "a\ufffeb"}, "no XML can have"),
    ("teams", {"card": {**CARD, "x": float("nan")}}, "finite numbers"),
    ("googlechat", {"cards": [{"card": {"x": float("inf")}}]}, "finite numbers"),
    ("webpush", {"data": {"a": float("nan")}}, "finite numbers"),
    ("discord", {"embeds": [{"title": "x", "color": float("nan")}]}, "finite numbers"),
    ("discord", {"embeds": [{"title": " "}]}, "title must be a text of at most 256"),
    (
        "discord",
        {"embeds": [{"title": "x", "footer": {"text": "x" * 2049}}]},
        "footer.text must be a text of at most 2048",
    ),
    (
        "discord",
        {"embeds": [{"title": "x", "author": {"name": "x" * 257}}]},
        "author.name must be a text of at most 256",
    ),
    ("discord", {"embeds": [{"title": "x", "author": "x"}]}, "author.name must be a text"),
    ("discord", {"embeds": [{"image": "x"}]}, "image must have an https"),
    ("discord", {"embeds": [{"title": "x", "url": "javascript:1"}]}, "url must have an https"),
    ("discord", {"embeds": [{"title": "x", "color": "red"}]}, "color must be a whole number"),
    ("discord", {"username": " "}, "must not be blank"),
    ("telegram", {"topic": 0}, "greater than or equal to 1"),
    ("telegram", {"silent": "yes"}, "valid boolean"),
    ("teams", {"card": {}}, "must be an Adaptive Card"),
    ("teams", {"card": {**CARD, "version": 1}}, "must have the version"),
    ("teams", {"card": {**CARD, "body": []}}, "must have a body"),
    ("teams", {"card": {**CARD, "body": [{"text": "x" * LARGEST_OF_TEAMS}]}}, "which takes 28672 at most"),
    ("discord", {"embeds": []}, "at least 1 item"),
    ("discord", {"embeds": [{"title": "x"}] * 11}, "at most 10 items"),
    ("discord", {"embeds": [{}]}, "must have a title"),
    ("discord", {"embeds": [{"titel": "x"}]}, "titel is no field of an embed"),
    ("discord", {"embeds": [{"title": "x" * 257}]}, "title must be a text of at most 256"),
    ("discord", {"embeds": [{"fields": [{"name": "", "value": "x"}]}]}, "fields must be at most 25"),
    ("discord", {"embeds": [{"description": "x" * 4000}] * 2}, f"at most {LONGEST_EMBEDS} characters together"),
    ("discord", {"username": "DISCORD"}, "nor contain clyde or discord"),
    ("googlechat", {"thread": "a\nb"}, "must not contain line breaks"),
    ("googlechat", {"cards": [{"header": {}}]}, "must have a card"),
    ("googlechat", {"cards": [{"card": {"x": "x" * LARGEST_OF_CHAT}}]}, "which takes 32000 at most"),
    ("push", {"image": "http://a.test/x.png"}, "must be an https:// URL"),
    ("push", {"data": {"from": "x"}}, "these are Firebase's own"),
    ("push", {"data": {"google.x": "x"}}, "these are Firebase's own"),
    ("push", {"data": {"a": 1}}, "valid string"),
    ("push", {"data": {"a": "x" * LARGEST_OF_PUSH}}, "Firebase takes 4096 at most"),
    ("webpush", {"icon": "javascript:alert(1)"}, "must be an https:// URL"),
    ("webpush", {"urgency": "soon"}, "Input should be 'very-low'"),
    ("webpush", {"data": {"a": "x" * LARGEST_OF_WEBPUSH}}, "push services take 3993 at most"),
    ("voice", {"language": "tlh"}, "that Twilio can read out"),
    ("apprise", {"attach": "file:///etc/passwd"}, "Extra inputs are not permitted"),
]


def content_of(channel: str, own: dict[str, Any]) -> Any:
    model = importlib.import_module(f"functions.{channel}.content").Content
    return model.model_validate(model.merged({"message": "Build 42"}, own))


@pytest.mark.parametrize(("channel", "own"), GOOD, ids=[f"{name}-{number}" for number, (name, _) in enumerate(GOOD)])
def test_what_a_channel_takes_goes_on_record_as_it_is(channel: str, own: dict[str, Any]) -> None:
    assert content_of(channel, own).parts() == {"message": "Build 42", **own}


@pytest.mark.parametrize(
    ("channel", "own", "why"), BAD, ids=[f"{name}-{number}" for number, (name, _, _) in enumerate(BAD)]
)
def test_what_it_does_not_take_is_said(channel: str, own: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        content_of(channel, own)


@pytest.mark.parametrize(
    "channel", ["teams", "googlechat", "push", "webpush", "voice", "whatsapp", "discord", "telegram"]
)
@pytest.mark.parametrize("text", ["x", "ü", "<", '"', "🚀"], ids=["ascii", "umlaut", "angle", "quote", "emoji"])
def test_the_longest_text_of_any_letters_is_taken(channel: str, text: str) -> None:
    """What is counted is at least what is posted."""
    declared = load_channels(ALL)[channel]
    longest = text * (declared.max_length // declared.measure.of(text))
    assert declared.fits(longest)
    assert content_of(channel, {"message": longest}).message == longest


@pytest.mark.parametrize(
    ("channel", "address", "spelt"),
    [
        ("telegram", " -1001234567890 ", "-1001234567890"),
        ("telegram", "@OpsRoom", "@opsroom"),
        ("push", "topic:news", "topic:news"),
        ("push", "x" * 163, "x" * 163),
        ("whatsapp", "+1 415 555 2671", "+14155552671"),
        ("voice", "+1 415 555 2671", "+14155552671"),
        ("teams", " Ops ", "ops"),
    ],
)
def test_an_address_has_one_spelling(channel: str, address: str, spelt: str) -> None:
    assert load_channels(ALL)[channel].normalise(address) == spelt


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        *[("telegram", each) for each in ("0", "12a", "@a", "ops", "-", "1" * 17)],
        *[("push", each) for each in ("short", "topic:", "topic:a b", "a" * 2049, "ä" * 30)],
        *[("discord", each) for each in ("https://discord.com/api/webhooks/1/canary", "a b")],
    ],
)
def test_what_is_no_address_is_refused(channel: str, address: str) -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        load_channels(ALL)[channel].normalise(address)
    assert "canary" not in str(refused.value)


KEYS = {
    "p256dh": "BOxb9Ww-R32jvIl-affk4cBkqoan1uMLGrTDyiDAANj1"  # pragma: allowlist secret
    "Gt_9xT4582l84SKU_owaXQ_WYrmAv46ccS8JbIM7LD0=",  # pragma: allowlist secret
    "auth": "bGFiIGJyb3dzZXIgYXV0aA==",  # pragma: allowlist secret
}
ENDPOINT = "https://push.example.com/x"


def test_a_subscription_is_spelt_without_what_else_a_browser_says() -> None:
    normalise = load_channels(ALL)["webpush"].normalise
    said = {"expirationTime": None, "keys": {**KEYS, "x": 1}, "endpoint": ENDPOINT}
    spelt = normalise(json.dumps(said, indent=None))
    assert json.loads(spelt) == {"endpoint": ENDPOINT, "keys": {name: key.rstrip("=") for name, key in KEYS.items()}}
    assert normalise(spelt) == spelt


@pytest.mark.parametrize(
    "endpoint",
    [
        *("https://PUSH.example.com/X", "HTTPS://push.example.com:443/X", "https://push.example.com./X"),
        " https://push.example.com/X",
    ],
)
def test_an_endpoint_has_one_spelling(endpoint: str) -> None:
    spelt = load_channels(ALL)["webpush"].normalise(json.dumps({"endpoint": endpoint, "keys": KEYS}))
    assert json.loads(spelt)["endpoint"] == "https://push.example.com/X"


@pytest.mark.parametrize("value", ["", " ", "a\tb", "a\nb", "a     b"])
def test_a_variable_that_twilio_refuses_is_refused(value: str) -> None:
    model = importlib.import_module("functions.whatsapp.content").Content
    with pytest.raises(ValidationError, match=r"at least 1 character|must not"):
        model.model_validate({"message": "m", "template": "t", "variables": {"1": value}})


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"endpoint": ENDPOINT},
        {"endpoint": 5, "keys": KEYS},
        {"endpoint": "http://push.example.com/canary", "keys": KEYS},
        *[
            {"endpoint": f"https://{each}", "keys": KEYS}
            for each in (
                *(
                    "",
                    "/canary",
                    "h.test:99999/canary",
                    "h.test:abc/canary",
                    "127.1/canary",
                    "a..b/canary",
                    ".com/canary",
                ),
                *(
                    "h.test/can ary",
                    "h.test/\x01canary",
                    "localhost/canary",
                    "canary/x",
                    "h.test/canary#x",
                    "1.2.3.4.5/",
                ),
            )
        ],
        {"endpoint": "https://127.0.0.1/canary", "keys": KEYS},
        {"endpoint": f"https://user:{'canary'}@push.example.com/", "keys": KEYS},
        {"endpoint": ENDPOINT, "keys": {**KEYS, "auth": "canary"}},
        {"endpoint": ENDPOINT, "keys": {**KEYS, "p256dh": "BA" + "A" * 85}},
    ],
)
def test_what_is_no_subscription_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must ") as refused:
        load_channels(ALL)["webpush"].normalise(json.dumps(wrong))
    assert "canary" not in str(refused.value)
