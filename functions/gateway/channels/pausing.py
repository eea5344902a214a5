"""Pausing and resuming a channel, for everybody: an operator's.

What if the process dies: the write is one, so it has landed or not, and whoever has no answer asks again.
"""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

from functions.gateway.access.caller import Caller, CallerKind
from functions.gateway.access.scopes import forbidden
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem, others_are_faster
from shared.delivery.store import SHARDS
from shared.runtime.logs import get_logger
from shared.sending.breaker import ramp_from
from shared.sending.channel_states import Activity, ChannelState

log = get_logger(__name__)

_MOST_OF_A_SHARD = 500  # of what is pending: to count what would wait
_SECONDS = 5.0
"""After which a request gives up: one that somebody has asked again meanwhile must not undo what came after that."""


async def set_activity(
    gateway: Gateway, channel: str, activity: Activity, caller: Caller, reason: str | None
) -> ChannelState:
    """As it is then. The same again changes nothing.

    Problem 403, 404, 503. Raises StoreUnavailable.
    """
    if channel not in gateway.every_channel:
        raise Problem(404, "there is no such channel")
    _check_use(caller, channel)
    now, give_up_at = gateway.now(), time.monotonic() + _SECONDS
    ramp = ramp_from(now) if activity is Activity.ACTIVE else None

    def changed(there: ChannelState) -> ChannelState | None:
        if there.activity is activity:
            return None
        if time.monotonic() >= give_up_at:
            raise others_are_faster("channel")
        return replace(there, activity=activity, since=now, by=caller.id, reason=reason, ramp=ramp)

    state, is_ours = await gateway.channel_states.change(channel, changed)
    if is_ours:
        log.warning("channel is set", channel=channel, activity=activity, by=caller.id)
    return state


async def would_hold(gateway: Gateway, channel: str, caller: Caller) -> tuple[int, bool]:
    """How many deliveries would wait, and whether there are more. Problem 403, 404. Raises StoreUnavailable."""
    if channel not in gateway.every_channel:
        raise Problem(404, "there is no such channel")
    _check_use(caller, channel)
    ever = gateway.now() + timedelta(days=3650)
    asked = (gateway.store.overdue(shard, ever, _MOST_OF_A_SHARD, [channel]) for shard in range(SHARDS))
    found = [len(deliveries) for deliveries in await asyncio.gather(*asked)]
    return sum(found), max(found) == _MOST_OF_A_SHARD


def _check_use(caller: Caller, channel: str) -> None:
    """What it does, it does to everybody's messages. Problem 403."""
    if caller.kind in {CallerKind.TEST, CallerKind.TEAM} or caller.recipients is not None:
        raise forbidden("a test or team key, or a caller limited to recipients' names, may pause no channel")
    if not caller.may_use(channel):
        raise forbidden(f"this caller may not use {channel}")
