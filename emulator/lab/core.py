"""The lab itself, whatever the wire: decides what happens to a message and keeps what was accepted."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from emulator.lab.faults import ACCEPTING, FaultPlan, Mode
from emulator.lab.fixed import Behaviour, behaviour_of
from emulator.lab.messages import Message
from emulator.lab.witness import Witness

MOST_IN_A_ROW = 4  # one less than the attempts that a delivery has by default


class Lab:
    """addressed: by provider, to whom anything was to go"""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self.addressed: defaultdict[str, set[str]] = defaultdict(set)
        self.faults = FaultPlan()
        self._last = datetime.min.replace(tzinfo=UTC)
        self._in_a_row: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._refused_once: set[tuple[str, str, str]] = set()

    def now(self) -> datetime:
        """The time, never the same twice: Slack names a message by it, and so does the page."""
        self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        return self._last

    async def handle(self, message: Message, number: float | None = None) -> Mode | None:
        """Decide the message's fate and, if it is accepted, have it on disk before this returns.

        `number` is the random number of a caller that has already looked for earlier faults with it.
        """
        self.addressed[message.provider].add(message.to)
        mode = self._mode(message, random.random() if number is None else number)
        if mode is None or mode in ACCEPTING:
            await self.witness.append(message)
        return mode

    def _mode(self, message: Message, number: float) -> Mode | None:
        match behaviour_of(message.to):
            case Behaviour.PERMANENT:
                return Mode.REFUSED
            case Behaviour.RETRY:
                return Mode.UNAVAILABLE
            case Behaviour.ONCE:
                # One notification may go to the failing address of every channel: each of them refuses once.
                key = (message.channel, message.to, message.notification_id or message.text)
                first = key not in self._refused_once
                self._refused_once.add(key)
                return Mode.UNAVAILABLE if first else None
            case Behaviour.UNDELIVERED:
                return None
            case None:
                return self._fault(message, number)

    def _fault(self, message: Message, number: float) -> Mode | None:
        """The fault that strikes. Faults of up to half the requests let a message through after MOST_IN_A_ROW of
        them: with pure chance, 30 % faults would use up the five attempts of one message in 400, and a test that
        sends 300 would fail every other time.
        """
        key = (message.channel, message.notification_id or message.text)
        if self._in_a_row[key] >= MOST_IN_A_ROW and self.faults.rate(message.channel, message.provider) <= 0.5:
            del self._in_a_row[key]
            return None
        mode = self.faults.take(message.channel, message.provider, number)
        if mode is None or mode is Mode.SLOW:
            del self._in_a_row[key]
        else:
            self._in_a_row[key] += 1
        return mode
