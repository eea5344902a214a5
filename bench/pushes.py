"""A model of one Pub/Sub push subscription, on a clock of its own.

What Google says of it (https://cloud.google.com/pubsub/docs/push, /subscription-retry-policy, /dead-letter-topics):
- the push window, how many pushes may be out at once, grows with each success and shrinks with each failure;
- it grows exponentially up to 3,000 a region, and then linearly; with fewer than 99 % acks it falls to 3,000;
- after too many nacks nothing is pushed for 0.1 to 60 s, longer the more nacks there are;
- a nacked message comes back after a pause of its own, which doubles from a minimum to a maximum;
- after so many pushes it goes to the dead-letter topic.

What it does not say, and this model assumes: a success adds one to the window and a failure takes one off; past 3,000 a
whole window of successes adds one; the first failure after a pause doubles the next pause, each success halves it.
Messages come in the order in which they are ready.
"""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

LINEAR_FROM = 3000  # outstanding pushes a region; also the lower limit
PUSH_BACKOFF = (0.1, 60.0)  # seconds


@dataclass(slots=True)
class Pushed:
    """A message of delivery number `delivery`, and how often it was pushed. is_hint: it has nothing but the number"""

    delivery: int
    is_hint: bool = False
    pushes: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """As Terraform sets it. push_backoff: whether nacks stop the whole subscription, which Google does not promise."""

    minimum_backoff: float = 10.0
    maximum_backoff: float = 600.0
    max_delivery_attempts: int = 5
    push_backoff: bool = True


@dataclass(slots=True)
class Pushes:
    """The subscription's messages. `weight`: how many real messages one here stands for.

    push: begins a push; its answer comes back as `answered`. gave_up: takes what goes to the dead-letter topic.
    """

    settings: Subscription
    weight: int
    push: Callable[[float, Pushed], None]
    gave_up: Callable[[float, Pushed], None]
    window: float = LINEAR_FROM
    out: int = 0
    resumes_at: float = 0.0
    _pause: float = 0.0
    _ready: deque[Pushed] = field(default_factory=deque)
    _later: list[tuple[float, int, Pushed]] = field(default_factory=list)
    _count: int = 0

    @property
    def backlog(self) -> int:
        """Messages that are neither acked nor out."""
        return len(self._ready) + len(self._later)

    def publish(self, delivery: int, *, is_hint: bool = False) -> None:
        self._ready.append(Pushed(delivery, is_hint))

    def pump(self, now: float) -> None:
        """Push what may be pushed now."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        while self._ready and now >= self.resumes_at and (self.out + 1) * self.weight <= self.window:
            message = self._ready.popleft()
            message.pushes += 1
            self.out += 1
            self.push(now, message)

    def answered(self, now: float, message: Pushed, *, acked: bool) -> None:
        self.out -= 1
        if acked:
            self.window += self.weight if self.window < LINEAR_FROM else self.weight / self.window
            self._pause = self._pause / 2 if self._pause > PUSH_BACKOFF[0] else 0.0
            return
        self.window = max(float(LINEAR_FROM), self.window - self.weight)
        if self.settings.push_backoff and now >= self.resumes_at:
            self._pause = min(max(2 * self._pause, PUSH_BACKOFF[0]), PUSH_BACKOFF[1])
            self.resumes_at = now + self._pause
        if message.pushes >= self.settings.max_delivery_attempts:
            self.gave_up(now, message)
            return
        pause = min(self.settings.minimum_backoff * 2 ** (message.pushes - 1), self.settings.maximum_backoff)
        self._count += 1
        heapq.heappush(self._later, (now + pause, self._count, message))
