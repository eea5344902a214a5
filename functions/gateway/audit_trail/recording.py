"""From a request and its answer to an entry, before the client has the answer.

What if the process dies between the act and its entry: the client has no answer, and the act's line `an act begins` is
in the log, without one that tells its end: `audit`, or `an act ends` where there is nothing to put on record. What if
the entry cannot be written: see `Trail.append`.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.gateway.access.caller import Caller
from functions.gateway.access.scopes import WATCHER
from functions.gateway.audit_trail.acts import AUDITED, Naming, made_at
from functions.gateway.audit_trail.client_network import Ingress, client_network
from functions.gateway.audit_trail.entry import Act, AuditResult
from functions.gateway.audit_trail.refusals import MINUTE, Refusals
from functions.gateway.audit_trail.trail import Trail
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger

log = get_logger(__name__)

_NOBODY = ""  # as whom those are counted whom nobody knows


def changes_nothing(request: Request) -> None:
    """A route says it of a request that its answer's status does not tell from an act."""
    watched = request.scope.get(WATCHER)
    if isinstance(watched, _Watched):
        watched.acts = False


@dataclass(slots=True)
class _Watched:
    """One request. See `functions.gateway.access.scopes.Watcher`."""

    scope: Scope
    action: str | None
    caller: Caller | None = None
    acts: bool = True
    has_begun: bool = False

    def is_known(self, caller: Caller) -> None:
        self.caller = caller

    def is_let_in(self) -> None:
        if self.caller is not None and self.operation in AUDITED:
            self.has_begun = True
            log.info("an act begins", actor=self.caller.id, action=self.operation)

    @property
    def operation(self) -> str:
        """As /openapi.json calls it."""
        return self.action or str(getattr(self.scope.get("route"), "name", ""))

    @property
    def path(self) -> str:
        return str(getattr(self.scope.get("route"), "path", ""))


@dataclass(slots=True)
class Audit:
    """What puts acts on record for one gateway. ingress: who reaches it, and so who says from where a request came"""

    trail: Trail
    naming: Naming
    ingress: Ingress = "all"
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    refusals: Refusals = field(default_factory=Refusals)
    _counting: asyncio.TimerHandle | None = None
    _telling: set[asyncio.Task[None]] = field(default_factory=set)

    def of_acts(self, app: ASGIApp) -> ASGIApp:
        """The application with an entry of each act and of each refusal."""
        return self._around(app, None)

    def of_refusals(self, app: ASGIApp, action: str) -> ASGIApp:
        """The application, which answers this one operation, with an entry of each refusal alone."""
        return self._around(app, action)

    def _around(self, app: ASGIApp, action: str | None) -> ASGIApp:
        async def watched_app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            watched = scope[WATCHER] = _Watched(scope, action)

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    is_told = await self._note(watched, message["status"], message)
                    if watched.has_begun and not is_told:
                        log.info("an act ends", action=watched.operation, status=message["status"])
                await send(message)

            await app(scope, receive, noting)

        return watched_app

    async def _note(self, watched: _Watched, status: int, message: Message) -> bool:
        """Whether it is one to put on record."""
        caller, operation = watched.caller, watched.operation
        if caller is None:
            if status == 401:
                self._nobody(watched)
        elif status == 403:
            return await self._refused(watched, caller)
        elif operation in AUDITED and watched.acts and (status in AUDITED[operation] or status >= 500):
            failpoints.reached(Failpoint.ACTED)
            made = made_at(Headers(raw=message["headers"]).get("location"))
            result = AuditResult.UNKNOWN if status >= 500 else AuditResult.DONE
            await self.trail.append(self._act(watched, caller, result, status, made=made))
            return True
        return False

    async def _refused(self, watched: _Watched, caller: Caller) -> bool:
        left_out = self._counted(caller.id)
        if left_out is None:
            return False
        await self.trail.append(self._act(watched, caller, AuditResult.REFUSED, 403, left_out=left_out))
        return True

    def _nobody(self, watched: _Watched) -> None:
        """Without a caller there is no entry: any stranger could write as many as they like."""
        left_out = self._counted(_NOBODY)
        if left_out is not None:
            network = client_network(watched.scope, self.ingress)
            log.warning("refused: nobody is known", action=watched.operation, network=network, left_out=left_out)

    def _act(self, watched: _Watched, caller: Caller, result: AuditResult, status: int, **more: Any) -> Act:
        parameters: Mapping[str, object] = watched.scope.get("path_params", {})
        return Act(
            actor=caller.id,
            action=watched.operation,
            record=self.naming.record(watched.path, parameters, is_done=result is AuditResult.DONE),
            result=result,
            status=status,
            network=client_network(watched.scope, self.ingress),
            **more,
        )

    def _counted(self, caller: str) -> int | None:
        """As `Refusals.take`. What is left out of a minute is told when it is over, whether or not another comes."""
        left_out = self.refusals.take(caller, self.now())
        if left_out is None and self._counting is None:
            self._counting = asyncio.get_running_loop().call_later(MINUTE.total_seconds(), self._tell)
        return left_out

    def _tell(self) -> None:
        self._counting = None
        task = asyncio.ensure_future(self.tell_left_out())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def tell_left_out(self) -> None:
        """An entry of each caller whose minute is over, of whose refusals some have none."""
        for caller, left_out in self.refusals.ended(self.now()):
            if caller == _NOBODY:
                log.warning("refused: nobody is known", left_out=left_out)
            else:
                await self.trail.append(Act(caller, "refusals", "", AuditResult.REFUSED, 403, left_out=left_out))
