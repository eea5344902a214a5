"""A broadcast: page by page each member's notification is accepted, in a batch, under a key of its own.

What if the process dies at a page: the same one again finds those that were accepted by their keys, and accepts the
others. So nobody has it twice, and nobody is left out.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

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
        if plan is None or caller is None or caller.revoked_at is not None:
            why = "its plan is gone" if plan is None else "its caller is revoked"
            return replace(operation, state=OperationState.FAILED, error=why)
        began = gateway.now()
        page = await gateway.list_store.members(plan.list_id, limit=min(PAGE, plan.per_second), after=operation.after)
        names = [member.recipient for member in page.items if member.in_audience(plan.planned_at)]
        items = [{**plan.request, "recipient": name, "key": key_of(operation.id, name)} for name in names]
        results = await Batch(gateway, caller, bulk=True).accept(items) if items else []
        failpoints.reached(Failpoint.BROADCAST)
        statuses = Counter(202 if isinstance(result, Taken) else result.status for result in results)
        if statuses[429]:
            # Those of the page that were accepted are found by their keys when it is their turn again.
            log.warning("a broadcast waits for its caller's limits", operation_id=operation.id)
            return replace(operation, due_at=began + _LIMITED)
        if any(status >= 500 for status in statuses):
            raise StoreUnavailable("not all of a page could be accepted")
        for result in results:
            if isinstance(result, Problem):
                log.info("refused", operation_id=operation.id, status=result.status)
        before = Counter(operation.counts)
        accepted, refused = statuses[202], len(results) - statuses[202]
        return replace(
            operation,
            counts={"accepted": before["accepted"] + accepted, "refused": before["refused"] + refused},
            after=page.next,
            state=OperationState.DONE if page.next is None else operation.state,
            due_at=began + timedelta(seconds=len(names) / plan.per_second),
        )
