"""What goes wrong in one history, all of it drawn from its seed."""

from collections.abc import Collection
from enum import Enum, auto
from random import Random


class Fault(Enum):
    CRASH = auto()  # the process dies at this await
    FREEZE = auto()  # it sleeps through its lease, and then goes on
    LOST = auto()  # a call of Firestore or Pub/Sub fails without an effect
    LATE = auto()  # it fails, and has its effect afterwards
    UNHEARD = auto()  # it has its effect, and the answer is lost
    DOUBLE = auto()  # Pub/Sub delivers a message twice, or a receipt comes twice
    ACK_LOST = auto()  # Pub/Sub pushes again what was acked
    STRANGE = auto()  # the provider does not just accept
    OPERATOR = auto()  # somebody replays or discards what is dead, or replays what failed
    DAY_AWAY = auto()  # Pub/Sub takes messages and pushes none for longer than a delivery waits
    STOP = auto()  # a caller is revoked, and what it has queued is cancelled
    SKEW = auto()  # some processes' clocks are ten minutes off


_MOST = {
    Fault.CRASH: 0.06,
    Fault.FREEZE: 0.03,
    Fault.LOST: 0.3,
    Fault.LATE: 0.1,
    Fault.UNHEARD: 0.2,
    Fault.DOUBLE: 0.7,
    Fault.ACK_LOST: 0.3,
    Fault.STRANGE: 0.9,
    Fault.OPERATOR: 0.5,
    Fault.DAY_AWAY: 0.1,
    Fault.STOP: 0.9,
}


class Fate:
    """Each history has some of the faults and not others: all at once would hide what two of them do together."""

    def __init__(self, random: Random, possible: Collection[Fault]) -> None:
        self.random = random
        self.on = True
        drawn = {fault: random.choice((0.0, most / 4, most)) for fault, most in _MOST.items()}
        self.rates = {fault: rate if fault in possible else 0.0 for fault, rate in drawn.items()}
        skew = random.choice((0.0,) * 10 + (-600.0, 600.0))
        self.skew = skew if Fault.SKEW in possible else 0.0

    def strikes(self, fault: Fault) -> bool:
        rate = self.rates[fault]
        return self.on and rate > 0 and self.random.random() < rate

    def latency(self) -> float:
        """Seconds; none at all quite often, so that things happen at the same time."""
        drawn = self.random.random()
        return 0.0 if drawn < 0.4 else 0.05 * drawn if drawn < 0.98 or not self.on else 2.0

    def offset(self) -> float:
        """Seconds that a new process' clock is off."""
        return self.random.uniform(-1, 1) + (self.skew if self.random.random() < 0.4 else 0)
