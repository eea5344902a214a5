"""The choices on the page: what they show, and that what is ticked there really comes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from shared.delivery.errors import Conflict
from shared.delivery.model import CategoryClass, QuietHours, SuppressionReason
from shared.people.category import Category
from shared.people.suppression import Entry, Suppression, SuppressionClass
from tests.fakes.clock import START
from tests.unit.gateway.unsubscribe.visitor import ONE_CLICK, SMS, Page, Visitor, records, visiting

BOXES = {
    "email/newsletter": True,
    "sms/newsletter": True,
    "email/offers": True,
    "sms/offers": True,
    "email/orders": True,
    "sms/orders": True,
    "slack/orders": True,
}
"""No transactional category, and no marketing where nobody can unsubscribe."""


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    async with visiting() as visitor:
        yield visitor


async def suppressed(visitor: Visitor, channel: str, address: str, reason: SuppressionReason) -> None:
    people = visitor.api.people
    entry = Entry(reason, SuppressionClass.MARKETING, START, "a receipt")
    await people.put_suppression(Suppression(people.suppression_id(channel, address), channel, {reason: entry}))


async def test_each_category_that_can_be_refused_is_there_for_each_channel(visitor: Visitor) -> None:
    assert (await visitor.page()).form("choices").boxes == BOXES


async def test_what_is_taken_out_comes_no_more_and_all_else_stays(visitor: Visitor) -> None:
    before = await visitor.recipient()
    await visitor.choose(email__orders=False, sms__newsletter=False)
    after = await visitor.recipient()
    assert after.preferences == {"orders": {"email": False}, "newsletter": {"sms": False}}
    assert after.updated_by == "unsubscribe page"
    assert after.updated_at > before.updated_at
    same: dict[str, Any] = {"preferences": {}, "updated_by": None, "updated_at": START, "version": 1}
    assert replace(after, **same) == replace(before, **same)
    assert not await visitor.gets("orders")
    assert await visitor.gets("orders", "sms")
    assert (await visitor.page()).form("choices").boxes == BOXES | {"email/orders": False, "sms/newsletter": False}


async def test_what_is_ticked_again_comes_again(visitor: Visitor) -> None:
    await visitor.choose(email__orders=False)
    page = await visitor.choose(email__orders=True)
    assert "Your choices are saved" in page.text
    assert page.form("choices").boxes == BOXES
    assert await visitor.gets("orders")


async def test_what_is_not_touched_is_not_written(visitor: Visitor) -> None:
    before = records(visitor.api)
    assert "saved" in (await visitor.choose()).text
    assert records(visitor.api) == before


async def test_what_was_unsubscribed_from_is_not_ticked_and_comes_again_when_it_is(visitor: Visitor) -> None:
    """One kind of advertising chosen again brings that one, and no other, even of later."""
    await visitor.post(ONE_CLICK)
    assert (await visitor.page()).form("choices").boxes == BOXES | {"email/newsletter": False, "email/offers": False}
    await visitor.choose(email__offers=True)
    assert [await visitor.gets(category) for category in ("offers", "newsletter")] == [True, False]
    await visitor.api.people.put_category(Category("events", CategoryClass.MARKETING, START, START))
    assert not await visitor.gets("events")
    boxes = (await visitor.page()).form("choices").boxes
    assert (boxes["email/offers"], boxes["email/newsletter"], boxes["email/events"]) == (True, False, False)


async def test_the_category_of_the_link_can_be_chosen_again(visitor: Visitor) -> None:
    await visitor.post(ONE_CLICK)
    await visitor.choose(email__newsletter=True)
    assert [await visitor.gets(category) for category in ("newsletter", "offers")] == [True, False]
    await visitor.post(ONE_CLICK)  # and left again, by the same mail
    assert [await visitor.gets(category) for category in ("newsletter", "offers")] == [False, False]


async def test_so_can_the_one_of_a_service_mail(visitor: Visitor) -> None:
    await visitor.with_link(category="orders", category_class=CategoryClass.SERVICE).post(ONE_CLICK)
    await visitor.choose(email__orders=True)
    assert await visitor.gets("orders")
    assert not visitor.api.people.suppressed  # nothing is left to be unsubscribed from


async def test_a_new_unsubscribe_from_all_marketing_takes_earlier_choices_with_it(visitor: Visitor) -> None:
    await visitor.post(ONE_CLICK)
    await visitor.choose(email__offers=True)
    await visitor.with_link(category="orders", category_class=CategoryClass.SERVICE).post(ONE_CLICK)
    assert await visitor.gets("offers")  # the link of a service mail says nothing of it
    await visitor.post(ONE_CLICK)
    assert not await visitor.gets("offers")


@pytest.mark.parametrize("reason", sorted({*SuppressionReason} - {SuppressionReason.UNSUBSCRIBED}))
async def test_what_is_stopped_for_another_reason_cannot_be_ticked(visitor: Visitor, reason: SuppressionReason) -> None:
    await suppressed(visitor, "sms", SMS, reason)
    page = await visitor.page()
    form = page.form("choices")
    assert {"sms/newsletter", "sms/offers"} <= form.locked
    assert form.boxes.keys() & form.locked == set()
    assert "cannot be ticked" in page.text
    fields = {**page.ticking(email__orders=False), "want": ["sms/newsletter"]}  # as no page sends it
    await visitor.post(fields)
    assert not await visitor.gets("newsletter", "sms")
    assert reason in visitor.api.people.suppressed[visitor.api.people.suppression_id("sms", SMS)].entries


async def test_what_is_unticked_stays_so_whoever_writes_the_recipient_afterwards(visitor: Visitor) -> None:
    await visitor.choose(email__orders=False)
    there = await visitor.api.store.recipient("alice")
    assert there is not None
    await visitor.api.store.replace_recipient(replace(there, preferences={}))
    assert not await visitor.gets("orders")
    await visitor.api.store.delete_recipient("alice")
    await visitor.api.store.create_recipient(replace(there, preferences={}))
    assert not await visitor.gets("orders")
    await visitor.choose(email__orders=True)
    assert await visitor.gets("orders")


async def test_an_old_link_chooses_for_nobody_who_has_another_address(visitor: Visitor) -> None:
    there = await visitor.api.store.recipient("alice")
    assert there is not None
    await visitor.api.store.replace_recipient(replace(there, addresses={"email": "another@example.com"}))
    assert "choices" not in [form.fields[0][0] for form in (await visitor.page()).forms]
    await visitor.post({"choices": "1", "want": ["email/newsletter"]}, 422)
    read = await visitor.api.store.recipient("alice")
    assert read is not None
    assert read.preferences == there.preferences


async def test_the_links_own_category_can_be_chosen_however_many_there_are(visitor: Visitor) -> None:
    for number in range(100):
        category = Category(f"a{number:03}", CategoryClass.TRANSACTIONAL, START, START)
        await visitor.api.people.put_category(category)
    assert "email/newsletter" in (await visitor.page()).form("choices").boxes


async def test_what_others_wrote_meanwhile_stays(visitor: Visitor) -> None:
    """The page was made before; what it says without having been touched is nobody's word."""
    fields = (await visitor.page()).ticking(email__newsletter=False)
    now = await visitor.recipient()
    await visitor.api.store.replace_recipient(replace(now, preferences={"orders": {"email": False}}, locale="de"))
    await visitor.post(fields)
    after = await visitor.recipient()
    assert (after.preferences, after.locale) == ({"orders": {"email": False}, "newsletter": {"email": False}}, "de")


async def test_writes_at_the_same_time_lose_nothing(visitor: Visitor) -> None:
    one, other = [(await visitor.page()).ticking(**t) for t in ({"email__orders": False}, {"sms__orders": False})]

    async def quiet() -> None:
        while True:
            there = await visitor.api.store.recipient("alice")
            assert there is not None
            try:
                await visitor.api.store.replace_recipient(replace(there, quiet_hours=(QuietHours((0,), 0, 60),)))
            except Conflict:
                continue
            return

    await asyncio.gather(visitor.post(one), visitor.post(other), quiet(), visitor.post(ONE_CLICK))
    after = await visitor.recipient()
    assert after.preferences == {"orders": {"email": False, "sms": False}}
    assert after.quiet_hours
    assert not await visitor.gets("newsletter")


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("operation", ["replace_recipient", "put_suppression"])
async def test_when_a_write_fails_it_is_not_said_to_be_saved(visitor: Visitor, operation: str, landed: bool) -> None:
    await visitor.post(ONE_CLICK)
    fields = (await visitor.page()).ticking(email__offers=True, email__orders=False)
    visitor.api.store.fail(operation, landed=landed)
    visitor.api.people.fail(operation, landed=landed)
    answer = await visitor.post(fields, 503)
    assert 'role="status"' not in answer.text
    if operation == "put_suppression":
        assert not await visitor.gets("orders")  # less is on record before more
    await visitor.post(fields)
    assert [await visitor.gets(category) for category in ("offers", "orders")] == [True, False]


async def test_what_is_no_longer_there_is_passed_over(visitor: Visitor) -> None:
    fields = (await visitor.page()).ticking(email__orders=False, email__offers=False)
    await visitor.api.people.delete_category("offers")
    await visitor.post(fields)
    assert (await visitor.recipient()).preferences == {"orders": {"email": False}}


async def test_no_category_can_be_made_up(visitor: Visitor) -> None:
    before = records(visitor.api)
    await visitor.post({"choices": "1", "was": ["email/unheard-of", "pigeon/orders", "email/passwords"]})
    assert records(visitor.api) == before


@pytest.mark.parametrize("gone", ["deleted", "being erased", "never named"])
async def test_nobody_chooses_for_who_is_not_there(visitor: Visitor, gone: str) -> None:
    fields = (await visitor.page()).ticking(email__orders=False)
    if gone == "deleted":
        await visitor.api.store.delete_recipient("alice")
    elif gone == "being erased":
        await visitor.api.store.replace_recipient(replace(await visitor.recipient(), erased_at=START))
    else:
        visitor = visitor.with_link(recipient=None)
    before = records(visitor.api)
    assert "nothing was changed" in Page(await visitor.post(fields, 422)).text
    assert records(visitor.api) == before
    assert [form.fields[0][0] for form in (await visitor.page()).forms] == ["List-Unsubscribe"]
    await visitor.post(ONE_CLICK)
    assert visitor.api.people.suppressed


async def test_one_kind_of_advertising_taken_out_is_not_all_of_it(visitor: Visitor) -> None:
    """And all of it can still be left with one click."""
    page = await visitor.choose(email__newsletter=False)
    assert "You have unsubscribed from these messages" in page.text
    assert "unsubscribed from advertising" not in page.text
    assert "If you unsubscribe, no advertising of any kind" in page.text
    assert await visitor.gets("offers")
    await visitor.post(dict(page.form("List-Unsubscribe").fields))
    page = await visitor.page()
    assert "You have unsubscribed from advertising" in page.text
    assert "List-Unsubscribe" not in {form.fields[0][0] for form in page.forms}
    assert not await visitor.gets("offers")


@pytest.mark.parametrize(
    ("category", "class_"), [("newsletter", CategoryClass.MARKETING), ("orders", CategoryClass.SERVICE)]
)
async def test_who_subscribes_again_gets_what_was_taken_out(
    visitor: Visitor, category: str, class_: CategoryClass
) -> None:
    of_it = visitor.with_link(category=category, category_class=class_)
    page = await of_it.choose(**{f"email__{category}": False, "email__offers": False})
    assert not await visitor.gets(category)
    assert "is taken back" in (await of_it.post(dict(page.form("resubscribe").fields))).text
    assert await visitor.gets(category)
    assert (await of_it.page()).form("choices").boxes == BOXES | {"email/offers": False}
    before = records(visitor.api)
    await of_it.post({"resubscribe": "1"})
    assert records(visitor.api) == before
