"""Plans on Firestore: plans/{id}."""

import json
from typing import Any

from shared.google.firestore import writes
from shared.google.firestore.records import document_id, read_one
from shared.google.firestore.rpc import Rpc
from shared.google.firestore.value_encoding import decode
from shared.people.broadcast_plan import Plan


class FirestorePlans:
    """See `shared.people.broadcast_plan.PlanStore`."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def create(self, plan: Plan) -> None:
        values = {
            "caller": plan.caller,
            "list_name": plan.list_name,
            "list_id": plan.list_id,
            "request": json.dumps(plan.request),  # as JSON: Firestore takes no list in a list
            "per_second": plan.per_second,
            "planned_at": plan.planned_at,
            "expire_at": plan.expire_at,
            "total": plan.total,
        }
        await self._rpc.commit([writes.create(self._name(plan.id), values)])

    async def plan(self, plan_id: str) -> Plan | None:
        name = self._name(plan_id)
        found = await self._rpc.batch_get([name])
        return read_one(found[name], _plan) if name in found else None

    def _name(self, plan_id: str) -> str:
        return f"{self._rpc.documents}/plans/{plan_id}"


def _plan(doc: Any) -> Plan:
    values = {key: decode(value) for key, value in doc.fields.items()}
    return Plan(
        id=document_id(doc),
        caller=values["caller"],
        list_name=values["list_name"],
        list_id=values["list_id"],
        request=json.loads(values["request"]),
        per_second=values["per_second"],
        planned_at=values["planned_at"],
        expire_at=values["expire_at"],
        total=values.get("total"),
    )
