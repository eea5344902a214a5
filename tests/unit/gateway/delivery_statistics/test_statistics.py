"""GET /v1/statistics on fakes: which numbers, for whom, and how often they are counted."""

import asyncio
import itertools
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import CallerKind, Scope
from functions.gateway.delivery_statistics import looks
from functions.gateway.delivery_statistics.counting import MOST_AT_ONCE, STEPS, Look
from functions.gateway.delivery_statistics.looks import Hours, Looks
from functions.gateway.delivery_statistics.schemas import StatisticsJson
from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import PENDING, Attempt, DeliveryStatus, Outcome
from shared.delivery.statistics import Count
from tests.fakes.api import Api
from tests.fakes.clock import Clock
from tests.fakes.records import a_notification, queued_deliveries
from tests.fakes.statistics import MemoryStatistics
from tests.fakes.store import MemoryStore
from tests.integration.gateway import declared, problem

PATH = "/v1/statistics"
S = DeliveryStatus


async def accepted(store: MemoryStore, ago: timedelta, of: Mapping[str, DeliveryStatus], **state: Any) -> datetime:
    """A notification so long ago, whose deliveries stand so now. When it was."""
    at = datetime.now(UTC) - ago
    notification = replace(a_notification(channels=list(of)), created_at=at)
    due = {channel: at if status in PENDING else None for channel, status in of.items()}
    made = [
        replace(d, created_at=at, status=of[d.channel], due_at=due[d.channel], **state)
        for d in queued_deliveries(notification)
    ]
    await store.create(notification, made)
    return at


def channel(shown: StatisticsJson, name: str) -> Any:
    (found,) = [each for each in shown["channels"] if each["channel"] == name]
    return found


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


async def test_without_records_all_is_zero(client: httpx.AsyncClient) -> None:
    shown: StatisticsJson = declared(StatisticsJson, await client.get(PATH))
    assert (shown["step_seconds"], shown["accepted"]) == (300, [0] * STEPS)
    assert [each["channel"] for each in shown["channels"]] == ["email", "sms", "slack"]
    email = channel(shown, "email")
    assert email["by_status"] == dict.fromkeys(S, 0)
    assert email["steps"] == {"sent": [0] * STEPS, "failed": [0] * STEPS}
    assert (email["pending"], email["oldest_pending_at"], email["dead"]) == (0, None, 0)
    assert (shown["providers"], shown["failures_read"], shown["estimated"]) == ([], 0, False)


async def test_numbers_are_of_the_last_hour_by_five_minutes(api: Api, client: httpx.AsyncClient) -> None:
    await accepted(api.store, minutes(61), {"email": S.SENT})
    await accepted(api.store, minutes(57), {"email": S.SENT, "sms": S.FAILED})
    await accepted(api.store, minutes(57), {"email": S.DELIVERED})
    await accepted(api.store, minutes(32), {"email": S.UNDELIVERED})
    await accepted(api.store, minutes(3), {"email": S.EXPIRED})
    shown: StatisticsJson = declared(StatisticsJson, await client.get(PATH))
    assert shown["accepted"] == [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    email, sms = channel(shown, "email"), channel(shown, "sms")
    assert email["steps"] == {"sent": [2, *[0] * 11], "failed": [0, 0, 0, 0, 0, 1, *[0] * 6]}
    assert sms["steps"] == {"sent": [0] * STEPS, "failed": [1, *[0] * 11]}
    assert {s: n for s, n in email["by_status"].items() if n} == {
        "sent": 1,
        "delivered": 1,
        "undelivered": 1,
        "expired": 1,
    }
    begins = [datetime.fromisoformat(step) for step in shown["steps"]]  # type: ignore[arg-type]
    assert {later - earlier for earlier, later in itertools.pairwise(begins)} == {minutes(5)}
    assert (shown["steps"][0], len(begins)) == (shown["from"], STEPS)


@pytest.mark.parametrize(("hours", "seconds"), [(1, 300), (6, 1800), (24, 7200)])
async def test_one_looks_back_one_six_or_24_hours(
    api: Api, client: httpx.AsyncClient, hours: int, seconds: int
) -> None:
    await accepted(api.store, timedelta(hours=hours) - minutes(1), {"email": S.SENT})
    await accepted(api.store, timedelta(hours=hours) + minutes(1), {"email": S.SENT})
    shown: StatisticsJson = declared(StatisticsJson, await client.get(PATH, params={"hours": hours}))
    assert (shown["step_seconds"], shown["accepted"][0], sum(shown["accepted"])) == (seconds, 1, 1)


@pytest.mark.parametrize("query", ["hours=2", "hours=0", "hours=", "hours=x", "hours=25", "hours=1&hours=", "from=1"])
async def test_another_query_is_refused_by_its_name(client: httpx.AsyncClient, query: str) -> None:
    problem(await client.get(f"{PATH}?{query}"), 422, query.partition("=")[0])


async def test_what_waits_and_is_dead_counts_however_old(api: Api, client: httpx.AsyncClient) -> None:
    oldest = await accepted(api.store, timedelta(days=3), {"email": S.RETRYING})
    await accepted(api.store, timedelta(days=9), {"email": S.SCHEDULED, "sms": S.SCHEDULED})
    await accepted(api.store, timedelta(days=2), {"email": S.QUEUED})
    await accepted(api.store, timedelta(days=20), {"email": S.DEAD}, dead_at=datetime.now(UTC))
    shown: StatisticsJson = declared(StatisticsJson, await client.get(PATH))
    email, sms = channel(shown, "email"), channel(shown, "sms")
    assert (email["pending"], email["dead"]) == (2, 1)
    assert datetime.fromisoformat(email["oldest_pending_at"]) == oldest
    assert (sms["pending"], sms["oldest_pending_at"]) == (0, None)


async def test_failures_are_told_by_provider(api: Api, client: httpx.AsyncClient) -> None:
    def by(provider: str | None) -> Any:
        return (Attempt(1, datetime.now(UTC), Outcome.PERMANENT, provider=provider),)

    await accepted(api.store, minutes(1), {"email": S.FAILED}, attempts=by("sendgrid"))
    await accepted(api.store, minutes(2), {"sms": S.UNDELIVERED}, attempts=by("twilio"), provider="twilio")
    await accepted(api.store, minutes(3), {"sms": S.DEAD}, attempts=by("twilio"), dead_at=datetime.now(UTC))
    await accepted(api.store, minutes(4), {"sms": S.DEAD}, dead_at=datetime.now(UTC))  # never tried
    await accepted(api.store, minutes(70), {"email": S.FAILED}, attempts=by("smtp"))
    await accepted(api.store, minutes(1), {"email": S.SENT}, attempts=by("smtp"), provider="smtp")
    shown: StatisticsJson = declared(StatisticsJson, await client.get(PATH))
    assert shown["providers"] == [{"name": "twilio", "failed": 2}, {"name": "sendgrid", "failed": 1}]
    assert shown["failures_read"] == 4


@pytest.mark.parametrize(
    "caller",
    [
        {"scopes": frozenset(Scope) - {Scope.NOTIFICATIONS_READ_ALL}},
        {"channels": frozenset({"email"})},
        {"recipients": ("team-",)},
        {"kind": CallerKind.TEST},
    ],
)
async def test_who_does_not_see_all_sees_no_numbers(api: Api, caller: dict[str, Any]) -> None:
    problem(await (await api.client(**caller)).get(PATH), 403)
    assert not api.statistics.calls


async def test_what_cannot_be_read_is_a_503(api: Api, client: httpx.AsyncClient) -> None:
    api.statistics.fail("dead", 2)
    refused = await client.get(PATH)
    problem(refused, 503)
    assert refused.headers["retry-after"] == "5"


async def test_however_many_ask_it_is_counted_once(api: Api, client: httpx.AsyncClient) -> None:
    keys = [(await api.client()).headers["authorization"] for _ in range(5)]
    answers = await asyncio.gather(*(client.get(PATH, headers={"Authorization": key}) for key in keys))
    assert {answer.text for answer in answers} == {answers[0].text}
    assert api.statistics.calls["accepted"] == STEPS
    await client.get(PATH, params={"hours": 6})
    assert api.statistics.calls["accepted"] == 2 * STEPS


async def test_nothing_is_counted_until_somebody_asks(api: Api, client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/notifications")).status_code == 200
    assert not api.statistics.calls


class Bounded(MemoryStatistics):
    """Notes how many calls it has at once, and how many in all."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.now = self.most = 0

    async def deliveries(self, *asked: Any) -> Count:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        counted = await super().deliveries(*asked)
        self.now -= 1
        return replace(counted, estimated=True)


async def test_the_most_calls_are_as_many_as_it_says_and_few_at_once() -> None:
    store = MemoryStore()
    for status in S:
        await accepted(store, minutes(30), dict.fromkeys(("email", "sms", "slack"), status))
    counts = Bounded(store)
    look = await Look(counts, store, timedelta(hours=1), datetime.now(UTC)).statistics(["email", "sms", "slack"])
    assert counts.calls.total() + store.calls["in_status"] == 15 + 82 * 3
    assert counts.most == MOST_AT_ONCE
    assert look.estimated


async def test_a_look_is_kept_ten_seconds_for_each_hour() -> None:
    clock, made = Clock(), []

    async def look(hours: Hours) -> int:
        made.append(hours)
        return len(made)

    kept = Looks(look, lambda: clock.now().timestamp())
    assert [await kept.latest(Hours.ONE), await kept.latest(Hours.SIX), await kept.latest(Hours.ONE)] == [1, 2, 1]
    clock.advance(10)
    assert [await kept.latest(Hours.ONE), await kept.latest(Hours.SIX)] == [3, 2]
    clock.advance(50)
    assert await kept.latest(Hours.SIX) == 4


async def test_a_failure_is_kept_five_seconds() -> None:
    clock, made = Clock(), []

    async def look(hours: Hours) -> int:
        made.append(hours)
        if len(made) == 1:
            raise StoreUnavailable("down")
        return len(made)

    kept = Looks(look, lambda: clock.now().timestamp())
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="down"):
            await kept.latest(Hours.DAY)
    clock.advance(5)
    assert await kept.latest(Hours.DAY) == 2


async def test_one_look_is_made_at_a_time() -> None:
    running = most = 0

    async def look(hours: Hours) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return hours

    kept = Looks(look)
    assert await asyncio.gather(*map(kept.latest, Hours)) == list(Hours)
    assert most == 1


async def test_nobody_waits_longer_than_the_deadline_also_not_behind_the_looks_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(looks, "DEADLINE_SECONDS", 0.5)

    async def look(hours: Hours) -> int:
        await asyncio.Event().wait()
        return hours

    kept, began = Looks(look), time.monotonic()
    answers = await asyncio.gather(*map(kept.latest, Hours), return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert time.monotonic() - began < 2 * looks.DEADLINE_SECONDS


async def test_who_goes_away_ends_no_look_of_others() -> None:
    go_on, made = asyncio.Event(), []

    async def look(hours: Hours) -> int:
        made.append(hours)
        await go_on.wait()
        return 7

    kept = Looks(look)
    first, second = (asyncio.create_task(kept.latest(Hours.ONE)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    go_on.set()
    assert await second == 7
    assert len(made) == 1
