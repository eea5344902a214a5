"""Notifications with wrong fields: each answer names the field, and nothing is written or published."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.gateway import Hark, hark_on, nothing_done, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINE_BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
CONTROLS = ["\x00", "\x01", "\x07", "\x08", "\x0e", "\x1b", "\x1f", "\x7f", "\x80", "\x9b", "\x9f"]
NO_TEXT: list[Any] = [1, 1.5, True, [], ["x"], {}, {"x": "y"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hark(firestore_host: str, pubsub_host: str) -> AsyncIterator[Hark]:
    """One for all tests here, since they leave it as it was."""
    async with hark_on(firestore_host, pubsub_host) as hark:
        yield hark


async def refused(hark: Hark, body: dict[str, Any], *fields: str) -> str:
    """The messages of the refusal, which names just these fields."""
    async with nothing_done(hark):
        details = problem(await hark.send(**body), 422, *fields)
    return "; ".join(error["message"] for error in details["errors"])


@pytest.mark.parametrize("field", ["message", "subject", "recipient"])
@pytest.mark.parametrize("value", NO_TEXT)
async def test_a_text_of_another_type_is_refused(hark: Hark, field: str, value: Any) -> None:
    await refused(hark, {field: value, **({"to": None} if field == "recipient" else {})}, field)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"to": []}, ["to"]),
        ({"to": ["a@example.com"]}, ["to"]),
        ({"to": "a@example.com"}, ["to"]),
        ({"to": 1}, ["to"]),
        ({"to": {}}, ["to"]),
        ({"to": {"email": None}}, ["to.email"]),
        ({"to": {"email": 1, "sms": True, "slack": []}}, ["to.email", "to.sms", "to.slack"]),
        ({"to": {"email": {"address": "a@example.com"}}}, ["to.email"]),
        ({"to": {"email": ["a@example.com"]}}, ["to.email"]),
        ({"to": {"email": ""}}, ["to.email"]),
        ({"to": {"fax": "1", "email": "a@example.com"}}, ["to.fax"]),
        ({"to": {"EMAIL": "a@example.com"}}, ["to.EMAIL"]),
        ({"to": {"": "a@example.com"}}, ["to."]),
        ({"to": {"x" * 65: "a@example.com"}}, ["to." + "x" * 61]),
        ({"to": {f"c{i}": "x" for i in range(21)}}, ["to"]),
        ({"channels": "email"}, ["channels"]),
        ({"channels": {}}, ["channels"]),
        ({"channels": 1}, ["channels"]),
        ({"channels": []}, ["channels"]),
        ({"channels": [None]}, ["channels.0"]),
        ({"channels": ["email", 1]}, ["channels.1"]),
        ({"channels": [["email"]]}, ["channels.0"]),
        ({"channels": [""]}, ["channels.0"]),
        ({"channels": ["email", "fax"]}, ["channels.1"]),
        ({"channels": ["Email"]}, ["channels.0"]),
        ({"channels": ["email", "email"]}, ["channels"]),
        ({"channels": ["sms"]}, ["channels"]),
        ({"channels": ["sms", "email", "slack"]}, ["channels", "channels"]),
        ({"channels": ["email"] * 21}, ["channels"]),
        ({"tags": []}, ["tags"]),
        ({"tags": "team"}, ["tags"]),
        ({"tags": {"team": None}}, ["tags.team"]),
        ({"tags": {"team": True}}, ["tags.team"]),
        ({"tags": {"team": 1}}, ["tags.team"]),
        ({"tags": {"team": ["infra"]}}, ["tags.team"]),
        ({"tags": {"team": {"a": "b"}}}, ["tags.team"]),
        ({"tags": {"path": 1, "query": 1, "header": 1}}, ["tags.path", "tags.query", "tags.header"]),
        ({"tags": {"": "x"}}, ["tags."]),
        ({"tags": {"x" * 65: "y"}}, ["tags." + "x" * 59]),
        ({"tags": {"team": "x" * 257}}, ["tags.team"]),
        ({"tags": {f"t{i}": "" for i in range(51)}}, ["tags"]),
        ({"tags": {"__name__": "x"}}, ["tags.__name__"]),
        ({"tags": {"____": "x"}}, ["tags.____"]),
        ({"subject": "x" * 256}, ["subject"]),
        ({"unknown": 1}, ["unknown"]),
        ({"unknown": "", "Message": "Hi", "__proto__": {}}, ["unknown", "Message", "__proto__"]),
        ({"path": 1, "query": 1, "header": 1}, ["path", "query", "header"]),
        ({"id": "6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4", "status": "sent"}, ["id", "status"]),
        ({"message": None}, ["message"]),
        ({"message": None, "to": 1, "tags": 1}, ["message", "to", "tags"]),
    ],
)
async def test_a_wrong_field_is_named(hark: Hark, body: dict[str, Any], fields: list[str]) -> None:
    await refused(hark, body, *fields)


async def test_a_null_message_is_as_wrong_as_none(hark: Hark) -> None:
    async with nothing_done(hark):
        body = {"to": {"email": "a@example.com"}, "message": None, "tags": None}
        problem(await hark.client.post("/v1/notifications", json=body), 422, "message", "tags")


@pytest.mark.parametrize("body", [{"recipient": "alice"}, {"to": None}])
async def test_both_or_neither_of_recipient_and_to_is_refused(hark: Hark, body: dict[str, Any]) -> None:
    await hark.client.put("/v1/recipients/alice", json={"addresses": {"email": "a@example.com"}})
    assert await refused(hark, body, "body") == "exactly one of recipient and to is needed"


@pytest.mark.parametrize("name", ["nobody", "a/b", "..", "", "__x__", "a\x00", "a\n", "x" * 129, "x" * 10_000, "ü"])
async def test_an_unknown_or_impossible_recipient_is_refused(hark: Hark, name: str) -> None:
    await refused(hark, {"to": None, "recipient": name}, "recipient")


async def test_a_channel_that_the_recipient_has_no_address_for_is_named(hark: Hark) -> None:
    await hark.client.put("/v1/recipients/alice", json={"addresses": {"email": "a@example.com"}})
    body = {"to": None, "recipient": "alice", "channels": ["email", "sms"]}
    assert "sms" in await refused(hark, body, "channels")


async def test_an_unknown_channel_is_answered_with_those_there_are(hark: Hark) -> None:
    for body in ({"to": {"fax": "1"}}, {"channels": ["fax"]}):
        async with nothing_done(hark):
            (error,) = problem(await hark.send(**body), 422)["errors"]
        assert error["message"].endswith("email, sms, slack")


EMAILS = [
    "a",
    "a@",
    "@example.com",
    "a@localhost",
    "a@b@example.com",
    "a b@example.com",
    "a@exa mple.com",
    "a..b@example.com",
    "Alice <a@example.com>",
    "<a@example.com>",
    "mailto:a@example.com",
    '"a"@example.com',
    "a@[127.0.0.1]",
    "a@-x.com",
    "a@example.com,b@example.com",
    "a@example.com;b@example.com",
    "a@example.com\nBcc: b@example.com",
    "a@example.com\r\n",
    "a@example.com\n",
    "a\x00@example.com",
    "a@example.com\u2028",
    "a@example..com",
    "a@example.com.",
    "x" * 65 + "@example.com",
    "a@" + "x" * 64 + ".com",
    "a@" + "x." * 150 + "com",
    "x" * 321,
    " ",
    "#ops",
    "+14155552671",
]


async def test_a_wrong_email_address_is_refused(hark: Hark) -> None:
    for address in EMAILS:
        await refused(hark, {"to": {"email": address}}, "to.email")


PHONES = [
    "415 555 2671",
    "004915112345678",
    "+",
    "+1",
    "+1415555267",
    "+141555526711111111",
    "+999123456789",
    "++14155552671",
    "+14155552671 x123",
    "+14155552671;ext=5",
    "tel:+14155552671",
    "call +14155552671",
    "+1-800-FLOWERS",
    "abc+14155552671",
    "+14155552671,+14155552672",
    "+14155552671\n",
    "+1415\r\n5552671",
    "+14155552671\x00",
    "+1415555267\u0661",
    "a@example.com",
    " ",
    "+1e10",
    "+" + "1" * 300,
    "+<script>",
    "whatsapp:+14155552671",
]


async def test_a_wrong_phone_number_is_refused(hark: Hark) -> None:
    for address in PHONES:
        await refused(hark, {"to": {"sms": address}}, "to.sms")


SLACKS = [
    "ops",
    "#",
    "# ops",
    "#a b",
    "##ops",
    "#ops,#dev",
    "@bob",
    "c0123abcd",
    "C",
    "C0",
    "X0123ABCD",
    "<#C0123ABCD>",
    "<!channel>",
    "#" + "x" * 81,
    "#ops\n",
    "#o\nps",
    "C0123ABCD\r\n",
    "#ops\x00",
    "#\u200e",
    "#a\u202eb",
    "#a&b",
    "#\u200d" * 2,
    "C0123ABCD/../x",
    "https://slack.com/x",
    " ",
]


async def test_a_wrong_slack_address_is_refused(hark: Hark) -> None:
    for address in SLACKS:
        await refused(hark, {"to": {"slack": address}}, "to.slack")


@pytest.mark.parametrize("message", ["", " ", "\n", " \t\r\n ", "\u2003\u00a0", "\u2028\x85"])
async def test_a_blank_message_is_refused(hark: Hark, message: str) -> None:
    assert await refused(hark, {"message": message}, "message") == "must not be blank"


async def test_a_message_too_long_for_one_of_its_channels_is_refused_for_all(hark: Hark) -> None:
    to = {"email": "a@example.com", "sms": "+14155552671", "slack": "#ops"}
    said = await refused(hark, {"to": to, "message": "x" * 40_001}, "message", "message")
    assert said == "sms takes up to 1600 UTF-16 units; slack takes up to 40000 characters after escaping"


@pytest.mark.parametrize("end", LINE_BREAKS)
async def test_a_subject_of_more_than_one_line_is_refused(hark: Hark, end: str) -> None:
    for text in (f"a{end}b", f"a{end}", end):
        assert await refused(hark, {"subject": text}, "subject") == "must not contain line breaks"


@pytest.mark.parametrize("control", CONTROLS)
async def test_control_characters_are_refused_in_every_text(hark: Hark, control: str) -> None:
    text = f"a{control}b"
    said = "must not contain control characters"
    assert await refused(hark, {"message": text}, "message") == said
    assert await refused(hark, {"subject": text}, "subject") == said
    assert await refused(hark, {"tags": {"team": text}}, "tags.team") == said
    assert await refused(hark, {"tags": {text: "infra"}}, f"tags.{text}") == said
    await refused(hark, {"to": {"email": f"{text}@example.com"}}, "to.email")


@pytest.mark.parametrize("control", ["\x0b", "\x0c", "\x1c"])
async def test_a_message_has_no_line_ends_that_are_controls(hark: Hark, control: str) -> None:
    assert await refused(hark, {"message": f"a{control}b"}, "message") == "must not contain control characters"


@pytest.mark.parametrize("end", LINE_BREAKS)
async def test_a_tags_name_is_one_line(hark: Hark, end: str) -> None:
    await refused(hark, {"tags": {f"a{end}b": "c"}}, f"tags.a{end}b")


@pytest.mark.parametrize("field", ["channels", "tags", "to", "more"])
async def test_a_body_of_nothing_but_mistakes_costs_no_more_than_one(hark: Hark, field: str) -> None:
    wrong = [1] * 100_000 if field == "channels" else {str(n): n for n in range(20_000)}
    body = wrong if field == "more" else {field: wrong}
    assert isinstance(body, dict)
    began = time.process_time()
    details = problem(await hark.send(**body), 422)
    assert time.process_time() - began < 1
    assert len(details["errors"]) <= 20
