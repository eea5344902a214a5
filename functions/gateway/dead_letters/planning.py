"""What a bulk replay would come to: each dead letter is judged as it would be, and nothing is written."""

import time
import uuid
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from functions.gateway.access.caller import Caller
from functions.gateway.dead_letters.replaying import pages, why_not
from functions.gateway.dead_letters.schemas import ReplayedChannelJson, ReplayPlanJson
from functions.gateway.notifications.cost import Cost
from functions.gateway.operations.beginning import GOOD_FOR, KEPT
from functions.gateway.services import Gateway
from shared.delivery.model import Delivery, Notification
from shared.delivery.state_machine import may_have_arrived
from shared.sending.replay_plan import ReplayFilter, ReplayPlan

SECONDS = 20.0  # of looking
_MOST_REASONS = 50
_OTHERS = "others"
_AGES = {"an hour": timedelta(hours=1), "a day": timedelta(days=1), "a week": timedelta(days=7)}


@dataclass(slots=True)
class _Channel:
    deliveries: int = 0
    cost: Cost = field(default_factory=Cost)


@dataclass(slots=True)
class _Numbers:
    count: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    ages: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    channels: dict[str, _Channel] = field(default_factory=dict)
    may_have_arrived: int = 0


async def plan_replay(
    gateway: Gateway, caller: Caller, asked: ReplayFilter, per_second: int
) -> tuple[ReplayPlan, ReplayPlanJson]:
    """Raises StoreUnavailable."""
    now = gateway.now()
    plan = ReplayPlan(str(uuid.uuid4()), caller.id, per_second, now, now + KEPT, filter=asked)
    numbers, whole = _Numbers(), True
    give_up_at = time.monotonic() + SECONDS
    async for selected in pages(gateway, caller, plan):
        for notification, delivery in selected.pairs:
            _look(gateway, caller, notification, delivery, numbers)
        if selected.next is not None and time.monotonic() >= give_up_at:
            whole = False
            break
    plan = replace(plan, total=numbers.count if whole else None)
    return plan, _json(plan, numbers, estimated=not whole)


def _look(gateway: Gateway, caller: Caller, notification: Notification, delivery: Delivery, numbers: _Numbers) -> None:
    why = why_not(gateway, caller, notification, delivery)
    if why is not None:
        numbers.refused[why] += 1
        return
    numbers.count += 1
    reason = delivery.error or ""
    numbers.reasons[reason if reason in numbers.reasons or len(numbers.reasons) < _MOST_REASONS else _OTHERS] += 1
    numbers.ages[_age(delivery, gateway.now())] += 1
    numbers.may_have_arrived += may_have_arrived(delivery)
    channel = numbers.channels.setdefault(delivery.channel, _Channel())
    channel.deliveries += 1
    channel.cost.add(gateway, delivery)


def _age(delivery: Delivery, now: datetime) -> str:
    age = now - delivery.created_at
    return next((f"less than {name}" for name, bound in _AGES.items() if age < bound), "older")


def _json(plan: ReplayPlan, numbers: _Numbers, *, estimated: bool) -> ReplayPlanJson:
    return ReplayPlanJson(
        plan=plan.id,
        count=numbers.count,
        estimated=estimated,
        by_reason=dict(numbers.reasons.most_common()),
        by_age=dict(numbers.ages),
        channels={name: _channel_json(channel) for name, channel in numbers.channels.items()},
        may_have_arrived=numbers.may_have_arrived,
        refused=dict(numbers.refused),
        per_second=plan.per_second,
        seconds=-(-numbers.count // plan.per_second),
        planned_at=plan.planned_at,
        good_until=plan.planned_at + GOOD_FOR,
    )


def _channel_json(c: _Channel) -> ReplayedChannelJson:
    return ReplayedChannelJson(deliveries=c.deliveries, **c.cost.json())
