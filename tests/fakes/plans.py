"""Plans of broadcasts and of bulk replays in memory."""

from shared.delivery.errors import AlreadyExists
from shared.people.broadcast_plan import Plan
from shared.sending.replay_plan import ReplayPlan


class MemoryPlans:
    """See `shared.people.broadcast_plan.PlanStore`."""

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}

    async def create(self, plan: Plan) -> None:
        if plan.id in self._plans:
            raise AlreadyExists(plan.id)
        self._plans[plan.id] = plan

    async def plan(self, plan_id: str) -> Plan | None:
        return self._plans.get(plan_id)


class MemoryReplayPlans:
    """See `shared.sending.replay_plan.ReplayPlanStore`."""

    def __init__(self) -> None:
        self._plans: dict[str, ReplayPlan] = {}

    async def create(self, plan: ReplayPlan) -> None:
        if plan.id in self._plans:
            raise AlreadyExists(plan.id)
        self._plans[plan.id] = plan

    async def plan(self, plan_id: str) -> ReplayPlan | None:
        return self._plans.get(plan_id)
