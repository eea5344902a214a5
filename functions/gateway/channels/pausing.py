"""Pausing and resuming a channel, for everybody: an operator's.

What if the process dies: the write is one, so it has landed or not, and whoever has no answer asks again.
"""

import time
from dataclasses import replace

from functions.gateway.access.caller import Caller, CallerKind
from functions.gateway.access.scopes import forbidden
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem, others_are_faster
from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.runtime.logs import get_logger
from shared.sending.channel_states import Activity, ChannelState

log = get_logger(__name__)

_SECONDS = 5.0
"""After which a request gives up: one that somebody has asked again meanwhile must not undo what came after that."""


async def set_activity(
    gateway: Gateway, channel: str, activity: Activity, caller: Caller, reason: str | None
) -> ChannelState | None:
    """As it is on record then; None where nobody has ever paused it. The same again changes nothing.

    Problem 403, 404, 503. Raises StoreUnavailable.
    """
    if channel not in gateway.channels:
        raise Problem(404, "there is no such channel")
    _check_use(caller, channel)
    wanted = ChannelState(channel, activity, gateway.now(), caller.id, reason)
    give_up_at = time.monotonic() + _SECONDS
    while True:
        there = (await gateway.channel_states.read()).get(channel)
        if there is None and activity is Activity.ACTIVE:
            return None
        if there is not None and there.activity is activity:
            return there
        if time.monotonic() >= give_up_at:
            raise others_are_faster("channel")
        try:
            await gateway.channel_states.put(replace(wanted, version=None if there is None else there.version))
        except (AlreadyExists, Conflict, NotFound):
            continue
        log.warning("channel is set", channel=channel, activity=activity, by=caller.id)
        return wanted


def _check_use(caller: Caller, channel: str) -> None:
    """What it does, it does to everybody's messages. Problem 403."""
    if caller.kind in {CallerKind.TEST, CallerKind.TEAM} or caller.recipients is not None:
        raise forbidden("a test or team key, or a caller limited to recipients' names, may pause no channel")
    if not caller.may_use(channel):
        raise forbidden(f"this caller may not use {channel}")
