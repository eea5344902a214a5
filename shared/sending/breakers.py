"""Which of its providers an instance calls, and how it takes part in their breakers (`breaker.py`).

Each instance counts its own calls. When enough have failed it opens the provider's breaker on the channel's record, and
all others obey within five seconds, by the look that they take anyway: a delivery costs no call more while all is well.

What if the process dies
- before it has opened the breaker: the others count for themselves;
- with a probe under way: its slot is free again once its time is over;
- when its probe was answered: the next one is answered, too.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shared.delivery.errors import StoreError
from shared.delivery.gate import Later
from shared.delivery.model import Attempt, Outcome, Rule
from shared.delivery.retries import Policy
from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.runtime.logs import get_logger
from shared.sending.breaker import (
    Breaker,
    Calls,
    closed,
    failed,
    is_others_word,
    opened,
    probe_failed,
    probe_not_made,
    probing,
    ramp_from,
)
from shared.sending.channel_states import ChannelState, ChannelStates, paused_of, until_let

log = get_logger(__name__)

_SECONDS = 5.0
"""That all writes of one turn may take together."""
_ALONE = timedelta(seconds=30)
"""For so long an instance calls a provider no more that fails for it, and that the record says is there."""
MOVED_SINCE = timedelta(seconds=5)
"""A ramp that was moved so lately is not moved again: what was throttled meanwhile may be of before."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Leave to call a provider. probe: of the one that this delivery makes; None: the provider is there"""

    provider: str
    probe: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """No leave. alone: the record says that there is a provider; others may get through to it"""

    alone: bool = False


@dataclass(slots=True)
class Breakers:
    """Of one channel, in one process. providers: the first choice first"""

    channel: str
    providers: Sequence[str]
    states: ChannelStates
    policy: Policy
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    token: Callable[[], str] = lambda: uuid.uuid4().hex
    _calls: dict[str, Calls] = field(default_factory=dict)
    _alone_until: dict[str, datetime] = field(default_factory=dict)
    _id: str = ""
    _opening: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._id = self.token()
        self._calls = {provider: Calls() for provider in self.providers}

    async def turn(self) -> Turn | Wait:
        """Asked before a claim. Reads and writes nothing while no breaker is known to be open."""
        if any(self._is_open(provider) for provider in self.providers):
            await self.states.states()
        return Wait() if self.channel in paused_of(self.states.known) else await self._turn()

    async def still(self, turn: Turn) -> Turn | Later:
        """The turn as of the last look, which was taken beside the claim."""
        stands = turn.probe is not None or (not self._is_open(turn.provider) and self._may_call(turn.provider))
        now = turn if stands else await self._turn()
        return until_let(self.now(), Rule.PROVIDER_DOWN) if isinstance(now, Wait) else now

    async def _turn(self) -> Turn | Wait:
        for provider in self.providers:
            turn = await self.turn_of(provider)
            if turn is not None:
                return turn
        return Wait(alone=not all(self._is_open(provider) for provider in self.providers))

    async def turn_of(self, provider: str) -> Turn | None:
        """Leave to call this one; None: it is down, and is not probed now."""
        breaker = self._breaker(provider)
        if breaker is None or not breaker.is_open:
            return Turn(provider) if self._may_call(provider) else None
        if not breaker.wants_probe(self.now()):
            return None
        probe = await self._take_probe(provider)
        return None if probe is None else Turn(provider, probe)

    def note(self, turn: Turn, attempt: Attempt, address: str) -> None:
        """A call that was made. Asks nobody."""
        if turn.probe is None:
            self._calls[turn.provider].note(attempt.at, attempt.outcome, address)

    async def over(self, turn: Turn, last: Attempt | None) -> None:
        """The turn's call is made, and on record. last: its attempt; None: no call was made

        What cannot be written now is left: it is no part of the delivery.
        """
        throttled = last is not None and last.outcome is Outcome.THROTTLED
        may_open = last is not None and failed(last.outcome) and turn.provider not in self._opening
        if turn.probe is None and not throttled and not may_open:
            return  # as nearly every delivery ends
        try:
            async with asyncio.timeout(_SECONDS):
                if turn.probe is not None:
                    await self._probe_is_over(turn.provider, turn.probe, last)
                elif may_open and self._is_down(turn.provider, self._breaker(turn.provider)):
                    await self._open(turn.provider, last)
                if throttled:
                    await self._slow_down()
        except (StoreError, TimeoutError) as error:
            log.warning("a breaker could not be written", provider=turn.provider, error=type(error).__name__)

    def _breaker(self, provider: str) -> Breaker | None:
        return self.states.of(self.channel).breakers.get(provider)

    def _is_open(self, provider: str) -> bool:
        breaker = self._breaker(provider)
        return breaker is not None and breaker.is_open

    def _may_call(self, provider: str) -> bool:
        until = self._alone_until.get(provider)
        return until is None or self.now() >= until

    def _is_down(self, provider: str, breaker: Breaker | None) -> bool:
        """By its own calls: what was called before the breaker was closed says nothing any more."""
        since = None if breaker is None or breaker.is_open else breaker.since
        return self._calls[provider].say_it_is_down(self.now(), since)

    async def _open(self, provider: str, last: Attempt | None) -> None:
        """Until it is on record this instance calls the provider no more."""
        self._alone_until[provider] = self.now() + _ALONE
        self._opening.add(provider)
        reason = None if last is None else last.error

        def open_it(state: ChannelState) -> ChannelState | None:
            before = state.breakers.get(provider)
            if (before is not None and before.is_open) or is_others_word(before, self.now(), self._id):
                return None
            if not self._is_down(provider, before):
                return None
            return self._with(state, provider, opened(before, self.now(), self._id, reason))

        try:
            there, is_ours = await self.states.change(self.channel, open_it)
            if is_ours:
                log.error("provider is down", channel=self.channel, provider=provider, reason=reason)
            if is_others_word(there.breakers.get(provider), self.now(), self._id):
                log.warning("provider fails here alone", channel=self.channel, provider=provider, reason=reason)
            else:
                self._alone_until.pop(provider, None)
        finally:
            self._opening.discard(provider)
            self._calls[provider].clear()

    async def _probe_is_over(self, provider: str, probe: str, last: Attempt | None) -> None:
        has_failed = last is not None and failed(last.outcome)

        def end_it(state: ChannelState) -> ChannelState | None:
            breaker = state.breakers.get(provider)
            if breaker is None or not breaker.is_open or breaker.probe_by != probe:
                return None  # its time was over: another has made one since
            if last is None:
                return self._with(state, provider, probe_not_made(breaker, self.now()))
            if has_failed:
                return self._with(state, provider, probe_failed(breaker, self.now(), last.error))
            there = self._with(state, provider, closed(breaker, self.now(), self._id))
            return replace(there, ramp=ramp_from(self.now()))

        _, is_ours = await self.states.change(self.channel, end_it)
        if is_ours and last is not None and not has_failed:
            log.warning("provider is back", channel=self.channel, provider=provider)

    async def _take_probe(self, provider: str) -> str | None:
        """Its token; None: another has it. By the record as it is known: whoever was faster has changed it."""
        state = self.states.of(self.channel)
        probe, at_most = self.token(), self.policy.wait_in_place + self.policy.lease
        taken = probing(state.breakers[provider], self.now(), probe, at_most)
        try:
            async with asyncio.timeout(_SECONDS):
                await self.states.put(self._with(state, provider, taken))
        except (StoreError, TimeoutError):
            return None
        failpoints.reached(Failpoint.PROBING)
        return probe

    async def _slow_down(self) -> None:
        ramp = self.states.of(self.channel).ramp
        if ramp is None or ramp.is_over(self.now()) or self.now() - ramp.since < MOVED_SINCE:
            return

        def slower(state: ChannelState) -> ChannelState | None:
            moved = state.ramp is None or state.ramp.since != ramp.since
            return None if moved else replace(state, ramp=ramp.throttled(self.now()))

        await self.states.change(self.channel, slower)

    def _with(self, state: ChannelState, provider: str, breaker: Breaker) -> ChannelState:
        return replace(state, providers=tuple(self.providers), breakers={**state.breakers, provider: breaker})
