"""What a broadcast would come to: each member's notification is judged as it would be, and nothing is written."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import to_json

from functions.gateway.access.caller import Caller
from functions.gateway.broadcasts.schemas import OWN_FIELDS, BroadcastRequest, PlanJson, PlannedChannelJson, SampleJson
from functions.gateway.channels.addresses import unknown_channel
from functions.gateway.lists.visibility import check_name
from functions.gateway.notifications.acceptance import deliveries_of, new_notification
from functions.gateway.notifications.cost import Cost
from functions.gateway.notifications.expected_permission import expected
from functions.gateway.notifications.judging import Known, judged, known_for
from functions.gateway.notifications.schemas import NotificationRequest, content_json
from functions.gateway.notifications.timing import timing_of
from functions.gateway.operations.beginning import GOOD_FOR, KEPT
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem, field_error, invalid
from functions.gateway.web.request_bodies import validated
from shared.delivery.errors import UnreadableRecord
from shared.delivery.gate import Later, No, Permission
from shared.delivery.model import Delivery, Notification
from shared.people.broadcast_plan import Plan
from shared.runtime.logs import get_logger

log = get_logger(__name__)

PAGE = 100
SECONDS = 20.0  # of looking; what is not looked at by then is estimated
_SAMPLES = 3


@dataclass(slots=True)
class _Channel:
    deliveries: int = 0
    suppressed: int = 0
    held: int = 0
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True)
class _Made:
    """permissions: of each delivery, as far as it is known now"""

    notification: Notification
    deliveries: Sequence[Delivery]
    permissions: Sequence[Permission]


@dataclass(slots=True)
class _Numbers:
    counted: int = 0
    channels: dict[str, _Channel] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    samples: list[SampleJson] = field(default_factory=list)


async def plan_broadcast(
    gateway: Gateway, caller: Caller, broadcast: BroadcastRequest, body: Mapping[str, Any]
) -> tuple[Plan, PlanJson]:
    """body: the request as it came. Problem 422. Raises StoreUnavailable."""
    check_name("list", broadcast.list or "", caller)
    there = await gateway.list_store.recipient_list(broadcast.list or "")
    if there is None:
        raise invalid(field_error("list", "no list has this name"))
    await _check(gateway, broadcast)
    request = await _frozen(gateway, {name: value for name, value in body.items() if name not in OWN_FIELDS})
    now = gateway.now()
    plan = Plan(
        id=str(uuid.uuid4()),
        caller=caller.id,
        list_name=there.name,
        list_id=there.id,
        request=request,
        per_second=broadcast.per_second,
        planned_at=now,
        expire_at=now + KEPT,
    )
    numbers, recipients, whole = _Numbers(), 0, True
    give_up_at = time.monotonic() + SECONDS
    async for members in audience(gateway, plan):
        recipients += len(members)
        if time.monotonic() < give_up_at:
            await _look(gateway, caller, plan, members, numbers)
        elif time.monotonic() > give_up_at + SECONDS:
            whole = False
            break
    total = recipients if whole else None
    plan = replace(plan, total=total)
    return plan, _json(plan, numbers, recipients)


async def _check(gateway: Gateway, broadcast: BroadcastRequest) -> None:
    """What is wrong for everybody. Problem 422."""
    timing_of(broadcast.send_at, broadcast.deliver_by, gateway.now())
    unknown = [name for name in broadcast.asked_channels() if name[0] not in gateway.channels]
    wrong = [unknown_channel(field, gateway.channels) for _, field in unknown]
    if broadcast.category is not None and await gateway.people.category(broadcast.category) is None:
        wrong.append(field_error("category", "no category has this name"))
    if wrong:
        raise invalid(*wrong)


async def _frozen(gateway: Gateway, request: dict[str, Any]) -> dict[str, Any]:
    """With the version of its template that is the latest now. Problem 422."""
    template = request.get("template")
    if isinstance(template, dict):
        version = await gateway.templates.version(template["name"], template.get("version"))
        request["template"] = {**template, "version": version.number}
    return request


async def audience(gateway: Gateway, plan: Plan) -> AsyncIterator[Sequence[str]]:
    """The names of who was in the list when it was planned, page by page."""
    after: str | None = None
    while True:
        page = await gateway.list_store.members(plan.list_id, limit=PAGE, after=after)
        yield [member.recipient for member in page.items if member.in_audience(plan.planned_at)]
        if page.next is None:
            return
        after = page.next


async def _look(gateway: Gateway, caller: Caller, plan: Plan, names: Iterable[str], numbers: _Numbers) -> None:
    requests = [validated(NotificationRequest, to_json({**plan.request, "recipient": name})) for name in names]
    known = await known_for(gateway, requests)
    # All at once: what they read of their people shares its calls.
    for made in await asyncio.gather(*(_made(gateway, caller, request, known) for request in requests)):
        numbers.counted += 1
        if isinstance(made, str):
            numbers.refused[made] += 1
            continue
        for delivery, said in zip(made.deliveries, made.permissions, strict=True):
            _count(gateway, delivery, said, numbers)
        if len(numbers.samples) < _SAMPLES:
            numbers.samples.append(_sample(gateway, made.notification, made.deliveries))


async def _made(gateway: Gateway, caller: Caller, request: NotificationRequest, known: Known) -> _Made | str:
    """A member's notification as it would go, or why there is none. Raises StoreUnavailable."""
    try:
        asked = await judged(gateway, request, caller, known)
        notification = new_notification(gateway, request, caller, asked, str(uuid.uuid4()))
        deliveries = deliveries_of(gateway, notification, asked)
        return _Made(notification, deliveries, [await expected(gateway, delivery) for delivery in deliveries])
    except Problem as problem:
        return _why(problem)
    except UnreadableRecord as error:
        log.error("a member is left out of a plan", error=str(error))
        return "its records cannot be read"


def _count(gateway: Gateway, delivery: Delivery, said: Permission, numbers: _Numbers) -> None:
    channel = numbers.channels.setdefault(delivery.channel, _Channel())
    channel.deliveries += 1
    channel.held += isinstance(said, Later)
    if isinstance(said, No):
        channel.suppressed += 1
    else:
        channel.cost.add(gateway, delivery)


def _why(problem: Problem) -> str:
    """In words that are the same for all who are refused for the same."""
    said = "; ".join(f"{error['field']}: {error['message']}" for error in problem.errors)
    return said or problem.detail or str(problem.status)


def _sample(gateway: Gateway, notification: Notification, deliveries: Sequence[Delivery]) -> SampleJson:
    content = {d.channel: content_json(notification, d, gateway.channels) for d in deliveries}
    return SampleJson(recipient=notification.recipient or "", content=content)


def _json(plan: Plan, numbers: _Numbers, recipients: int) -> PlanJson:
    channels = {name: _channel_json(channel) for name, channel in numbers.channels.items()}
    return PlanJson(
        plan=plan.id,
        list=plan.list_name,
        recipients=recipients,
        counted=numbers.counted,
        estimated=plan.total != numbers.counted,
        channels=channels,
        suppressed=sum(channel["suppressed"] for channel in channels.values()),
        segments=sum(channel.get("segments", 0) for channel in channels.values()),
        refused=dict(numbers.refused),
        sample=numbers.samples,
        per_second=plan.per_second,
        seconds=-(-recipients // plan.per_second),
        planned_at=plan.planned_at,
        good_until=plan.planned_at + GOOD_FOR,
    )


def _channel_json(c: _Channel) -> PlannedChannelJson:
    return PlannedChannelJson(deliveries=c.deliveries, suppressed=c.suppressed, held=c.held, **c.cost.json())
