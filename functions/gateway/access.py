"""What every route declares: the scope that its callers need."""

from dataclasses import dataclass
from typing import Any

from fastapi import Depends
from fastapi.dependencies.models import Dependant
from starlette.requests import Request

from functions.gateway.callers import Caller, Scope
from functions.gateway.identity import Identity
from functions.gateway.limits import Limits
from functions.gateway.problems import Problem


@dataclass(frozen=True, slots=True)
class RequiresScope:
    """A route's dependency: it gives the route its caller. Problem 401, 403, 429 or 503."""

    identity: Identity
    limits: Limits
    scope: Scope

    async def __call__(self, request: Request) -> Caller:
        caller = await self.identity.caller(request.headers)
        self.limits.request(caller)
        if self.scope not in caller.scopes:
            raise forbidden(f"this needs the scope {self.scope}", self.scope)
        return caller


@dataclass(frozen=True, slots=True)
class Requires:
    """`caller: Annotated[Caller, requires(Scope.X)]` in a route's signature is its declaration."""

    identity: Identity
    limits: Limits

    def __call__(self, scope: Scope) -> Any:
        return Depends(RequiresScope(self.identity, self.limits, scope), use_cache=False)


def requirement_of(dependant: Dependant) -> RequiresScope | None:
    """What a route declares."""
    requires = [d.call for d in dependant.dependencies if isinstance(d.call, RequiresScope)]
    return requires[0] if requires else None


def scope_of(dependant: Dependant) -> Scope | None:
    """The scope that a route declares."""
    requirement = requirement_of(dependant)
    return requirement.scope if requirement else None


def forbidden(detail: str, scope: Scope | None = None) -> Problem:
    """403. RFC 6750, 3.1, names the missing scope in a header, too."""
    headers = {"WWW-Authenticate": f'Bearer realm="hark", error="insufficient_scope", scope="{scope}"'}
    return Problem(403, detail, headers=headers if scope else None)
