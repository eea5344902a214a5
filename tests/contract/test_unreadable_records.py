"""What every store does with a record that it cannot read: of a newer version, damaged, or somebody else's."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from shared.delivery.errors import UnreadableRecord
from shared.delivery.model import Delivery, DeliveryStatus, Notification, Outcome, Recipient
from shared.delivery.store import Store
from tests.contract import test_stores
from tests.contract.stores import spoil
from tests.contract.test_stores import LATER, claimed, dead, settled, written
from tests.fakes.clock import START
from tests.fakes.records import a_notification, accepted

store = test_stores.store  # the fixture
S = DeliveryStatus
ADDRESS = "someone@example.com"


def path_of(of: Notification | Delivery) -> str:
    if isinstance(of, Notification):
        return f"notifications/{of.id}"
    return f"notifications/{of.notification_id}/deliveries/{of.channel}"


async def test_whoever_asks_for_it_is_told_which_it_is(store: Store) -> None:
    notification = a_notification(channels=["email", "sms"])
    email, sms = await accepted(store, notification)
    await store.update(settled(await written(store, claimed(email)), Outcome.ACCEPTED))
    await spoil(store, path_of(email))
    for asked in (
        store.load(notification.id, "email"),
        store.deliveries_of(notification),
        store.sent_as("email", "m-1"),
    ):
        with pytest.raises(UnreadableRecord, match=path_of(email)):
            await asked
    assert await store.load(notification.id, "sms") == (notification, sms)
    await spoil(store, path_of(notification))
    for read in (store.notification(notification.id), store.load(notification.id, "sms")):
        with pytest.raises(UnreadableRecord, match=f"{path_of(notification)}:"):
            await read
    await store.create_recipient(Recipient("alice", {"email": ADDRESS}, START, START))
    await spoil(store, "recipients/alice")
    with pytest.raises(UnreadableRecord) as raised:
        await store.recipient("alice")
    assert ADDRESS not in str(raised.value)


Listing = Callable[[Store, int, Any], Awaitable[Any]]
LISTINGS: dict[str, Listing] = {
    "all notifications": lambda s, n, after: s.notifications(
        caller=None, recipient=None, status=None, limit=n, after=after
    ),
    "those in a status": lambda s, n, after: s.notifications(
        caller=None, recipient=None, status=S.DEAD, limit=n, after=after
    ),
    "dead letters": lambda s, n, after: s.dead(caller=None, channel=None, limit=n, after=after),
    "a caller's deliveries": lambda s, n, after: s.in_status(caller="billing", status=S.DEAD, limit=n, after=after),
}


async def pages(listing: Listing, store: Store, limit: int) -> Sequence[str]:
    """Of all pages, one after the other, the notifications' ids."""
    found: list[str] = []
    after = None
    while True:
        page = await listing(store, limit, after)
        found += [getattr(item, "notification_id", None) or item.id for item in page.items]
        assert page.next is None or page.next != after
        after = page.next
        if after is None:
            return found


@pytest.mark.parametrize("spoilt", [{0}, {6}, {0, 1, 2}, {4, 5, 6}, {1, 3, 5}, set(range(7))], ids=str)
@pytest.mark.parametrize("name", LISTINGS)
async def test_a_listing_leaves_it_out_and_goes_on_behind_it(
    store: Store,
    name: str,
    spoilt: set[int],
) -> None:
    made = []
    for n in range(7):
        notification = a_notification(created_at=START - timedelta(minutes=n), caller="billing")
        (delivery,) = await accepted(store, notification)
        await store.update(dead(delivery, LATER - timedelta(minutes=n)))
        made.append((notification, delivery))
    for n in spoilt:
        notification, delivery = made[n]
        await spoil(store, path_of(notification if name == "all notifications" else delivery))
    expected = [notification.id for n, (notification, _) in enumerate(made) if n not in spoilt]
    for limit in (1, 2, 3, 50):
        assert await pages(LISTINGS[name], store, limit) == expected, f"with a limit of {limit}"


@pytest.mark.parametrize("spoilt", [{"a"}, {"d"}, {"a", "b", "c"}, {"b", "c", "d"}], ids=sorted)
async def test_recipients_are_listed_without_it(store: Store, spoilt: set[str]) -> None:
    for name in "abcd":
        await store.create_recipient(Recipient(name, {"email": ADDRESS}, START, START))
    for name in spoilt:
        await spoil(store, f"recipients/{name}")
    for limit in (1, 2, 50):
        found, after = [], None
        while True:
            page = await store.recipients(limit=limit, after=after)
            found += [recipient.name for recipient in page.items]
            after = page.next
            if after is None:
                break
        assert found == sorted(set("abcd") - spoilt), f"with a limit of {limit}"


async def test_what_is_overdue_is_found_behind_many_that_cannot_be_read(store: Store) -> None:
    made = [
        (await accepted(store, a_notification(created_at=START + timedelta(seconds=n), shard=4)))[0] for n in range(9)
    ]
    for delivery in (*made[:6], made[7]):
        await spoil(store, path_of(delivery))
    for limit in (1, 2, 3):
        found = [d.notification_id for d in await store.overdue(4, LATER, limit)]
        assert found == [made[n].notification_id for n in (6, 8)][:limit]


async def test_a_notification_with_one_that_cannot_be_read_is_listed_without_deliveries(
    store: Store,
) -> None:
    bad, good = (a_notification(channels=["email", "sms"], created_at=START + timedelta(seconds=n)) for n in range(2))
    of_bad, of_good = await accepted(store, bad), await accepted(store, good)
    await spoil(store, path_of(of_bad[1]))
    assert await store.deliveries([bad, good]) == {bad.id: [], good.id: of_good}
