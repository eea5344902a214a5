"""A bulk replay: page by page, what was planned is queued for a fresh set of attempts.

What if the process dies at a page: what it has queued is dead no longer, and due, so the relay publishes it; the same
page again finds the others. What it had queued by then is missing from `counts`, and not from what is sent.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from functions.gateway.access.caller import Caller, Scope
from functions.gateway.notifications.visibility import whose
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem
from shared.delivery.errors import WrongState
from shared.delivery.model import Delivery, DeliveryStatus, Notification
from shared.delivery.state_machine import replayed
from shared.delivery.store import Position
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.messages import hint
from shared.sending.operations import Operation, OperationState, begun
from shared.sending.replay_plan import ReplayPlan

log = get_logger(__name__)

REPLAY = "replay"
PAGE = 100
_LIMITED = timedelta(minutes=1)  # after which a page that a caller's limits stop is tried again


def replay_operation(operation_id: str, plan: ReplayPlan, now: datetime) -> Operation:
    """A new one, which whoever comes first begins."""
    made = begun(operation_id, REPLAY, plan.caller, {"plan": plan.id}, now)
    return replace(made, total=plan.total, due_at=now)


@dataclass(frozen=True, slots=True)
class Selected:
    """A page of what a plan is about. next: where the one behind it begins; None: it was the last"""

    pairs: Sequence[tuple[Notification, Delivery]]
    next: str | None


async def pages(gateway: Gateway, caller: Caller, plan: ReplayPlan) -> AsyncIterator[Selected]:
    after: str | None = None
    while True:
        selected = await select(gateway, caller, plan, after)
        yield selected
        after = selected.next
        if after is None:
            return


async def select(gateway: Gateway, caller: Caller, plan: ReplayPlan, after: str | None) -> Selected:
    """The page behind `after`: of each status in its turn, the latest accepted first. Raises StoreUnavailable."""
    status, position = _position(plan, after)
    page = await gateway.store.in_status(
        caller=whose(caller), status=status, limit=min(PAGE, plan.per_second), after=position
    )
    keys = [(d.notification_id, d.channel) for d in page.items if plan.has(d)]
    found = {(d.notification_id, d.channel): (n, d) for n, d in (await gateway.store.load_all(keys) if keys else ())}
    statuses = list(plan.filter.status)
    following = None
    if page.next is not None:
        following = json.dumps([str(status), page.next.at.isoformat(), page.next.id])
    elif status != statuses[-1]:
        following = json.dumps([str(statuses[statuses.index(status) + 1])])
    return Selected([found[key] for key in keys if key in found], following)


def _position(plan: ReplayPlan, after: str | None) -> tuple[DeliveryStatus, Position | None]:
    if after is None:
        return plan.filter.status[0], None
    status, *place = json.loads(after)
    return DeliveryStatus(status), Position(datetime.fromisoformat(place[0]), place[1]) if place else None


def why_not(gateway: Gateway, caller: Caller, notification: Notification, delivery: Delivery) -> str | None:
    """Why it is not replayed; None: it is."""
    if not (caller.may_use(delivery.channel) and caller.may_name(delivery.recipient or "")):
        return "forbidden"
    if delivery.address and not caller.may_reach(delivery.channel, delivery.address):
        return "forbidden"
    if notification.cancelled_at is not None:
        return "cancelled"
    try:
        replayed(delivery, gateway.now(), gateway.policy)
    except WrongState:
        return "too_late"
    return None


@dataclass(frozen=True, slots=True)
class Replaying:
    """counts: `replayed`; `changed` meanwhile by others; `limited`, as its address has had enough; and `why_not`"""

    gateway: Gateway

    async def page(self, operation: Operation) -> Operation:
        gateway = self.gateway
        plan = await gateway.replay_plans.plan(operation.about["plan"])
        caller = (await gateway.callers.look_up([operation.caller])).get(operation.caller)
        if plan is None or caller is None or not _may_replay(caller):
            why = "its plan is gone" if plan is None else "its caller may replay no more"
            return replace(operation, state=OperationState.FAILED, error=why)
        began = gateway.now()
        selected = await select(gateway, caller, plan, operation.after)
        await gateway.quotas.exchange(caller)
        wanted, refused, is_limited = self._judged(plan, caller, selected)
        written = await gateway.store.update_all(wanted) if wanted else []
        ours = [delivery for delivery, version in zip(wanted, written, strict=True) if version is not None]
        failpoints.reached(Failpoint.REPLAYED)
        if ours:
            await gateway.publisher.publish([hint(delivery) for delivery in ours])
        counts = Counter(operation.counts) + Counter(replayed=len(ours), changed=len(wanted) - len(ours))
        if is_limited:
            # The same page once more: what was replayed of it is dead no longer. What was refused is counted then.
            log.warning("a replay waits for its caller's limits", operation_id=operation.id)
            return replace(operation, counts=dict(counts), due_at=began + _LIMITED)
        return replace(
            operation,
            counts=dict(counts + refused),
            after=selected.next,
            state=OperationState.DONE if selected.next is None else operation.state,
            due_at=began + timedelta(seconds=len(wanted) / plan.per_second),
        )

    def _judged(
        self, plan: ReplayPlan, caller: Caller, selected: Selected
    ) -> tuple[Sequence[Delivery], Counter[str], bool]:
        """What is to be written, why the others are not, and whether the caller's limits stop it there."""
        gateway, quotas = self.gateway, self.gateway.quotas
        wanted: list[Delivery] = []
        refused: Counter[str] = Counter()
        for notification, delivery in selected.pairs:
            if not plan.has(delivery):
                continue  # it has moved since the page was read
            why = why_not(gateway, caller, notification, delivery)
            if why is not None:
                refused[why] += 1
                continue
            addresses = {delivery.channel: delivery.address}
            try:
                counts = quotas.addresses.check(gateway.screens, addresses, simulated=delivery.simulated)
            except Problem:
                refused["limited"] += 1  # its address has had enough within this hour
                continue
            try:
                quotas.notification(caller, delivery.segments or 0)
            except Problem:
                return wanted, refused, True
            quotas.addresses.add(counts)
            wanted.append(replayed(delivery, gateway.now(), gateway.policy))
        return wanted, refused, False


def _may_replay(caller: Caller) -> bool:
    return caller.revoked_at is None and Scope.DEAD_LETTERS_MANAGE in caller.scopes
