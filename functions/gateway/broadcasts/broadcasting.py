"""A broadcast: page by page each member's notification is accepted, in a batch, under a key of its own.

What if the process dies at a page: the same one again finds those that were accepted by their keys, and accepts the
others. So nobody has it twice, and nobody is left out.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from functions.gateway.access.address_quotas import AddressHasEnough
from functions.gateway.access.caller import Caller, Scope
from functions.gateway.batches.batch_acceptance import Batch, Taken
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem
from shared.delivery.errors import StoreUnavailable
from shared.people.broadcast_plan import Plan
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.operations import Operation, OperationState, begun

log = get_logger(__name__)

BROADCAST = "broadcast"
PAGE = 100
_LIMITED = timedelta(minutes=1)  # after which a page that a caller's limits stop is tried again


def broadcast(operation_id: str, plan: Plan, now: datetime) -> Operation:
    """A new one, which whoever comes first begins."""
    made = begun(operation_id, BROADCAST, plan.caller, {"plan": plan.id, "list": plan.list_name}, now)
    return replace(made, total=plan.total, due_at=now)


def key_of(operation_id: str, recipient: str) -> str:
    return f"broadcast:{operation_id}:{recipient}"


@dataclass(frozen=True, slots=True)
class Broadcasting:
    """counts: `accepted`, and `refused` where no notification could be made"""

    gateway: Gateway

    async def page(self, operation: Operation) -> Operation:
        gateway = self.gateway
        plan = await gateway.plans.plan(operation.about["plan"])
        callers = await gateway.callers.look_up([operation.caller])
        caller = callers.get(operation.caller)
        if plan is None or caller is None or not _may_send(caller):
            why = "its plan is gone" if plan is None else "its caller may send no more"
            return replace(operation, state=OperationState.FAILED, error=why)
        began = gateway.now()
        page = await gateway.list_store.members(plan.list_id, limit=min(PAGE, plan.per_second), after=operation.after)
        names = [member.recipient for member in page.items if member.in_audience(plan.planned_at)]
        items = [{**plan.request, "recipient": name, "key": key_of(operation.id, name)} for name in names]
        results = await Batch(gateway, caller, bulk=True).accept(items) if items else []
        failpoints.reached(Failpoint.BROADCAST)
        if any(isinstance(result, Problem) and result.status == 503 for result in results):
            raise StoreUnavailable("not all of a page could be accepted")
        limited = [place for place, result in enumerate(results) if _is_limit(result)]
        ended = results[: limited[0]] if limited else results
        counts = Counter(operation.counts)
        for result in ended:
            if isinstance(result, Problem):
                log.info("refused", operation_id=operation.id, status=result.status)
            counts["refused" if isinstance(result, Problem) else "accepted"] += 1
        operation = replace(operation, counts={name: counts[name] for name in ("accepted", "refused")})
        if limited:
            # Those behind it that were accepted are found by their keys when it is their turn again.
            log.warning("a broadcast waits for its caller's limits", operation_id=operation.id)
            after = names[limited[0] - 1] if limited[0] else operation.after
            return replace(operation, after=after, due_at=began + _LIMITED)
        return replace(
            operation,
            after=page.next,
            state=OperationState.DONE if page.next is None else operation.state,
            due_at=began + timedelta(seconds=len(names) / plan.per_second),
        )


def _may_send(caller: Caller) -> bool:
    return caller.revoked_at is None and Scope.NOTIFICATIONS_SEND in caller.scopes


def _is_limit(result: Taken | Problem) -> bool:
    """Of the caller's: it is another one's turn only when that allows it."""
    return isinstance(result, Problem) and result.status == 429 and not isinstance(result, AddressHasEnough)
