"""A broadcast as it was planned: what will go, and to whom, before anything does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Plan:
    """caller: the id of who asked
    request: a notification's, without recipient; of a template with its version
    list_id: of the list as it was; audience: who was in it at `planned_at`
    total: how many these are; None where they were too many to be counted in time
    """

    id: str
    caller: str
    list_name: str
    list_id: str
    request: Mapping[str, Any]
    per_second: int
    planned_at: datetime
    expire_at: datetime
    total: int | None = None


class PlanStore(Protocol):
    """Any method may raise StoreUnavailable; a write may have landed all the same."""

    async def create(self, plan: Plan) -> None:
        """Raises AlreadyExists."""
        ...

    async def plan(self, plan_id: str) -> Plan | None: ...
