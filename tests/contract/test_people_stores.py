"""What every store of people's records promises: in memory, on Firestore's emulator, and on the Firestore in memory."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from shared.delivery.errors import AlreadyExists, Conflict, NotFound, UnreadableRecord
from shared.delivery.model import CategoryClass, Delivery, QuietHours, Recipient, SuppressionReason
from shared.delivery.store import Store
from shared.google.firestore import rpc
from shared.google.firestore.people_store import FirestorePeople
from shared.google.firestore.records import document
from shared.google.firestore.store import FirestoreStore
from shared.people.category import Category
from shared.people.frequency import DaysNotifications
from shared.people.people_store import PeopleStore
from shared.people.permission import NOBODY, Person
from shared.people.suppression import AddressHash, Entry, Suppression, SuppressionClass
from tests.contract import stores
from tests.fakes.clock import START
from tests.fakes.people import MemoryPeople
from tests.fakes.store import MemoryStore

ADDRESS = "Alice@Example.com"
LATER = START + timedelta(days=3)
BOUNCED = Entry(SuppressionReason.HARD_BOUNCE, SuppressionClass.ALL, START, "a receipt")
LEFT = Entry(
    SuppressionReason.UNSUBSCRIBED,
    SuppressionClass.CATEGORY,
    START + timedelta(microseconds=1),
    "a page",
    ("a.b", "news"),
)
DAMAGE: Mapping[str, Mapping[str, Any]] = {
    "categories": {"class_": "urgent"},
    "suppressions": {"entries": {"boredom": {}}},
    "frequencies": {"notifications": "many"},
}
"""By collection, what a record of it cannot be read with."""


@dataclass(frozen=True)
class Stores:
    """recipients: the store of the recipients that `people` reads"""

    people: PeopleStore
    recipients: Store

    async def spoil(self, path: str) -> None:
        """The record under this path cannot be read from now on."""
        if isinstance(self.people, MemoryPeople):
            self.people.spoil(path)
            return
        assert isinstance(self.people, FirestorePeople)
        calls, values = self.people._rpc, DAMAGE[path.partition("/")[0]]
        update = document(f"{calls.documents}/{path}", values)
        await calls.commit([rpc.Write(update=update, update_mask=rpc.DocumentMask(field_paths=list(values)))])


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        store = MemoryStore()
        yield Stores(MemoryPeople(store), store)
        return
    async with stores.firestore_of(request) as host, rpc.connect(host) as channel:
        calls = rpc.Rpc(channel, f"projects/t-{uuid.uuid4().hex[:20]}/databases/(default)", emulated=True)
        yield Stores(FirestorePeople(calls, AddressHash("of a test")), FirestoreStore(calls))


@pytest.fixture
def people(both: Stores) -> PeopleStore:
    return both.people


def a_category(name: str = "news", **changes: Any) -> Category:
    return replace(Category(name, CategoryClass.MARKETING, START, START), **changes)


def a_suppression(people: PeopleStore, address: str = ADDRESS, channel: str = "email") -> Suppression:
    entries = {entry.reason: entry for entry in (BOUNCED, LEFT)}
    return Suppression(people.suppression_id(channel, address), channel, entries)


def a_delivery(**changes: Any) -> Delivery:
    return replace(Delivery("n", "email", ADDRESS, START, category="news", recipient="alice"), **changes)


async def suppression_of(people: PeopleStore, wanted: Suppression) -> Suppression:
    read = await people.suppression(wanted.channel, wanted.id)
    assert read is not None
    return read


async def category_of(people: PeopleStore, name: str = "news") -> Category:
    read = await people.category(name)
    assert read is not None
    return read


def test_an_address_is_known_by_a_hash_that_is_one_for_each_spelling_and_channel(people: PeopleStore) -> None:
    known = people.suppression_id("email", ADDRESS)
    assert len(known) == 64
    assert known == people.suppression_id("email", "alice@example.COM")
    assert known not in {people.suppression_id("sms", ADDRESS), people.suppression_id("email", "bob@example.com")}


async def test_a_suppression_is_read_as_it_was_written(people: PeopleStore) -> None:
    wanted = a_suppression(people)
    assert await people.suppression(wanted.channel, wanted.id) is None
    await people.put_suppression(wanted)
    assert replace(await suppression_of(people, wanted), version=None) == wanted


async def test_a_suppression_is_written_only_at_the_version_that_was_read(people: PeopleStore) -> None:
    await people.put_suppression(a_suppression(people))
    with pytest.raises((AlreadyExists, Conflict)):
        await people.put_suppression(a_suppression(people))
    read = await suppression_of(people, a_suppression(people))
    await people.put_suppression(read.without(SuppressionReason.HARD_BOUNCE))
    with pytest.raises(Conflict):
        await people.put_suppression(read)
    with pytest.raises(Conflict):
        await people.put_suppression(replace(read, entries={}))
    assert list((await suppression_of(people, read)).entries) == [SuppressionReason.UNSUBSCRIBED]


async def test_a_suppression_without_entries_is_gone(people: PeopleStore) -> None:
    await people.put_suppression(a_suppression(people))
    read = await suppression_of(people, a_suppression(people))
    await people.put_suppression(replace(read, entries={}))
    assert await people.suppression(read.channel, read.id) is None
    with pytest.raises((NotFound, Conflict)):
        await people.put_suppression(read)
    await people.put_suppression(replace(read, entries={}, version=None))
    assert await people.suppression(read.channel, read.id) is None


async def test_of_many_who_write_at_once_one_is_first(people: PeopleStore) -> None:
    wanted = a_suppression(people)
    answers = await asyncio.gather(*(people.put_suppression(wanted) for _ in range(5)), return_exceptions=True)
    assert sum(answer is None for answer in answers) == 1
    assert all(answer is None or isinstance(answer, AlreadyExists | Conflict) for answer in answers)


async def test_suppressions_are_listed_by_channel_and_hash_page_by_page(people: PeopleStore) -> None:
    wanted = [a_suppression(people, f"a{n}@example.com") for n in range(5)]
    wanted += [a_suppression(people, f"+1415555267{n}", "sms") for n in range(3)]
    for suppression in wanted:
        await people.put_suppression(suppression)
    for channel in (None, "email", "sms", "slack"):
        found: list[Suppression] = []
        after = None
        while True:
            page = await people.suppressions(channel=channel, limit=2, after=after)
            found += page.items
            after = page.next
            if after is None:
                break
            assert len(page.items) == 2
        expected = sorted((s for s in wanted if channel in {None, s.channel}), key=lambda s: s.key)
        assert [replace(s, version=None) for s in found] == expected
    assert all(s.version is not None for s in (await people.suppressions(channel=None, limit=9, after=None)).items)


async def test_a_category_is_read_as_it_was_written(people: PeopleStore) -> None:
    assert await people.category("news") is None
    whole = a_category(description="What is new", max_per_day=2, updated_by="c" * 16, updated_at=LATER)
    for wanted in (a_category(), whole):
        await people.put_category(replace(wanted, version=(await people.category("news") or wanted).version))
        assert replace(await category_of(people), version=None) == wanted


async def test_a_category_is_written_only_at_the_version_that_was_read(people: PeopleStore) -> None:
    await people.put_category(a_category())
    with pytest.raises((AlreadyExists, Conflict)):
        await people.put_category(a_category())
    read = await category_of(people)
    await people.put_category(replace(read, max_per_day=1))
    with pytest.raises(Conflict):
        await people.put_category(replace(read, max_per_day=9))
    assert (await category_of(people)).max_per_day == 1


async def test_a_deleted_category_is_gone(people: PeopleStore) -> None:
    await people.put_category(a_category())
    read = await category_of(people)
    await people.delete_category("news")
    assert await people.category("news") is None
    with pytest.raises((NotFound, Conflict)):
        await people.delete_category("news")
    with pytest.raises((NotFound, Conflict)):
        await people.put_category(read)


async def test_categories_are_listed_by_name_page_by_page(people: PeopleStore) -> None:
    for name in ("b", "a", "Z", "c"):
        await people.put_category(a_category(name))
    page = await people.categories(limit=3, after=None)
    assert ([c.name for c in page.items], page.next) == (["Z", "a", "b"], "b")
    page = await people.categories(limit=3, after=page.next)
    assert ([c.name for c in page.items], page.next) == (["c"], None)


async def test_a_person_is_all_that_decides_and_nothing_else(both: Stores) -> None:
    assert await both.people.person(a_delivery()) == NOBODY
    alice = Recipient(
        "alice",
        {"email": ADDRESS},
        START,
        START,
        time_zone="Europe/Vienna",
        quiet_hours=(QuietHours((0, 6), 22 * 60, 24 * 60), QuietHours((1,), 0, 60)),
        preferences={"news": {"email": False, "sms": True}, "a.b": {}},
        erased_at=LATER,
    )
    await both.recipients.create_recipient(alice)
    await both.people.put_category(a_category())
    wanted = a_suppression(both.people)
    await both.people.put_suppression(wanted)

    person = await both.people.person(a_delivery())
    assert person.recipient is not None
    assert person.category is not None
    assert person.suppression is not None
    assert replace(person.recipient, version=None) == alice
    assert replace(person.category, version=None) == a_category()
    assert replace(person.suppression, version=None) == wanted

    assert await both.people.person(a_delivery(address="b@example.com", recipient=None, category="other")) == NOBODY
    assert await both.people.person(a_delivery(category=None)) == Person(person.suppression)
    assert await both.people.person(a_delivery(recipient=None)) == replace(person, recipient=None)


async def test_many_who_ask_at_once_each_get_their_own(people: PeopleStore) -> None:
    for n in range(3):
        await people.put_suppression(a_suppression(people, f"a{n}@example.com"))
    asked = [f"a{n % 4}@example.com" for n in range(60)]
    found = await asyncio.gather(*(people.person(a_delivery(address=address)) for address in asked))
    for address, person in zip(asked, found, strict=True):
        known = None if address == "a3@example.com" else people.suppression_id("email", address)
        assert (person.suppression.id if person.suppression else None) == known


async def test_a_days_notifications_are_counted_one_after_the_other(people: PeopleStore) -> None:
    none = await people.days_notifications("d")
    assert none == DaysNotifications("d")
    await people.count(replace(none, notifications=("n1",)), LATER)
    with pytest.raises((AlreadyExists, Conflict)):
        await people.count(replace(none, notifications=("n2",)), LATER)
    one = await people.days_notifications("d")
    assert one.notifications == ("n1",)
    await people.count(replace(one, notifications=("n1", "n2")), LATER)
    with pytest.raises(Conflict):
        await people.count(replace(one, notifications=("n1", "n3")), LATER)
    assert (await people.days_notifications("d")).notifications == ("n1", "n2")
    assert (await people.days_notifications("e")).notifications == ()


Asking = Callable[[PeopleStore], Awaitable[Any]]
NEEDS: Mapping[str, tuple[str, Asking]] = {
    "the suppression": ("suppressions", lambda p: p.suppression("email", p.suppression_id("email", ADDRESS))),
    "the category": ("categories", lambda p: p.category("news")),
    "the day": ("frequencies", lambda p: p.days_notifications("d")),
    "a person by suppression": ("suppressions", lambda p: p.person(a_delivery(category=None))),
    "a person by category": ("categories", lambda p: p.person(a_delivery())),
}


@pytest.mark.parametrize("need", NEEDS)
async def test_who_needs_a_record_that_cannot_be_read_is_told_which(both: Stores, need: str) -> None:
    people = both.people
    await people.put_category(a_category())
    await people.put_suppression(a_suppression(people))
    await people.count(DaysNotifications("d", ("n",)), LATER)
    collection, ask = NEEDS[need]
    known = {
        "suppressions": f"email.{people.suppression_id('email', ADDRESS)}",
        "categories": "news",
        "frequencies": "d",
    }
    path = f"{collection}/{known[collection]}"
    await ask(people)
    await both.spoil(path)
    with pytest.raises(UnreadableRecord, match=path) as raised:
        await ask(people)
    assert ADDRESS.casefold() not in str(raised.value).casefold()


async def test_a_listing_leaves_out_what_cannot_be_read_and_goes_on(both: Stores) -> None:
    people = both.people
    wanted = sorted((a_suppression(people, f"a{n}@example.com") for n in range(4)), key=lambda s: s.key)
    for suppression in wanted:
        await people.put_suppression(suppression)
    for name in "abcd":
        await people.put_category(a_category(name))
    for n in (0, 1):
        await both.spoil(f"suppressions/{wanted[n].key}")
        await both.spoil(f"categories/{'abcd'[n]}")
    page = await people.suppressions(channel="email", limit=2, after=None)
    assert page.items == []
    rest = await people.suppressions(channel="email", limit=2, after=page.next)
    assert [s.id for s in rest.items] == [s.id for s in wanted[2:]]
    names = await people.categories(limit=2, after=None)
    assert names.items == []
    assert [c.name for c in (await people.categories(limit=2, after=names.next)).items] == ["c", "d"]
