"""The scope that a route's callers need."""

from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import Request

from functions.gateway.access.authentication import Identity
from functions.gateway.access.caller import Caller, Scope
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.web.problem_details import Problem

WATCHER = "hark.watcher"
"""Where in a request's scope somebody stands who is told who calls."""


class Watcher(Protocol):
    """Of one request."""

    def is_known(self, caller: Caller) -> None:
        """It is this one who calls."""
        ...

    def is_let_in(self) -> None:
        """It has the scope: what it asks for begins."""
        ...


@dataclass(frozen=True, slots=True)
class RequiresScope:
    """Of a request, its caller, who has that scope; None: any caller will do. Problem 401, 403, 429 or 503."""

    identity: Identity
    quotas: CallerQuotas
    scope: Scope | None
    fresh: bool = field(default=False, kw_only=True)
    """Whether it must be so on record now, and not up to half a minute ago."""

    async def __call__(self, request: Request) -> Caller:
        watcher: Watcher | None = request.scope.get(WATCHER)
        caller = await self.identity.caller(request.headers)
        if watcher is not None:
            watcher.is_known(caller)
        self.quotas.request(caller)
        # only now: whom the kept record refuses costs no read
        caller = await self.now(request) if self.fresh else self._with_scope(caller)
        if watcher is not None:
            watcher.is_let_in()
        return caller

    async def now(self, request: Request) -> Caller:
        """The same as on record now, not counted as a request."""
        return self._with_scope(await self.identity.caller(request.headers, fresh=True))

    def _with_scope(self, caller: Caller) -> Caller:
        if self.scope is not None and self.scope not in caller.scopes:
            raise forbidden(f"this needs the scope {self.scope}", self.scope)
        return caller


def forbidden(detail: str, scope: Scope | None = None) -> Problem:
    """403. RFC 6750, 3.1, names the missing scope in a header, too."""
    headers = {"WWW-Authenticate": f'Bearer realm="hark", error="insufficient_scope", scope="{scope}"'}
    return Problem(403, detail, headers=headers if scope else None)
