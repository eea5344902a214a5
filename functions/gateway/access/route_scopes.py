"""What routes declare to FastAPI in their signatures."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path
from fastapi.dependencies.models import Dependant

from functions.gateway.access.authentication import Identity
from functions.gateway.access.caller import Scope
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.access.caller_turns import RequiresTurn, Turns
from functions.gateway.access.scopes import RequiresScope
from functions.gateway.web.common_fields import NOTIFICATION_ID

NotificationId = Annotated[str, Path(json_schema_extra={"pattern": NOTIFICATION_ID})]
"""Of a path. Anything else is not found, which is why only /openapi.json has the pattern."""


@dataclass(frozen=True, slots=True)
class Requires:
    """`caller: Annotated[Caller, requires(Scope.X)]` in a route's signature is its declaration."""

    identity: Identity
    quotas: CallerQuotas
    listings: Turns

    def __call__(self, scope: Scope, *, fresh: bool = False) -> Any:
        return Depends(RequiresScope(self.identity, self.quotas, scope, fresh=fresh), use_cache=False)

    def any_caller(self) -> Any:
        """The same of a route that whoever is a caller may ask."""
        return Depends(RequiresScope(self.identity, self.quotas, None), use_cache=False)

    def turn(self, scope: Scope, turns: Turns | None = None) -> Any:
        """The same of a route that lists. turns: whose one is taken; None: that of all listings"""
        return Depends(RequiresTurn(self.identity, self.quotas, scope, turns or self.listings), use_cache=False)


def requirement_of(dependant: Dependant) -> RequiresScope | None:
    """What a route declares of its callers. None: anybody may ask."""
    return next((d.call for d in dependant.dependencies if isinstance(d.call, RequiresScope)), None)
