"""How an accept resolves addresses, what it refuses with which words, and what it does when its commit is unsure."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from functions.gateway.access.authentication import CallerCache, Identity
from functions.gateway.access.caller import Caller, CallerKind, Scope
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.audit_trail.acts import Naming
from functions.gateway.audit_trail.recording import Audit
from functions.gateway.audit_trail.trail import Trail
from functions.gateway.channels.addresses import normalised
from functions.gateway.notifications import acceptance as accepting
from functions.gateway.notifications.acceptance import Accepted, accept
from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.rendering.templated_content import Templates
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem
from shared.channels.declaration import Channel, Screen
from shared.delivery.errors import AlreadyExists
from shared.delivery.model import DeliveryStatus, Notification, Recipient, Segments
from shared.people.suppression import AddressHash
from shared.runtime import telemetry
from shared.sending.channel_states import ChannelStates
from shared.sending.messages import content_of
from tests.fakes.audit import MemoryAudit
from tests.fakes.callers import MemoryCallers
from tests.fakes.channel_states import MemoryChannelStates
from tests.fakes.clock import START, Clock
from tests.fakes.lists import MemoryLists
from tests.fakes.operations import MemoryOperations
from tests.fakes.people import MemoryPeople
from tests.fakes.plans import MemoryPlans, MemoryReplayPlans
from tests.fakes.publisher import MemoryPublisher
from tests.fakes.receipts import MemoryReceipts
from tests.fakes.records import POLICY
from tests.fakes.relay_runs import MemoryRelayRuns
from tests.fakes.statistics import MemoryStatistics
from tests.fakes.store import MemoryStore
from tests.fakes.telemetry import MemoryTelemetry
from tests.fakes.templates import MemoryTemplates

CALLER = Caller("c" * 16, CallerKind.LIVE, frozenset(Scope))


def lower(address: str) -> str:
    if "@" not in address:
        raise ValueError("must have an @")
    return address.lower()


CHANNELS = {
    "email": Channel("email", "an address", 100, lower),
    "sms": Channel("sms", "a number", 10, str, segments=lambda text: Segments(len(text), "GSM-7")),
    "push": Channel("push", "anything", 20, str),
}
BLOCKED = Screen(lambda address: "SMS_COUNTRIES has no such" if address == "+999" else None, 2, "SMS_PER_NUMBER")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def gateway(store: MemoryStore, publisher: MemoryPublisher, clock: Clock) -> AsyncIterator[Gateway]:
    callers = MemoryCallers()
    quotas = CallerQuotas(callers, clock.now)
    yield Gateway(
        store=store,
        publisher=publisher,
        channels=CHANNELS,
        policy=POLICY,
        retention=timedelta(days=30),
        identity=Identity(CallerCache(callers)),
        quotas=quotas,
        callers=callers,
        audit=Audit(Trail(MemoryAudit()), Naming(CHANNELS, AddressHash("any"))),
        receipts=MemoryReceipts(),
        relay_runs=MemoryRelayRuns(),
        templates=Templates(MemoryTemplates(), CHANNELS),
        operations=MemoryOperations(),
        people=MemoryPeople(store),
        plans=MemoryPlans(),
        replay_plans=MemoryReplayPlans(),
        channel_states=ChannelStates(MemoryChannelStates()),
        statistics=MemoryStatistics(store),
        list_store=MemoryLists(store),
        screens={"sms": BLOCKED},
        now=clock.now,
    )
    for count in quotas.addresses._counts.values():
        if count.exchange is not None:
            await count.exchange


def asked(**body: Any) -> NotificationRequest:
    return NotificationRequest(**{"message": "hello", **body})


TO_ALL = {"push": "p", "sms": "+1", "email": "A@example.com"}


async def sent(gateway: Gateway, key: str | None = None, caller: Caller = CALLER, **body: Any) -> Accepted:
    return await accept(gateway, asked(**body), caller, key)


async def refused(gateway: Gateway, status: int, caller: Caller = CALLER, **body: Any) -> Problem:
    with pytest.raises(Problem) as raised:
        await accept(gateway, asked(**body), caller, None)
    assert raised.value.status == status
    return raised.value


def fields(problem: Problem) -> dict[str, str]:
    return {str(error["field"]): str(error["message"]) for error in problem.errors}


def used(gateway: Gateway) -> int:
    return sum(count.notifications.used for count in gateway.quotas._counts.values())


async def test_what_is_on_record_and_published_is_what_was_asked(
    gateway: Gateway, store: MemoryStore, publisher: MemoryPublisher
) -> None:
    tags = {"team": "infra"}
    accepted = await sent(gateway, to=TO_ALL, subject="s", tags=tags)
    notification = accepted.notification
    assert replace(notification, id="", fingerprint="", shard=0) == Notification(
        id="",
        channels=("email", "sms", "push"),
        message="hello",
        created_at=START,
        expire_at=START + timedelta(days=30),
        fingerprint="",
        shard=0,
        caller=CALLER.id,
        subject="s",
        tags=tags,
        found_by=("tag:team:infra",),
    )
    assert not accepted.replayed
    assert [(d.channel, d.address, d.segments) for d in accepted.deliveries] == [
        ("email", "a@example.com", None),
        ("sms", "+1", 5),
        ("push", "p", None),
    ]
    on_record = [store.get(notification.id, channel) for channel in notification.channels]
    assert list(accepted.deliveries) == [replace(d, version=None) for d in on_record]
    assert [message.content for message in publisher.messages] == [content_of(notification, d) for d in on_record]
    assert (await sent(gateway, to=TO_ALL, caller=replace(CALLER, kind=CallerKind.TEST))).notification.simulated


async def test_each_wrong_address_and_channel_is_named() -> None:
    with pytest.raises(Problem) as raised:
        normalised(CHANNELS, {"fax": "1", "email": "none", "telex": "2", "sms": "+1"}, "to")
    assert (raised.value.status, fields(raised.value)) == (
        422,
        {
            "to.fax": "there is no such channel; there are email, sms, push",
            "to.email": "must have an @",
            "to.telex": "there is no such channel; there are email, sms, push",
        },
    )
    assert normalised(CHANNELS, {"email": "\u200b A@example.com "}, "to") == {"email": "a@example.com"}


async def with_alice(store: MemoryStore, **addresses: str) -> None:
    addresses = {"push": "p", "email": "a@example.com", **addresses}
    await store.create_recipient(Recipient("alice", addresses, START, START))


async def test_channels_are_the_addresses_that_there_are_in_their_order(gateway: Gateway, store: MemoryStore) -> None:
    await with_alice(store, fax="1")
    assert (await sent(gateway, recipient="alice")).notification.channels == ("email", "push")
    assert (await sent(gateway, recipient="alice", channels=["push", "email"])).notification.channels == (
        "push",
        "email",
    )
    narrow = replace(CALLER, channels=frozenset({"push", "sms"}))
    assert (await sent(gateway, recipient="alice", caller=narrow)).notification.channels == ("push",)


async def test_who_names_addresses_of_a_channel_that_it_may_not_use_is_told(gateway: Gateway) -> None:
    """And not sent over the others instead."""
    narrow = replace(CALLER, channels=frozenset({"push"}))
    problem = await refused(gateway, 403, caller=narrow, to={"push": "p", "sms": "+1"})
    assert "may not send over sms" in str(problem.detail)


async def test_a_channel_without_an_address_is_named(gateway: Gateway, store: MemoryStore) -> None:
    await with_alice(store)
    problem = await refused(gateway, 422, recipient="alice", channels=["email", "sms"])
    assert fields(problem) == {"channels": "there is no address for sms"}
    narrow = replace(CALLER, channels=frozenset({"sms"}))
    problem = await refused(gateway, 422, caller=narrow, recipient="alice")
    assert fields(problem) == {"channels": "there is no address for any"}
    problem = await refused(gateway, 422, recipient="bob")
    assert fields(problem) == {"recipient": "no recipient has this name"}
    problem = await refused(gateway, 422, recipient="alice", channels=["fax", "email"])
    assert list(fields(problem)) == ["channels.0"]


async def test_a_text_may_have_its_whole_length(gateway: Gateway, store: MemoryStore) -> None:
    await with_alice(store)
    assert await sent(gateway, to={"sms": "+1"}, message="x" * 10)
    problem = await refused(gateway, 422, to={"sms": "+1", "push": "p"}, message="x" * 11)
    assert fields(problem) == {"message": "sms takes up to 10 characters"}
    assert await sent(gateway, recipient="alice", message="x" * 20), "sms is none of hers"
    assert fields(await refused(gateway, 422, recipient="alice", message="x" * 21)) == {
        "message": "push takes up to 20 characters"
    }
    store.calls.clear()
    await refused(gateway, 422, recipient="alice", channels=["push"], message="x" * 21)
    await refused(gateway, 422, recipient="alice", message="x" * 101)
    assert store.calls["recipient"] == 0
    await refused(gateway, 422, recipient="alice", channels=["push", "email"], message="x" * 21)
    assert store.calls["recipient"] == 0


async def test_limits_of_a_caller_to_names_and_addresses_are_told(gateway: Gateway, store: MemoryStore) -> None:
    await with_alice(store)
    named = replace(CALLER, recipients=("al",))
    assert "not to addresses" in str((await refused(gateway, 403, caller=named, to={"push": "p"})).detail)
    assert "of this name" in str((await refused(gateway, 403, caller=named, recipient="bob")).detail)
    assert await sent(gateway, recipient="alice", caller=named)
    team = replace(CALLER, kind=CallerKind.TEAM, addresses={"push": ("p",)})
    assert await sent(gateway, to={"push": "p"}, caller=team)
    problem = await refused(gateway, 403, caller=team, to={"push": "p", "email": "a@example.com"})
    assert str(problem.detail).endswith("this is none: email")


async def test_where_no_message_may_go_is_told_with_its_setting(gateway: Gateway, store: MemoryStore) -> None:
    problem = await refused(gateway, 422, to={"push": "+999", "sms": "+999"})
    assert fields(problem) == {"to.sms": "sms: SMS_COUNTRIES has no such"}
    await with_alice(store, sms="+999")
    assert fields(await refused(gateway, 422, recipient="alice")) == {"recipient": "sms: SMS_COUNTRIES has no such"}
    assert store.calls["create"] == 0


async def test_an_address_has_so_many_an_hour(gateway: Gateway) -> None:
    for _ in range(2):
        await sent(gateway, to={"sms": "+1"})
    await refused(gateway, 429, to={"sms": "+1"})
    assert await sent(gateway, to={"sms": "+2"})
    assert used(gateway) == 3


# Again


async def test_what_was_accepted_is_answered_as_the_first_time_though_it_would_be_refused_now(
    gateway: Gateway, store: MemoryStore, publisher: MemoryPublisher
) -> None:
    await with_alice(store)
    first = await sent(gateway, "key", recipient="alice")
    await store.delete_recipient("alice")
    publisher.taken()
    again = await sent(gateway, "key", recipient="alice")
    assert (again.notification, again.replayed) == (first.notification, True)
    assert [message.content for message in publisher.taken()] == [None, None]
    with pytest.raises(Problem, match="not valid"):
        await sent(gateway, "another", recipient="alice")
    store.calls.clear()
    await refused(gateway, 422, recipient="alice")
    assert store.calls["notification"] == 0, "without a key nothing can have been before"


async def test_the_same_again_counts_once_for_the_caller_and_for_the_address(gateway: Gateway, clock: Clock) -> None:
    for replayed in (False, True, True):
        clock.advance(1)
        assert (await sent(gateway, "key", to={"sms": "+1"})).replayed is replayed
    assert used(gateway) == 1
    assert await sent(gateway, to={"sms": "+1"}), "one of two an hour is left"


@pytest.fixture
def virtual(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Its deadlines and pauses are by the clock, too."""
    monkeypatch.setattr(accepting, "time", SimpleNamespace(monotonic=lambda: clock.now().timestamp()))
    monkeypatch.setattr(accepting, "asyncio", SimpleNamespace(sleep=clock.sleep))


@pytest.mark.usefixtures("virtual")
async def test_a_commit_is_tried_for_eight_seconds(gateway: Gateway, store: MemoryStore, clock: Clock) -> None:
    store.down("create")
    with pytest.raises(Exception, match="told to fail"):
        await sent(gateway, to={"push": "p"})
    assert timedelta(seconds=8) <= clock.now() - START < timedelta(seconds=8.3)
    assert set(clock.slept) == {0.2}


@pytest.mark.usefixtures("virtual")
@pytest.mark.parametrize("key", ["key", None])
async def test_a_commit_whose_answer_was_lost_is_no_replay_and_counts(
    gateway: Gateway, store: MemoryStore, publisher: MemoryPublisher, key: str | None
) -> None:
    store.fail("create", landed=True)
    accepted = await sent(gateway, key, to={"sms": "+1"})
    assert (accepted.replayed, used(gateway), len(publisher.messages)) == (False, 1, 1)
    await sent(gateway, to={"sms": "+1"})
    await refused(gateway, 429, to={"sms": "+1"})


async def test_what_is_there_and_cannot_be_read_is_to_be_asked_again(gateway: Gateway) -> None:
    """Its record has just expired."""

    class Gone(MemoryStore):
        async def create(self, *_: Any) -> int:
            raise AlreadyExists("there")

    problem = await refused(replace(gateway, store=Gone()), 503, to={"sms": "+1"})
    assert dict(problem.headers or {})["Retry-After"]
    assert used(gateway) == 0
    for _ in range(2):
        await sent(gateway, to={"sms": "+1"})


async def test_only_what_is_queued_is_published_again(
    gateway: Gateway, store: MemoryStore, publisher: MemoryPublisher
) -> None:
    accepted = await sent(gateway, "key", to=TO_ALL)
    delivery = store.get(accepted.notification.id, "sms")
    await store.update(replace(delivery, status=DeliveryStatus.SENT, due_at=None))
    publisher.taken()
    again = await sent(gateway, "key", to=TO_ALL)
    assert [message.channel for message in publisher.taken()] == ["email", "push"]
    assert [d.status for d in again.deliveries] == ["queued", "sent", "queued"]


async def test_another_request_under_the_same_key_is_refused(gateway: Gateway, clock: Clock) -> None:
    await sent(gateway, "key", to=TO_ALL, tags={"a": "1", "b": "2"})
    clock.advance(1)
    assert (await sent(gateway, "key", to=dict(sorted(TO_ALL.items())), tags={"b": "2", "a": "1"})).replayed
    others: list[Mapping[str, Any]] = [{"tags": {}}, {"message": "other"}, {"subject": "s"}, {"to": {"push": "p"}}]
    for other in others:
        with pytest.raises(Problem) as raised:
            await sent(gateway, "key", **{"to": TO_ALL, "tags": {"a": "1", "b": "2"}, **other})
        assert fields(raised.value) == {"Idempotency-Key": "was used for another request"}


async def test_what_could_not_be_published_is_a_503_that_says_where_it_stands(
    gateway: Gateway, store: MemoryStore, publisher: MemoryPublisher
) -> None:
    publisher.fail()
    problem = await refused(gateway, 503, to={"push": "p"})
    (notification_id,) = store._notifications
    assert f"notification {notification_id} is on record" in str(problem.detail)
    assert dict(problem.headers or {})["Retry-After"]


async def test_what_is_accepted_is_counted_by_channel(gateway: Gateway) -> None:
    heard = MemoryTelemetry()
    telemetry.configure(lambda: heard)
    try:
        await sent(gateway, "key", to=TO_ALL)
        await sent(gateway, "key", to=TO_ALL)
    finally:
        telemetry.configure(None)
    assert heard.counts == {f"hark.accepted {channel}": 1 for channel in CHANNELS}
