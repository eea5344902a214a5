"""One click unsubscribes, and the page takes it back: what is on record then, and what the person gets."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from functions.gateway.unsubscribe.forms import LONG, SHORT
from shared.delivery.errors import UnreadableRecord
from shared.delivery.model import CategoryClass, SuppressionReason
from shared.people.suppression import Entry, Suppression, SuppressionClass
from tests.fakes.clock import START
from tests.fakes.people import MemoryPeople
from tests.unit.gateway.test_strangers import ask
from tests.unit.gateway.unsubscribe.visitor import AGAIN, EMAIL, ONE_CLICK, TOKENS, Page, Visitor, records, visiting

SERVICE: Mapping[str, Any] = {"category": "orders", "category_class": CategoryClass.SERVICE}
MULTIPART = b'--{0}\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--{0}--\r\n'.replace(
    b"{0}", b"------0123456789abcdef"
)
MULTIPART_TYPE = "multipart/form-data; boundary=------0123456789abcdef"
URLENCODED = "application/x-www-form-urlencoded"


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    async with visiting() as visitor:
        yield visitor


def entry_of(people: MemoryPeople, channel: str = "email", address: str = EMAIL) -> Entry:
    suppression = people.suppressed[people.suppression_id(channel, address)]
    assert suppression.channel == channel
    (entry,) = suppression.entries.values()
    return entry


async def test_of_a_marketing_mail_it_stops_all_marketing_and_nothing_else(visitor: Visitor) -> None:
    await visitor.post(ONE_CLICK)
    entry = entry_of(visitor.api.people)
    assert (entry.reason, entry.class_) == (SuppressionReason.UNSUBSCRIBED, SuppressionClass.MARKETING)
    assert (entry.categories, entry.evidence) == (("newsletter",), "unsubscribe link of category newsletter")
    assert [await visitor.gets(c) for c in ("newsletter", "offers", "orders", "passwords")] == [
        False,
        False,
        True,
        True,
    ]
    assert await visitor.gets("offers", "sms")


async def test_of_a_service_mail_it_stops_that_category_alone(visitor: Visitor) -> None:
    await visitor.with_link(**SERVICE).post(ONE_CLICK)
    entry = entry_of(visitor.api.people)
    assert (entry.class_, entry.categories) == (SuppressionClass.CATEGORY, ("orders",))
    assert [await visitor.gets(c) for c in ("newsletter", "offers", "orders", "passwords")] == [True, True, False, True]


async def test_it_needs_no_recipient_and_no_category_on_record(visitor: Visitor) -> None:
    other = visitor.api.people.suppression_id("email", "stranger@example.com")
    stranger = visitor.with_link(recipient=None, address=other, category="gone")
    page = Page(await stranger.post(ONE_CLICK))
    assert visitor.api.people.suppressed[other].entries
    assert "gone" in page.text
    assert "choices" not in {form.fields[0][0] for form in page.forms}


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        (URLENCODED, b"List-Unsubscribe=One-Click"),
        (f"{URLENCODED}; charset=UTF-8", b"List-Unsubscribe=One-Click"),
        (URLENCODED.upper(), b"List%2DUnsubscribe=One%2DClick"),
        ("", b"List-Unsubscribe=One-Click"),
        (MULTIPART_TYPE, MULTIPART),
        ('Multipart/Form-Data; boundary="------0123456789abcdef"', MULTIPART),
        (MULTIPART_TYPE, b"preamble\r\n" + MULTIPART + b"epilogue"),
    ],
)
async def test_mail_programs_say_it_in_either_form(visitor: Visitor, type_: str, body: bytes) -> None:
    headers = {"Content-Type": type_} if type_ else {}
    answer = await visitor.browser.post(visitor.path, content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert not await visitor.gets("newsletter")


WRONG: Mapping[str, tuple[str, bytes]] = {
    "nothing": (URLENCODED, b""),
    "another word": (URLENCODED, b"List-Unsubscribe=Two-Click"),
    "another case": (URLENCODED, b"list-unsubscribe=one-click"),
    "another field": (URLENCODED, b"Unsubscribe=One-Click"),
    "a field besides": (URLENCODED, b"List-Unsubscribe=One-Click&email=alice@example.com"),
    "said twice": (URLENCODED, b"List-Unsubscribe=One-Click&List-Unsubscribe=One-Click"),
    "two acts": (URLENCODED, b"List-Unsubscribe=One-Click&resubscribe=1"),
    "an act and choices": (URLENCODED, b"choices=1&resubscribe=1"),
    "choices of nothing": (URLENCODED, b"choices=0"),
    "a choice without a channel": (URLENCODED, b"choices=1&want=orders"),
    "an unknown field of choices": (URLENCODED, b"choices=1&want=email/orders&address=a@example.com"),
    "no UTF-8": (URLENCODED, b"List-Unsubscribe=\xff"),
    "no UTF-8, encoded": (URLENCODED, b"List-Unsubscribe=%ff"),
    "too long": (URLENCODED, b"List-Unsubscribe=One-Click&" + b"&" * SHORT),
    "too many fields": (URLENCODED, b"choices=1" + b"&want=email/orders" * 1001),
    "another type": ("application/json", b'{"List-Unsubscribe": "One-Click"}'),
    "plain text": ("text/plain", b"List-Unsubscribe=One-Click"),
    "no boundary": ("multipart/form-data", MULTIPART),
    "another boundary": ("multipart/form-data; boundary=x", MULTIPART),
    "parts without names": (MULTIPART_TYPE, MULTIPART.replace(b'; name="List-Unsubscribe"', b"")),
    "a name in three parts": (MULTIPART_TYPE, MULTIPART.replace(b"name=", b"name*=utf-8''x; name*=")),
    "parts within parts": (
        MULTIPART_TYPE,
        MULTIPART.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n"),
    ),
    "a type with a line end": (f"{MULTIPART_TYPE}\x0b\x0cx", MULTIPART),
    "bytes": (MULTIPART_TYPE, bytes(range(256)) * 8),
}


@pytest.mark.parametrize("what", WRONG)
async def test_anything_else_is_refused_and_writes_nothing(visitor: Visitor, what: str) -> None:
    type_, body = WRONG[what]
    before = records(visitor.api)
    answer = await visitor.browser.post(visitor.path, content=body, headers={"Content-Type": type_})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert "nothing was changed" in Page(answer).text
    assert records(visitor.api) == before


async def test_no_more_than_the_longest_form_is_read(visitor: Visitor) -> None:
    before = records(visitor.api)
    answer = await visitor.browser.post(visitor.path, content=b"x" * (LONG + 1), headers={"Content-Type": URLENCODED})
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert records(visitor.api) == before


async def test_twice_is_once(visitor: Visitor) -> None:
    await visitor.post(ONE_CLICK)
    before = records(visitor.api)
    page = Page(await visitor.post(ONE_CLICK))
    assert "you are unsubscribed" in page.text
    assert records(visitor.api) == before


async def test_at_the_same_time_is_once_and_loses_no_other_reason(visitor: Visitor) -> None:
    people = visitor.api.people
    address = people.suppression_id("email", EMAIL)
    bounce = Entry(SuppressionReason.COMPLAINT, SuppressionClass.MARKETING, START, "a receipt")
    links = [visitor, visitor.with_link(**SERVICE), visitor.with_link(category="offers"), visitor]
    await asyncio.gather(
        *(link.post(ONE_CLICK) for link in links),
        people.put_suppression(Suppression(address, "email", {bounce.reason: bounce})),
    )
    entries = people.suppressed[address].entries
    assert entries.keys() == {SuppressionReason.UNSUBSCRIBED, SuppressionReason.COMPLAINT}
    unsubscribed = entries[SuppressionReason.UNSUBSCRIBED]
    assert unsubscribed.class_ is SuppressionClass.MARKETING
    assert set(unsubscribed.categories) == {"newsletter", "orders", "offers"}


async def test_it_can_be_taken_back_and_other_reasons_stay(visitor: Visitor) -> None:
    people, address = visitor.api.people, visitor.about.address
    await visitor.post(ONE_CLICK)
    there = people.suppressed[address]
    complaint = Entry(SuppressionReason.COMPLAINT, SuppressionClass.MARKETING, START, "a receipt")
    await people.put_suppression(there.with_entry(complaint))
    page = await visitor.page()
    assert "You have unsubscribed from advertising" in page.text
    await visitor.post(dict(page.form("resubscribe").fields))
    assert people.suppressed[address].entries == {SuppressionReason.COMPLAINT: complaint}
    assert not await visitor.gets("newsletter")
    assert "resubscribe" not in {form.fields[0][0] for form in (await visitor.page()).forms}


async def test_what_was_taken_back_comes_again(visitor: Visitor) -> None:
    await visitor.post(ONE_CLICK)
    assert "comes again" in Page(await visitor.post(AGAIN)).text
    assert await visitor.gets("newsletter")
    assert not visitor.api.people.suppressed
    assert "comes again" in Page(await visitor.post(AGAIN)).text  # twice is once


async def test_a_link_of_ten_years_ago_works_by_a_key_that_makes_none_any_more(visitor: Visitor) -> None:
    from shared.people.unsubscribe_tokens import UnsubscribeTokens  # noqa: PLC0415
    from tests.integration.gateway import client_of  # noqa: PLC0415

    rotated = replace(visitor.api.gateway, unsubscribe_tokens=UnsubscribeTokens(["n" * 32, "k" * 32]))
    async with client_of(rotated, None) as browser:
        assert (await browser.post(visitor.path, data=ONE_CLICK)).status_code == 200
    assert not await visitor.gets("newsletter")


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("operation", ["suppression", "put_suppression"])
async def test_when_the_records_fail_it_is_not_said_to_be_done(visitor: Visitor, operation: str, landed: bool) -> None:
    visitor.api.people.fail(operation, landed=landed)
    answer = await visitor.post(ONE_CLICK, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert "not possible right now" in Page(answer).text
    await visitor.post(ONE_CLICK)  # as whoever has no answer does
    assert not await visitor.gets("newsletter")
    assert entry_of(visitor.api.people).categories == ("newsletter",)


async def test_what_is_done_is_said_to_be_even_if_the_page_cannot_be_made_in_full(visitor: Visitor) -> None:
    visitor.api.people.down("category", "categories")
    visitor.api.store.down("recipient")
    page = Page(await visitor.post(ONE_CLICK))
    assert "you are unsubscribed" in page.text
    visitor.api.people.down()
    visitor.api.store.down()
    assert not await visitor.gets("newsletter")


@pytest.mark.parametrize("operation", ["recipient", "category", "categories", "suppression"])
async def test_a_page_without_records_is_none(visitor: Visitor, operation: str) -> None:
    visitor.api.people.down(operation)
    visitor.api.store.down(operation)
    answer = await visitor.get()
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_record_that_cannot_be_read_is_a_503_too(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    async def spoilt(*_: object) -> None:
        raise UnreadableRecord("suppressions/1: spoilt")

    monkeypatch.setattr(visitor.api.people, "suppression", spoilt)
    assert (await visitor.get()).status_code == 503
    await visitor.post(ONE_CLICK, 503)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("token", ["", "x", "A" * 226, "A" * 5000, "%2e%2e%2f", "a/b", "🚀", "%00", "%ff"])
async def test_a_link_of_nobodys_is_answered_alike_and_reads_nothing(visitor: Visitor, method: str, token: str) -> None:
    answer = await visitor.browser.request(method, f"/u/{token}", data=ONE_CLICK if method == "POST" else None)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "This link does not work" in Page(answer).text
    assert not visitor.api.store.calls
    assert not visitor.api.people.calls


async def test_nothing_of_a_strangers_body_is_read(visitor: Visitor) -> None:
    from functions.gateway.application import application  # noqa: PLC0415

    answer = await ask(application(visitor.api.gateway), "POST", f"/u/{visitor.token[:-1]}", (), b"x" * 100_000)
    assert (answer.status, answer.taken) == (404, 0)


async def test_it_is_in_no_description_of_the_api(visitor: Visitor) -> None:
    assert "/u/" not in (await visitor.browser.get("/openapi.json")).text


async def test_without_keys_no_link_is_good(visitor: Visitor) -> None:
    from tests.integration.gateway import client_of  # noqa: PLC0415

    async with client_of(replace(visitor.api.gateway, unsubscribe_tokens=None), None) as browser:
        answers = [await browser.get(visitor.path), await browser.post(visitor.path, data=ONE_CLICK)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert TOKENS.opened(visitor.token)
