"""A provider that is down, for everybody or for one instance; and the channels' records, looked at with each write."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from shared.sending.breaker import Breaker
from shared.sending.channel_states import OBEYED, ChannelState
from tests.fakes.channel_states import MemoryChannelStates
from tests.simulation.fate import Fate
from tests.simulation.invariants import Invariant, Violation

_BELIEVED = 300.0
"""Seconds: who freezes, or cannot read, goes by what it knew."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Of a channel's provider. times: from when to when; hangs: no answer instead of a clear one

    only: the processes with these ends of their names see it; the others get through
    providers: that have one; None: each
    """

    channel: str
    times: tuple[tuple[float, float], ...]
    hangs: bool = False
    only: tuple[str, ...] = ("",)
    providers: tuple[str, ...] | None = None

    @classmethod
    def drawn(cls, random: Random, channels: list[str]) -> "Outage":
        begin = random.uniform(0, 30)
        times = [(begin, begin + random.choice((60, 300, 1500)))]
        if random.random() < 0.3:  # it flaps
            times = [(begin + n * 60, begin + n * 60 + 40) for n in range(10)]
        only = ("1", "3") if random.random() < 0.3 else ("",)
        return cls(random.choice(channels), tuple(times), random.random() < 0.3, only)

    def strikes(self, channel: str, provider: str, process: str, now: float) -> bool:
        has_one = channel == self.channel and (self.providers is None or provider in self.providers)
        sees = has_one and process.endswith(self.only)
        return sees and any(begin <= now < end for begin, end in self.times)


@dataclass
class Opening:
    """One time that a breaker was open.

    probes: who took one; calls: the claims of those that were begun when all had to know. One may call twice, where a
    short throttle is waited out
    """

    since: float
    probes: set[str]
    calls: set[str] = field(default_factory=set)
    until: float | None = None


class ChannelRecords(MemoryChannelStates):
    """As strict as Firestore, and suspicious: one probe at a time, and one call for each."""

    def __init__(self, broken: Callable[[Violation], None], fate: Fate) -> None:
        super().__init__()
        self._broken, self._fate = broken, fate
        self._openings: dict[tuple[str, str], list[Opening]] = {}

    async def put(self, state: ChannelState) -> None:
        before = self.records.get(state.channel)
        await super().put(state)
        for provider, breaker in state.breakers.items():
            old = None if before is None else before.breakers.get(provider)
            self._look_at(state.channel, provider, old, breaker)

    def _look_at(self, channel: str, provider: str, old: Breaker | None, new: Breaker) -> None:
        now = asyncio.get_running_loop().time()
        openings = self._openings.setdefault((channel, provider), [])
        if new.is_open and (old is None or not old.is_open):
            openings.append(Opening(now, set()))
        if not openings:
            return
        if new.probe_by is not None:
            openings[-1].probes.add(new.probe_by)
        if not new.is_open and openings[-1].until is None:
            openings[-1].until = now

    def may_be_down(self, channel: str) -> bool:
        """By what some process may still believe."""
        now = asyncio.get_running_loop().time()
        openings = [o for (name, _), those in self._openings.items() if name == channel for o in those]
        return any(opening.until is None or now < opening.until + _BELIEVED for opening in openings)

    def called(self, channel: str, provider: str, claim: str, claimed: float) -> None:
        """claimed: when the claim behind this call was begun"""
        for opening in self._openings.get((channel, provider), []):
            if opening.since + OBEYED < claimed and (opening.until is None or claimed < opening.until):
                opening.calls.add(claim)
                if len(opening.calls) > len(opening.probes):
                    what = f"{len(opening.calls)} calls and {len(opening.probes)} probes of {provider}, which is down"
                    self._broken(Violation(Invariant.DOWN, what))
