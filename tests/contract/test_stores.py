"""What every store promises (shared/delivery/store.py), in memory and on Firestore's emulator."""

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.delivery.erasure import emptied, renamed, without_texts
from shared.delivery.errors import AlreadyExists, Conflict, NotFound, StoreUnavailable
from shared.delivery.gate import Facts
from shared.delivery.model import (
    Attachment,
    Attempt,
    Delivery,
    DeliveryStatus,
    Event,
    Notification,
    Outcome,
    Recipient,
    Step,
)
from shared.delivery.state_machine import Write, decide, discarded, relayed, settle
from shared.delivery.store import MOST_SENT_AS, Key, Page, Position, Search, Store
from shared.google.firestore import records, rpc
from shared.google.firestore.store import FirestoreStore
from tests.contract import stores
from tests.fakes.clock import START
from tests.fakes.records import POLICY, a_notification, accepted, queued_deliveries

S = DeliveryStatus
LATER = START + timedelta(days=1)
UNICODE = "Zażółć gęślą jaźń 🦜 \u202eלום\u202c 漢字 \ue000 \U0010fffd"


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        async with stores.memory() as store:
            yield store
        return
    async with stores.firestore_of(request) as host, stores.firestore(host) as store:
        yield store


def claimed(delivery: Delivery, token: str = "mine") -> Delivery:
    decision = decide(delivery, token, START, POLICY)
    assert isinstance(decision, Write)
    return decision.delivery


def settled(delivery: Delivery, outcome: Outcome, at: datetime = START) -> Delivery:
    attempt = Attempt(len(delivery.attempts) + 1, at, outcome, error=f"it was {outcome}", duration_ms=41)
    return settle(delivery, [attempt], at, POLICY, provider="scripted", provider_message_id="m-1")


def dead(delivery: Delivery, at: datetime) -> Delivery:
    return relayed(replace(delivery, updated_at=None, created_at=at - POLICY.give_up), at, POLICY)


async def written(store: Store, delivery: Delivery) -> Delivery:
    return replace(delivery, version=await store.update(delivery))


async def stored(store: Store, delivery: Delivery) -> Delivery:
    loaded = await store.load(delivery.notification_id, delivery.channel)
    assert loaded is not None
    return loaded[1]


async def test_what_was_created_can_be_read(store: Store) -> None:
    notification = a_notification(channels=["sms", "email", "slack"], recipient="alice")
    deliveries = await accepted(store, notification)
    assert await store.notification(notification.id) == notification
    assert await store.deliveries([notification]) == {notification.id: deliveries}, "in the order of their channels"
    for delivery in deliveries:
        assert await store.load(notification.id, delivery.channel) == (notification, delivery)


async def test_what_is_not_there_is_none(store: Store) -> None:
    notification = a_notification()
    assert await store.notification(notification.id) is None
    assert await store.load(notification.id, "email") is None
    assert await store.deliveries([]) == {}
    assert await store.deliveries([notification]) == {notification.id: []}
    await accepted(store, notification)
    assert await store.load(notification.id, "sms") is None


async def test_the_same_id_cannot_be_created_twice(store: Store) -> None:
    notification = a_notification()
    (delivery,) = await accepted(store, notification)
    another = replace(notification, message="another")
    with pytest.raises(AlreadyExists):
        await store.create(another, queued_deliveries(another))
    assert await store.load(notification.id, "email") == (notification, delivery)


async def test_create_writes_all_or_nothing(store: Store) -> None:
    notification = a_notification(channels=["email"])
    await accepted(store, notification)
    wider = replace(notification, channels=("sms", "email"))
    with pytest.raises(AlreadyExists):
        await store.create(wider, queued_deliveries(wider))
    assert await store.load(notification.id, "sms") is None


async def test_of_many_creates_at_once_one_wins(store: Store) -> None:
    notification = a_notification(channels=["email", "sms"])
    creates = [store.create(notification, queued_deliveries(notification)) for _ in range(20)]
    ended = await asyncio.gather(*creates, return_exceptions=True)
    assert sum(isinstance(end, int) for end in ended) == 1
    assert sum(isinstance(end, AlreadyExists) for end in ended) == 19


async def test_many_are_created_together_or_none_of_them(store: Store) -> None:
    many = [(n, queued_deliveries(n)) for n in (a_notification(), a_notification(channels=["email", "sms"]))]
    version = await store.create_all(many)
    for n, deliveries in many:
        assert await store.deliveries_of(n) == [replace(d, version=version) for d in deliveries]
    new = a_notification()
    with pytest.raises(AlreadyExists):
        await store.create_all([(new, queued_deliveries(new)), many[0]])
    assert await store.notification(new.id) is None
    found = await store.notifications_of([many[0][0].id, new.id, many[1][0].id])
    assert found == {n.id: n for n, _ in many}


async def test_an_update_is_read_back_whole(store: Store) -> None:
    (delivery,) = await accepted(store, a_notification())
    claim = await written(store, claimed(delivery))
    assert await stored(store, delivery) == claim
    retrying = await written(store, settled(claim, Outcome.RETRYABLE))
    assert await stored(store, delivery) == retrying
    again = await written(store, replace(retrying, attempts=(*retrying.attempts, Attempt(2, START, Outcome.UNKNOWN))))
    assert await stored(store, delivery) == again


async def test_an_update_needs_the_version_on_record(store: Store) -> None:
    (delivery,) = await accepted(store, a_notification())
    claim = await written(store, claimed(delivery))
    with pytest.raises(Conflict):
        await store.update(claimed(delivery, "another"))
    assert await stored(store, delivery) == claim


async def test_an_update_of_nothing_is_not_found(store: Store) -> None:
    (delivery,) = queued_deliveries(a_notification())
    with pytest.raises((NotFound, Conflict)):
        await store.update(replace(delivery, version=1_767_323_045_678_901_000))
    assert await store.load(delivery.notification_id, "email") is None


async def test_an_update_without_a_version_is_a_mistake(store: Store) -> None:
    (delivery,) = queued_deliveries(a_notification())
    with pytest.raises(ValueError, match="version"):
        await store.update(delivery)


async def test_of_many_updates_from_one_version_exactly_one_wins(store: Store) -> None:
    (delivery,) = await accepted(store, a_notification())
    updates = [store.update(claimed(delivery, f"token-{n}")) for n in range(20)]
    ended = await asyncio.gather(*updates, return_exceptions=True)
    winners = [n for n, end in enumerate(ended) if isinstance(end, int)]
    assert len(winners) == 1
    assert sum(isinstance(end, Conflict) for end in ended) == 19
    assert (await stored(store, delivery)).claim == f"token-{winners[0]}"


async def test_of_many_updates_at_once_each_has_its_own_answer(store: Store) -> None:
    deliveries = [(await accepted(store, a_notification()))[0] for _ in range(12)]
    for stale in deliveries[::3]:
        await store.update(claimed(stale, "theirs"))
    (missing,) = queued_deliveries(a_notification())
    asked = [claimed(d) for d in (*deliveries, replace(missing, version=1_767_323_045_678_901_000))]
    answers = await asyncio.gather(*map(store.update, asked), return_exceptions=True)
    assert [type(answer) for answer in answers[:-1]] == [Conflict, int, int] * 4
    assert isinstance(answers[-1], NotFound | Conflict)
    for number, delivery in enumerate(deliveries):
        found = await stored(store, delivery)
        assert found.claim == ("mine" if number % 3 else "theirs")
        assert not number % 3 or found.version == answers[number]


async def test_an_update_leaves_what_was_written_once(store: Store) -> None:
    notification = a_notification(recipient="alice")
    (new,) = queued_deliveries(notification)
    cut = replace(new, segments=2, encoding="GSM-7")
    delivery = replace(cut, version=await store.create(notification, [cut]))
    known_from_a_message = Delivery(
        notification.id, "email", "someone@example.com", START + timedelta(hours=1), version=delivery.version
    )
    await store.update(claimed(known_from_a_message))
    now = await stored(store, delivery)
    assert (now.address, now.recipient, now.shard) == (delivery.address, "alice", notification.shard)
    assert (now.created_at, now.expire_at) == (notification.created_at, notification.expire_at)
    assert (now.segments, now.encoding) == (2, "GSM-7")


async def test_a_terminal_delivery_is_never_overdue(store: Store) -> None:
    (delivery,) = await accepted(store, a_notification(shard=5))
    assert len(await store.overdue(5, LATER, 10)) == 1
    claim = await written(store, claimed(delivery))
    assert len(await store.overdue(5, LATER, 10)) == 1
    sent = await written(store, settled(claim, Outcome.ACCEPTED))
    assert await store.overdue(5, LATER, 10) == []
    now = await stored(store, delivery)
    assert now == sent
    assert (now.due_at, now.lease_until, now.claimed_at) == (None, None, None)


async def test_update_all_says_of_each_whether_it_was_written(store: Store) -> None:
    first, second, third = [(await accepted(store, a_notification()))[0] for _ in range(3)]
    await store.update(claimed(second))
    (missing,) = queued_deliveries(a_notification())
    moved = [
        relayed(d, LATER - timedelta(hours=1), POLICY)
        for d in (first, second, replace(missing, version=1_767_323_045_678_901_000), third)
    ]
    versions = await store.update_all(moved)
    assert [version is not None for version in versions] == [True, False, False, True]
    assert (await stored(store, first)).relays == 1
    assert (await stored(store, first)).version == versions[0]
    assert (await stored(store, second)).claim == "mine"
    assert list(await store.update_all([])) == []


async def test_of_two_update_alls_at_once_each_delivery_goes_to_one(store: Store) -> None:
    deliveries = [(await accepted(store, a_notification()))[0] for _ in range(30)]
    moved = [relayed(d, START + timedelta(hours=1), POLICY) for d in deliveries]
    mine, theirs = await asyncio.gather(store.update_all(moved), store.update_all(moved))
    assert [(a is None) + (b is None) for a, b in zip(mine, theirs, strict=True)] == [1] * 30


async def test_overdue_is_one_shards_longest_overdue_first(store: Store) -> None:
    minutes = [7, 3, 9, 1, 5]
    for shard in (4, 11):
        for n in minutes:
            await accepted(store, a_notification(created_at=START + timedelta(minutes=n), shard=shard))
    found = await store.overdue(4, START + timedelta(minutes=7) + POLICY.grace, 10)
    assert [(d.created_at - START) / timedelta(minutes=1) for d in found] == [1, 3, 5], "7 is due, not overdue"
    assert {d.shard for d in found} == {4}
    assert list(await store.overdue(4, LATER, 2)) == list(found[:2])
    assert await store.overdue(5, LATER, 10) == []
    assert await store.overdue(4, START, 10) == []
    of_all = [((d.created_at - START) / timedelta(minutes=1), d.shard) for d in await store.overdue(None, LATER, 4)]
    assert sorted(of_all) == [(1, 4), (1, 11), (3, 4), (3, 11)]


async def test_overdue_is_of_the_channels_that_are_asked_for(store: Store) -> None:
    for shard in (4, 11):
        for channels in (("email",), ("sms",), ("email", "sms", "slack")):
            await accepted(store, a_notification(channels=channels, shard=shard))
    found = await store.overdue(4, LATER, 10, ["sms", "slack"])
    assert sorted(d.channel for d in found) == ["slack", "sms", "sms"]
    assert {d.shard for d in found} == {4}
    assert [d.channel for d in await store.overdue(None, LATER, 10, ["slack"])] == ["slack", "slack"]
    assert len(await store.overdue(4, LATER, 2, ["sms", "email"])) == 2
    assert await store.overdue(4, LATER, 10, ["push"]) == []


async def test_an_overdue_delivery_can_be_updated_as_it_was_found(store: Store) -> None:
    await accepted(store, a_notification(shard=4))
    (found,) = await store.overdue(4, LATER, 10)
    assert None not in await store.update_all([relayed(found, START + timedelta(hours=1), POLICY)])


@pytest.fixture
async def listed(store: Store) -> list[Notification]:
    """Newest first: four of alice's, three of bob's, two of nobody's; some with two or three deliveries sent."""
    notifications = []
    for n, (recipient, channels, sent) in enumerate(
        [
            ("alice", ["email", "sms", "slack"], ["email", "sms", "slack"]),
            ("bob", ["email", "sms"], ["email"]),
            ("alice", ["email", "sms"], ["sms", "email"]),
            (None, ["slack"], []),
            ("alice", ["email"], []),
            ("bob", ["email", "sms", "slack"], ["slack", "sms"]),
            ("alice", ["email", "slack"], ["slack"]),
            (None, ["email", "sms"], ["email", "sms"]),
            ("bob", ["email"], []),
        ]
    ):
        # Three at a time are created in the same microsecond.
        created_at = START + timedelta(seconds=n // 3)
        notification = a_notification(
            channels=channels,
            created_at=created_at,
            shard=n,
            recipient=recipient,
            caller="billing" if n % 3 else "shop",
        )
        for delivery in await accepted(store, notification):
            if delivery.channel in sent:
                claim = await written(store, claimed(delivery))
                await store.update(settled(claim, Outcome.ACCEPTED))
        notifications.append(notification)
    return sorted(notifications, key=lambda n: (n.created_at, n.id), reverse=True)


async def has(store: Store, notification: Notification, status: DeliveryStatus) -> bool:
    deliveries = (await store.deliveries([notification]))[notification.id]
    return any(d.status is status for d in deliveries)


@pytest.mark.parametrize("status", [None, S.SENT, S.QUEUED, S.DEAD])
@pytest.mark.parametrize("recipient", [None, "alice", "nobody"])
@pytest.mark.parametrize("caller", [None, "billing", "nobody"])
async def test_paging_gives_each_notification_once_newest_first(
    store: Store,
    listed: list[Notification],
    caller: str | None,
    recipient: str | None,
    status: DeliveryStatus | None,
) -> None:
    expected = [
        n
        for n in listed
        if caller in {None, n.caller}
        and recipient in {None, n.recipient}
        and (status is None or await has(store, n, status))
    ]
    for limit in (1, 2, 3, 4, 5, 50):
        found: list[Notification] = []
        after = None
        while True:
            page = await store.notifications(
                caller=caller, recipient=recipient, status=status, limit=limit, after=after
            )
            assert len(page.items) == limit or page.next is None
            found += page.items
            after = page.next
            if after is None:
                break
            assert len(found) < len(expected), "another page has something on it"
        assert [n.id for n in found] == [n.id for n in expected], f"with a limit of {limit}"
        assert found == expected


async def found_by(store: Store, limit: int, search: Search, caller: str | None = None) -> list[Notification]:
    """What is on all pages, each of which but the last is full."""
    found: list[Notification] = []
    after: Position | None = None
    while True:
        page: Page[Notification, Position] = await store.notifications(
            caller=caller, recipient=None, status=None, limit=limit, after=after, search=search
        )
        assert len(page.items) == limit or page.next is None
        found += page.items
        after = page.next
        if after is None:
            return found


@pytest.fixture
async def searched(store: Store) -> list[Notification]:
    """Newest first; every other one is to a@example.com, tagged and made of a template, and known to its provider."""
    notifications = []
    for n in range(10):
        plain = a_notification(
            channels=["email", "sms"],
            created_at=START + timedelta(seconds=n // 4),  # four at a time in the same microsecond
            shard=n,
            caller="billing" if n % 3 else "shop",
        )
        words = ("tag:team:infra", "template:shipped", "template:shipped/2") if n % 2 else ("tag:team:shop",)
        notification = replace(plain, found_by=words)
        email, sms = queued_deliveries(notification)
        hashes = ("hash of a", "hash of +1") if n % 2 else ("hash of b", None)
        deliveries = [replace(d, address_hash=of) for d, of in zip((email, sms), hashes, strict=True)]
        version = await store.create(notification, deliveries)
        if n % 2:
            for delivery, message_id in zip(deliveries, ("m-1", f"m-{n}"), strict=True):
                await store.update(replace(delivery, provider_message_id=message_id, version=version))
        notifications.append(notification)
    return sorted(notifications, key=lambda n: (n.created_at, n.id), reverse=True)


@pytest.mark.parametrize("caller", [None, "billing", "nobody"])
@pytest.mark.parametrize(
    "search",
    [
        Search(address="hash of a"),
        Search(word="tag:team:infra"),
        Search(word="template:shipped"),
        Search(word="template:shipped/2"),
        Search(message_id="m-1", channels=("email", "sms", "slack")),
        Search(message_id="m-1", channels=("email",)),
    ],
)
async def test_what_is_searched_for_is_found_once_newest_first(
    store: Store, searched: list[Notification], search: Search, caller: str | None
) -> None:
    expected = [n for n in searched if "tag:team:infra" in n.found_by and caller in {None, n.caller}]
    for limit in (1, 2, 3, 50):
        assert await found_by(store, limit, search, caller) == expected, f"with a limit of {limit}"


@pytest.mark.parametrize(
    "search",
    [
        Search(address="hash of c"),
        Search(address="hash of A"),
        Search(word="tag:team"),
        Search(word="tag:Team:infra"),
        Search(word=""),
        Search(message_id="m-0", channels=("email", "sms")),
        Search(message_id="m-1", channels=("slack",)),
        Search(start=START + timedelta(seconds=3)),
        Search(end=START),
        Search(word="tag:team:infra", start=START + timedelta(seconds=3)),
    ],
)
@pytest.mark.usefixtures("searched")
async def test_what_is_not_there_is_not_found(store: Store, search: Search) -> None:
    assert await found_by(store, 9, search) == []


@pytest.mark.parametrize("search", [Search(), Search(address="hash of a"), Search(word="tag:team:infra")])
async def test_a_search_is_bounded_by_when_it_was_accepted(
    store: Store, searched: list[Notification], search: Search
) -> None:
    second = timedelta(seconds=1)
    for start, end in ((START + second, None), (None, START + second), (START, START + second), (START, START)):
        expected = [
            n
            for n in searched
            if (search == Search() or "tag:team:infra" in n.found_by)
            and (start is None or start <= n.created_at)
            and (end is None or n.created_at < end)
        ]
        for limit in (1, 3, 50):
            found = await found_by(store, limit, replace(search, start=start, end=end))
            assert found == expected, (start, end, limit)


async def test_of_a_message_id_that_many_share_no_more_are_looked_at_than_a_page_has(store: Store) -> None:
    asked = [a_notification(shard=n) for n in range(MOST_SENT_AS + 1)]
    deliveries = [replace(queued_deliveries(n)[0], provider_message_id="m") for n in asked]
    await store.create_all([(n, [d]) for n, d in zip(asked, deliveries, strict=True)])
    found = await found_by(store, 100, Search(message_id="m", channels=("email",)))
    assert len(found) in {MOST_SENT_AS, MOST_SENT_AS + 1}
    assert found == sorted(found, key=lambda n: n.id, reverse=True)


async def test_what_is_erased_is_found_by_its_template_alone(store: Store, searched: list[Notification]) -> None:
    erased = next(n for n in searched if "template:shipped" in n.found_by)
    email, sms = await store.deliveries_of(erased)
    await store.erase(without_texts(erased), [emptied(email)])
    assert erased.id not in [n.id for n in await found_by(store, 50, Search(address="hash of a"))]
    assert erased.id not in [n.id for n in await found_by(store, 50, Search(word="tag:team:infra"))]
    assert erased.id in [n.id for n in await found_by(store, 50, Search(word="template:shipped/2"))]
    assert erased.id in [n.id for n in await found_by(store, 50, Search(address="hash of +1"))], "another's stays"
    await store.erase(None, [emptied(sms)])
    assert erased.id not in [n.id for n in await found_by(store, 50, Search(address="hash of +1"))]


@pytest.mark.parametrize("channel", [None, "sms", "fax"])
@pytest.mark.parametrize("caller", [None, "billing", "nobody"])
async def test_paging_gives_each_dead_delivery_once_latest_first(
    store: Store, caller: str | None, channel: str | None
) -> None:
    expected = []
    for n in range(4):
        asked_by = "billing" if n % 2 else "shop"
        notification = a_notification(channels=["email", "sms", "slack"], shard=n, caller=asked_by)
        for delivery in (await accepted(store, notification))[:2]:
            # Both channels of a notification, and both notifications of a pair, die in the same microsecond.
            await store.update(dead(delivery, START + timedelta(hours=n // 2)))
            expected.append(await stored(store, delivery))
    expected.sort(key=lambda d: (d.dead_at or START, d.notification_id, d.channel), reverse=True)
    expected = [d for d in expected if channel in {None, d.channel} and caller in {None, d.caller}]
    for limit in (1, 2, 3, 4, 5, 50):
        found: list[Delivery] = []
        after = None
        while True:
            page = await store.dead(caller=caller, channel=channel, limit=limit, after=after)
            found += page.items
            after = page.next
            if after is None:
                break
            assert len(page.items) == limit
        assert found == expected, f"with a limit of {limit}"


@pytest.mark.parametrize("status", [S.QUEUED, S.DEAD])
@pytest.mark.parametrize("caller", ["billing", "shop", "nobody"])
async def test_paging_gives_each_of_a_callers_deliveries_in_a_status_once(
    store: Store, caller: str, status: DeliveryStatus
) -> None:
    expected = []
    for n in range(4):
        asked_by = "billing" if n % 2 else "shop"
        created_at = START + timedelta(hours=n // 2)  # both of a pair in the same microsecond
        notification = a_notification(
            channels=["email", "sms", "slack"], shard=n, caller=asked_by, created_at=created_at
        )
        email, sms, _ = await accepted(store, notification)
        for delivery in (email, sms):
            if status is S.DEAD:
                await store.update(dead(delivery, START))
        channels = ("email", "sms") if status is S.DEAD else ("email", "sms", "slack")
        if asked_by == caller:
            expected += [await stored(store, replace(email, channel=channel)) for channel in channels]
    expected.sort(key=lambda d: (d.created_at, d.notification_id, d.channel), reverse=True)
    for limit in (1, 2, 3, 50):
        found: list[Delivery] = []
        after = None
        while True:
            page = await store.in_status(caller=caller, status=status, limit=limit, after=after)
            found += page.items
            after = page.next
            if after is None:
                break
            assert len(page.items) == limit
        assert found == expected, f"with a limit of {limit}"


async def test_a_discarded_delivery_is_no_longer_listed_as_dead(store: Store) -> None:
    (delivery,) = await accepted(store, a_notification())
    now_dead = await written(store, dead(delivery, START))
    assert len((await store.dead(caller=None, channel=None, limit=5, after=None)).items) == 1
    await store.update(discarded(now_dead, START))
    assert (await store.dead(caller=None, channel=None, limit=5, after=None)).items == []


def a_recipient(name: str = "alice", **changes: Any) -> Recipient:
    fields = {"addresses": {"email": "a@example.com"}, "created_at": START, "updated_at": START, "updated_by": "shop"}
    return Recipient(**{"name": name, **fields, **changes})


async def read(store: Store, name: str = "alice") -> Recipient:
    recipient = await store.recipient(name)
    assert recipient is not None
    assert recipient.version is not None
    return recipient


async def test_what_templates_may_say_of_a_recipient_is_kept(store: Store) -> None:
    attributes = {"tier": "gold", "none": "", "orders": 2**53, "share": 0.25, "little": -4.7e-22, "staff": True}
    written = a_recipient(locale="de-AT", time_zone="Europe/Vienna", attributes=attributes)
    await store.create_recipient(written)
    stored = await read(store)
    assert replace(stored, version=None) == written
    assert {name: type(value) for name, value in stored.attributes.items()} == {
        n: type(v) for n, v in attributes.items()
    }


async def test_a_recipient_is_created_read_and_deleted(store: Store) -> None:
    assert await store.recipient("alice") is None
    await store.create_recipient(a_recipient())
    stored = await read(store)
    assert replace(stored, version=None) == a_recipient()
    with pytest.raises(AlreadyExists):
        await store.create_recipient(a_recipient(addresses={"slack": "#ops"}))
    assert await read(store) == stored
    await store.delete_recipient("alice")
    assert await store.recipient("alice") is None


async def test_a_replaced_recipient_keeps_its_created_at_and_no_old_address(store: Store) -> None:
    await store.create_recipient(a_recipient(addresses={"email": "a@example.com", "sms": "+14155552671"}))
    new = a_recipient(addresses={"slack": "#ops"}, created_at=LATER, updated_at=LATER, updated_by="billing")
    await store.replace_recipient(new)
    assert replace(await read(store), version=None) == replace(new, created_at=START)
    await store.replace_recipient(replace(new, addresses={"sms": "+1"}, version=(await read(store)).version))
    assert replace(await read(store), version=None) == replace(new, addresses={"sms": "+1"}, created_at=START)


async def test_a_recipient_that_has_changed_since_it_was_read_stays_as_it_is(store: Store) -> None:
    await store.create_recipient(a_recipient())
    seen = await read(store)
    await store.replace_recipient(replace(seen, addresses={"slack": "#ops"}))
    now = await read(store)
    with pytest.raises(Conflict):
        await store.replace_recipient(replace(seen, addresses={"sms": "+14155552671"}))
    with pytest.raises(Conflict):
        await store.delete_recipient("alice", seen.version)
    assert await read(store) == now
    await store.delete_recipient("alice", now.version)
    assert await store.recipient("alice") is None


async def test_of_many_who_create_a_recipient_at_once_one_does(store: Store) -> None:
    creates = [store.create_recipient(a_recipient(addresses={"email": f"{n}@example.com"})) for n in range(10)]
    ended = await asyncio.gather(*creates, return_exceptions=True)
    assert [type(end) for end in ended].count(AlreadyExists) == 9
    assert ended.count(None) == 1


@pytest.mark.parametrize("version", [None, 1_767_323_045_678_901_000])
async def test_a_recipient_that_is_not_there_can_be_neither_replaced_nor_deleted(
    store: Store, version: int | None
) -> None:
    refusals = NotFound if version is None else (NotFound, Conflict)
    with pytest.raises(refusals):
        await store.delete_recipient("alice", version)
    with pytest.raises(refusals):
        await store.replace_recipient(a_recipient(version=version))


async def test_recipients_are_listed_by_name(store: Store) -> None:
    names = ["bob", "alice", "Zoe", "al", "alice.b", "alice-b", "a_1", "10", "9"]
    for name in names:
        await store.create_recipient(a_recipient(name))
    for limit in (1, 2, 3, 4, 5, 50):
        found: list[str] = []
        after = None
        while True:
            page = await store.recipients(limit=limit, after=after)
            found += [recipient.name for recipient in page.items]
            after = page.next
            if after is None:
                break
            assert len(page.items) == limit
        assert found == sorted(names), f"with a limit of {limit}"


async def test_any_text_survives(store: Store) -> None:
    notification = replace(
        a_notification(recipient="alice"),
        message=UNICODE * 2_000,
        subject="",
        tags={"key with spaces and.dots`": UNICODE, "empty": ""},
    )
    await accepted(store, notification)
    assert await store.notification(notification.id) == notification
    addresses = {"email": f"{UNICODE}@example.com"}
    await store.create_recipient(a_recipient(addresses=addresses))
    assert dict((await read(store)).addresses) == addresses


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
async def test_microseconds_survive(store: Store, microsecond: int) -> None:
    at = START.replace(microsecond=microsecond)
    notification = a_notification(created_at=at)
    (delivery,) = await accepted(store, notification)
    assert (await stored(store, delivery)).created_at == at
    await store.update(settled(await written(store, claimed(delivery)), Outcome.RETRYABLE, at))
    assert (await stored(store, delivery)).attempts[0].at == at


@pytest.fixture
def refusing() -> Iterator[str]:
    """A host:port where nobody listens."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """A host:port that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


CALLS: dict[str, Callable[[Store], object]] = {
    "create": lambda store: store.create(a_notification(), []),
    "update": lambda store: store.update(replace(queued_deliveries(a_notification())[0], version=1)),
    "update_all": lambda store: store.update_all([replace(queued_deliveries(a_notification())[0], version=1)]),
    "load": lambda store: store.load("n-1", "email"),
    "overdue": lambda store: store.overdue(1, START, 1),
    "recipient": lambda store: store.recipient("alice"),
    "create_recipient": lambda store: store.create_recipient(a_recipient()),
    "replace_recipient": lambda store: store.replace_recipient(a_recipient()),
    "delete_recipient": lambda store: store.delete_recipient("alice"),
}


@pytest.mark.parametrize("call", CALLS)
async def test_an_unreachable_firestore_is_unavailable_at_once(refusing: str, call: str) -> None:
    began = time.monotonic()
    async with stores.firestore(refusing) as store:
        with pytest.raises(StoreUnavailable):
            await CALLS[call](store)  # type: ignore[misc]
    assert time.monotonic() - began < 10


async def test_a_silent_firestore_is_unavailable_when_the_time_is_up(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.google.firestore.rpc.WRITE_TIMEOUT", 0.3)
    monkeypatch.setattr("shared.google.firestore.rpc.READ_TIMEOUT", 0.3)
    monkeypatch.setattr("shared.google.firestore.rpc.BULK_TIMEOUT", 0.3)
    async with stores.firestore(silent) as store:
        for call in CALLS.values():
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await call(store)  # type: ignore[misc]
            assert time.monotonic() - began < 5


async def test_a_record_of_a_newer_version_is_read_and_one_that_cannot_be_keeps_nobody_back(
    firestore_host: str,
) -> None:
    """During a rollout, and after a rollback, records are there that this version did not write."""
    project = f"test-{uuid.uuid4().hex[:12]}"
    channel = rpc.connect(firestore_host)
    calls = rpc.Rpc(channel, f"projects/{project}/databases/(default)", emulated=True)
    store = FirestoreStore(calls)
    newer, unreadable, plain = [(await accepted(store, a_notification(shard=1)))[0] for _ in range(3)]
    for delivery, values in ((newer, {"priority": 7}), (unreadable, {"status": "teleported"})):
        name = f"{calls.documents}/notifications/{delivery.notification_id}/deliveries/{delivery.channel}"
        update = records.document(name, values)
        await calls.commit([rpc.Write(update=update, update_mask=rpc.DocumentMask(field_paths=list(values)))])
    found = await store.overdue(1, LATER, 10)
    assert {d.notification_id for d in found} == {newer.notification_id, plain.notification_id}
    await channel.close()


async def test_attachments_lie_beside_their_delivery_and_are_read_in_order(store: Store) -> None:
    notification = a_notification(channels=["email", "slack"])
    files = [Attachment(f"{i}.bin", "application/octet-stream", bytes([i]) * 300_000) for i in range(2)]
    deliveries = queued_deliveries(notification)
    version = await store.create(notification, deliveries, {"email": files})
    assert await store.attachments(notification.id, "email", 2) == files
    assert await store.attachments(notification.id, "email", 3) == files  # the third is gone
    assert await store.attachments(notification.id, "slack", 1) == []
    assert {d.version for d in await store.deliveries_of(notification)} == {version}


async def test_what_a_channel_has_of_its_own_is_on_record(store: Store) -> None:
    notification = a_notification()
    (delivery,) = queued_deliveries(notification)
    await store.create(notification, [replace(delivery, content=f'{{"message": "{UNICODE}"}}', attachments=2)])
    (read,) = await store.deliveries_of(notification)
    assert (read.content, read.attachments) == (f'{{"message": "{UNICODE}"}}', 2)


async def test_what_is_asked_of_when_and_in_which_order_is_on_record(store: Store) -> None:
    asked = replace(
        a_notification(channels=["email", "sms"]),
        send_at=LATER,
        deliver_by=LATER + timedelta(hours=1),
        collapse_key=UNICODE,
        ordering_key="k",
        escalation=(Step("email"), Step("sms", 300, S.DELIVERED)),
    )
    deliveries = [
        replace(d, deliver_by=asked.deliver_by, collapse="c", ordering="o", follows="n", escalates_from="email")
        for d in queued_deliveries(asked)
    ]
    deliveries = [replace(d, after=300, unless=S.DELIVERED, escalates_to="slack") for d in deliveries]
    await store.create(asked, deliveries)
    assert await store.notification(asked.id) == asked
    assert [replace(d, version=None) for d in await store.deliveries_of(asked)] == deliveries


async def test_a_key_is_used_by_one_after_the_other(store: Store) -> None:
    first, second, third = (a_notification() for _ in range(3))
    key = uuid.uuid4().hex
    assert await store.keys([key]) == {}
    await store.create(first, queued_deliveries(first), {}, {key: None})
    known = (await store.keys([key, "none"]))[key]
    assert known.latest == first.id
    with pytest.raises((AlreadyExists, Conflict)):
        await store.create(second, queued_deliveries(second), {}, {key: None})
    assert await store.notification(second.id) is None
    await store.create(second, queued_deliveries(second), {}, {key: known.version})
    with pytest.raises(Conflict):
        await store.create(third, queued_deliveries(third), {}, {key: known.version})
    assert await store.notification(third.id) is None
    assert (await store.keys([key]))[key] == Key(second.id, (await store.keys([key]))[key].version)


async def test_a_notification_is_marked_as_cancelled(store: Store) -> None:
    notification = a_notification()
    await accepted(store, notification)
    await store.cancel(notification.id, LATER)
    assert await store.notification(notification.id) == replace(notification, cancelled_at=LATER)
    with pytest.raises((NotFound, Conflict)):
        await store.cancel(str(uuid.uuid4()), LATER)


async def test_the_gate_is_told_of_others(store: Store) -> None:
    before, mine = a_notification(), a_notification(channels=["email", "sms"])
    key = uuid.uuid4().hex
    (first,) = await accepted(store, before)
    plain, step = queued_deliveries(mine)
    of_mine = [replace(plain, ordering=key, collapse=key, follows=before.id), replace(step, escalates_from="email")]
    await store.create(mine, of_mine, {}, {key: None})
    email, sms = await store.deliveries_of(mine)
    assert await store.facts(mine, email) == Facts(newest=mine.id, before=first)
    assert await store.facts(mine, sms) == Facts(step_before=email)
    gone = replace(email, follows=str(uuid.uuid4()), collapse="unused")
    assert await store.facts(replace(mine, cancelled_at=LATER), gone) == Facts(cancelled_at=LATER)
    assert await store.facts(before, first) == Facts()


async def test_what_follows_a_delivery_is_found(store: Store) -> None:
    before, mine = a_notification(), a_notification(channels=["email", "sms"])
    (first,) = await accepted(store, before)
    await store.create(mine, [replace(d, follows=before.id) for d in queued_deliveries(mine)])
    (found,) = await store.followers(first)
    assert (found.notification_id, found.channel) == (mine.id, "email")
    assert await store.followers(found) == []


async def test_what_is_scheduled_for_a_while_is_found_in_its_order(store: Store) -> None:
    shard = 11
    made = {}
    for seconds in (5, 0, 10, 3):
        notification = replace(a_notification(shard=shard), send_at=LATER + timedelta(seconds=seconds))
        deliveries = [replace(d, content="{}") for d in queued_deliveries(notification)]
        await store.create(notification, deliveries)
        made[notification.id] = seconds
    await accepted(store, a_notification(shard=shard))

    async def found(shard: int | None, start: int, end: int, limit: int = 10) -> list[int]:
        times = [LATER + timedelta(seconds=seconds) for seconds in (start, end)]
        deliveries = await store.scheduled(shard, times[0], times[1], limit)
        return [made[d.notification_id] for d in deliveries if d.notification_id in made]

    assert await found(shard, 0, 10) == [0, 3, 5]
    assert await found(shard, 0, 11, 2) == [0, 3]
    assert await found(shard, 3, 11) == [3, 5, 10]
    assert await found(shard + 1, 0, 11) == []
    assert await found(None, 0, 11, 100) == [0, 3, 5, 10]


async def test_what_is_untold_is_found_the_longest_ago_first(store: Store) -> None:
    shard = 12
    event = Event("evt_1", "sent", START, 1, "order", "an error", "twilio", "SM1")
    for seconds in (5, 0, 10):
        (delivery,) = await accepted(store, a_notification(shard=shard))
        at = LATER + timedelta(seconds=seconds)
        await store.update(replace(delivery, untold=(event, replace(event, id="evt_2")), last_event="e", tell_at=at))
    (told,) = await accepted(store, a_notification(shard=shard))
    version = await store.update(replace(told, untold=(event,), last_event="e", tell_at=LATER))
    await store.update(replace(told, untold=(), last_event="e", tell_at=None, version=version))
    found = await store.untold(shard, LATER + timedelta(seconds=6), 10)
    assert [((d.tell_at or LATER) - LATER).total_seconds() for d in found] == [0, 5]
    assert found[0].untold == (event, replace(event, id="evt_2"))
    assert found[0].last_event == "e"
    assert len(await store.untold(shard, LATER + timedelta(minutes=1), 1)) == 1
    assert len(await store.untold(None, LATER + timedelta(minutes=1), 100)) >= 3
    assert await store.untold(shard + 1, LATER + timedelta(minutes=1), 10) == []


async def test_many_are_read_with_their_notifications(store: Store) -> None:
    first, second = a_notification(channels=["email", "sms"]), a_notification()
    email, _ = await accepted(store, first)
    (other,) = await accepted(store, second)
    gone = str(uuid.uuid4())
    found = await store.load_all([(first.id, "email"), (second.id, "email"), (second.id, "sms"), (gone, "email")])
    assert {n.id: (n, d) for n, d in found} == {first.id: (first, email), second.id: (second, other)}


async def test_what_goes_to_an_address_is_found_page_by_page(store: Store) -> None:
    address, other = f"{uuid.uuid4()}@example.com", f"{uuid.uuid4()}@example.com"
    wanted = []
    for i in range(5):
        notification = a_notification(channels=["email", "slack"], caller=f"caller-{i}")
        deliveries = [replace(d, address=address, content="{}") for d in queued_deliveries(notification)]
        await store.create(notification, deliveries)
        wanted.append(notification.id)
    notification = a_notification()
    await store.create(notification, [replace(d, address=other) for d in queued_deliveries(notification)])
    found: list[str] = []
    after = None
    while True:
        page = await store.to_address("email", address, 2, after)
        assert {d.channel for d in page.items} <= {"email"}
        found += [d.notification_id for d in page.items]
        after = page.next
        if after is None:
            break
    assert found == sorted(wanted)
    assert (await store.to_address("sms", address, 9, None)).items == []


async def test_what_says_something_of_a_person_is_emptied_and_the_rest_stays(store: Store) -> None:
    asked = replace(
        a_notification(channels=["email", "slack"], recipient="alice@example.com"),
        collapse_key="k",
        ordering_key="o",
        data='{"a": 1}',
        found_by=("tag:team:infra", "template:a", "template:a/1"),
    )
    files = [Attachment("a.pdf", "application/pdf", b"1"), Attachment("b.pdf", "application/pdf", b"2")]
    email, slack = (
        replace(d, content="{}", provider_conversation="D1", address_hash="0123") for d in queued_deliveries(asked)
    )
    version = await store.create(asked, [replace(email, attachments=2), slack], {"email": files, "slack": files})
    await store.cancel(asked.id, LATER)
    email, slack = await store.deliveries_of(asked)
    named = replace(emptied(email), recipient="erased-1")
    await store.erase(renamed(without_texts(asked), "erased-1"), [named])
    read = await store.notification(asked.id)
    assert read == replace(renamed(without_texts(asked), "erased-1"), cancelled_at=LATER)
    assert (read.message, read.subject, read.data, read.tags, read.collapse_key, read.ordering_key) == (
        *(None, None, None),
        *({}, None, None),
    )
    assert read.found_by == ("template:a", "template:a/1")
    of_email, of_slack = await store.deliveries_of(asked)
    assert of_slack == slack
    assert (of_email.address, of_email.content, of_email.provider_conversation) == ("", None, None)
    assert of_email.address_hash is None
    assert replace(of_email, version=None) == replace(named, version=None)
    assert of_email.version not in {None, version}
    assert await store.attachments(asked.id, "email", 2) == []
    assert await store.attachments(asked.id, "slack", 2) == files
    found = await store.notifications(caller=None, recipient="erased-1", status=None, limit=9, after=None)
    assert [n.id for n in found.items] == [asked.id]
    assert (await store.to_address("email", email.address, 99, None)).items == []


async def test_an_erasure_writes_all_or_nothing(store: Store) -> None:
    asked = a_notification(channels=["email", "slack"])
    email, slack = await accepted(store, asked)
    moved = await written(store, claimed(slack))
    with pytest.raises(Conflict):
        await store.erase(without_texts(asked), [emptied(email), emptied(slack)])
    assert await store.notification(asked.id) == asked
    assert await store.deliveries_of(asked) == [email, moved]
    await store.erase(None, [emptied(email)])
    assert await store.notification(asked.id) == asked
    assert (await store.deliveries_of(asked))[0].address == ""
    with pytest.raises(ValueError, match="version"):
        await store.erase(None, [replace(emptied(email), version=None)])
    with pytest.raises((NotFound, Conflict)):
        await store.erase(without_texts(a_notification()), [])
    await store.erase(None, [])


async def test_what_may_have_arrived_twice_is_found_by_when_and_by_whose_it_is(store: Store) -> None:
    made = []
    for n in range(6):
        notification = a_notification(channels=["email", "sms"], shard=n, caller="billing" if n % 2 else "shop")
        twice, once = await accepted(store, notification)
        await store.update(replace(twice, twice_at=START + timedelta(hours=n // 2)))
        made.append(await stored(store, twice))
        await store.update(replace(once, relays=1))
    made.sort(key=lambda d: (d.twice_at or START, d.notification_id), reverse=True)
    cases: list[tuple[str | None, datetime, datetime | None]] = [
        (None, START, None),
        ("shop", START, None),
        (None, START + timedelta(hours=1), None),
        (None, START, START + timedelta(hours=2)),
        ("billing", START + timedelta(hours=1), START + timedelta(hours=2)),
        (None, START + timedelta(hours=3), None),
    ]
    for caller, start, end in cases:
        expected = [
            d.notification_id
            for d in made
            if caller in {None, d.caller}
            and d.twice_at is not None
            and start <= d.twice_at
            and (end is None or d.twice_at < end)
        ]
        found, after = [], None
        while True:
            page = await store.sent_twice(caller=caller, start=start, end=end, limit=2, after=after)
            found += [d.notification_id for d in page.items]
            after = page.next
            if after is None:
                break
        assert found == expected, (caller, start, end)


async def test_a_providers_message_is_the_first_deliverys_that_asks_for_it(store: Store) -> None:
    first, second = [(await accepted(store, a_notification()))[0] for _ in range(2)]
    assert await store.take_message(first, "SM1")
    assert not await store.take_message(second, "SM1")
    assert await store.take_message(first, "SM1")
    assert await store.take_message(second, "SM2")
    assert await store.take_message(replace(second, channel="sms"), "SM1")


async def test_of_two_that_ask_at_once_one_has_it(store: Store) -> None:
    deliveries = [(await accepted(store, a_notification()))[0] for _ in range(8)]
    taken = await asyncio.gather(*(store.take_message(delivery, "SM1") for delivery in deliveries))
    assert sorted(taken) == [False] * 7 + [True]
