"""Plans of bulk replays on Firestore: replay_plans/{id}."""

from dataclasses import asdict
from typing import Any

from shared.delivery.model import DeliveryStatus
from shared.google.firestore import writes
from shared.google.firestore.records import document_id, known_values, read_one
from shared.google.firestore.rpc import Rpc
from shared.sending.replay_plan import ReplayFilter, ReplayPlan


class FirestoreReplayPlans:
    """See `shared.sending.replay_plan.ReplayPlanStore`."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def create(self, plan: ReplayPlan) -> None:
        values = asdict(plan)
        name = self._name(values.pop("id"))
        values["filter"]["status"] = [str(status) for status in plan.filter.status]
        await self._rpc.commit([writes.create(name, values)])

    async def plan(self, plan_id: str) -> ReplayPlan | None:
        name = self._name(plan_id)
        found = await self._rpc.batch_get([name])
        return read_one(found[name], _to_plan) if name in found else None

    def _name(self, plan_id: str) -> str:
        return f"{self._rpc.documents}/replay_plans/{plan_id}"


def _to_plan(doc: Any) -> ReplayPlan:
    values = known_values(doc, ReplayPlan)
    asked = values["filter"]
    asked["status"] = tuple(DeliveryStatus(status) for status in asked["status"])
    return ReplayPlan(id=document_id(doc), **values | {"filter": ReplayFilter(**asked)})
