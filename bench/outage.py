"""A provider's outage, simulated: Hark's own state machine, relay and dead letters over a model of Pub/Sub's pushes.

No network and no real time: an event queue. Each delivery goes through `shared.delivery.state_machine`; what
`shared/sending/pipeline.py`,
`functions/relay` and `functions/dead_letter` do around it is repeated here without their I/O. One delivery stands for
`weight` of them, with all rates divided by it.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bench.pushes import Pushed, Pushes, Subscription
from functions.relay.overdue_deliveries import SWEEP_SECONDS
from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Notification, Outcome
from shared.delivery.retries import Policy
from shared.delivery.state_machine import (
    Done,
    Early,
    Leased,
    Own,
    Write,
    dead_lettered,
    decide,
    queued,
    relayed,
    settle,
)

_START = datetime(2026, 1, 1, tzinfo=UTC)
_RELAY_EVERY = 60.0  # Cloud Scheduler's shortest period
# How long Cloud Run lets a request wait for an instance: https://cloud.google.com/run/docs/configuring/max-instances-limits
_CLOUD_RUN_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Times in seconds. relay_rate: overdue deliveries a second that the relay drains, as bench.relay_drain measures.

    times_out: during the outage calls are not answered at all, instead of with a 503.
    provider_rate: calls a second past which the provider answers 429; None: it takes all.
    record_seconds: for each read or write of the record.
    capacity: pushes that the channel's function takes at once: its instances times their concurrency (infra/deploy.py).
    """

    policy: Policy
    subscription: Subscription = field(default_factory=Subscription)
    rate: float = 1000.0
    accepts_for: float = 3 * 3600.0
    outage_at: float = 900.0
    outage_for: float = 3600.0
    times_out: bool = False
    provider_seconds: float = 0.2
    record_seconds: float = 0.02
    provider_rate: float | None = None
    relay_rate: float = 2300.0
    capacity: int = 20 * 80
    weight: int = 100
    seed: int = 1
    most_hours: float = 24.0


@dataclass(slots=True)
class Minute:
    """What happened in one minute; the last four, as they were at its end. All in real deliveries, not in samples."""

    accepted: int = 0
    sent: int = 0
    dead: int = 0
    failed_attempts: int = 0
    throttled: int = 0
    pushes: int = 0
    relayed: int = 0
    pending: int = 0
    messages: int = 0
    oldest_seconds: float = 0.0
    window: int = 0


class Simulation:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.minutes: list[Minute] = [Minute()]
        self.peak_calls = 0  # in a second, once the outage was over
        self.deliveries: list[Delivery] = []
        self._accepted_at: list[float] = []
        self._oldest = 0  # every delivery before this one has ended
        self._arrivals = random.Random(scenario.seed)  # of its own: the same for all scenarios with this seed
        self._random = random.Random(scenario.seed)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._due: list[tuple[datetime, int]] = []
        self._sequence = 0
        self._taken = 0  # pushes that the function is at
        self._waiting: dict[int, Pushed] = {}  # for an instance, in their order
        self._second = (-1, 0)  # the second, and the calls in it
        self._pushes = Pushes(scenario.subscription, scenario.weight, self._push, self._dead_letter)

    def run(self) -> None:
        """Until every delivery has ended, or `most_hours` have passed."""
        self._at(0.0, self._accept)
        self._at(_RELAY_EVERY, self._sweep)
        for minute in range(1, round(self.scenario.most_hours * 60) + 1):
            self._run_until(60.0 * minute)
            self._close_minute(60.0 * minute)
            if 60.0 * minute >= self.scenario.accepts_for and not self.minutes[-1].pending:
                return
            self.minutes.append(Minute())

    def _run_until(self, end: float) -> None:
        while self._events and self._events[0][0] < end:
            now, _, happens = heapq.heappop(self._events)
            happens(now)
            self._pushes.pump(now)

    def _at(self, when: float, happens: Callable[[float], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._events, (when, self._sequence, happens))

    def _close_minute(self, now: float) -> None:
        while self._oldest < len(self.deliveries) and not self.deliveries[self._oldest].pending:
            self._oldest += 1
        minute, weight = self.minutes[-1], self.scenario.weight
        minute.pending = weight * sum(delivery.pending for delivery in self.deliveries[self._oldest :])
        minute.messages = weight * self._pushes.backlog
        minute.window = round(self._pushes.window)
        if minute.pending:
            minute.oldest_seconds = now - self._accepted_at[self._oldest]

    # The gateway.

    def _accept(self, now: float) -> None:
        s = self.scenario
        if now >= s.accepts_for:
            return
        number = len(self.deliveries)
        at = _time(now)
        notification = Notification(str(number), ("any",), "", at, at + timedelta(days=30), "", 0)
        self._accepted_at.append(now)
        self.deliveries.append(queued(notification, "any", "", s.policy))
        self._written(number)
        self.minutes[-1].accepted += s.weight
        self._pushes.publish(number)
        self._at(now + self._arrivals.expovariate(s.rate / s.weight), self._accept)

    # A channel function: `Pipeline.deliver`.

    def _push(self, now: float, message: Pushed) -> None:
        self.minutes[-1].pushes += self.scenario.weight
        if (self._taken + 1) * self.scenario.weight <= self.scenario.capacity:
            self._begin(now, message)
        else:
            self._waiting[id(message)] = message
            self._at(now + _CLOUD_RUN_WAIT, lambda then: self._refuse(then, message, message.pushes))

    def _begin(self, now: float, message: Pushed) -> None:
        self._taken += 1
        self._at(now + self.scenario.record_seconds, lambda then: self._claim(then, message))

    def _refuse(self, now: float, message: Pushed, pushes: int) -> None:
        if message.pushes == pushes and id(message) in self._waiting:
            del self._waiting[id(message)]
            self._pushes.answered(now, message, acked=False)
            self._at(max(now, self._pushes.resumes_at), _nothing)

    def _claim(self, now: float, message: Pushed) -> None:
        delivery, policy = self.deliveries[message.delivery], self.scenario.policy
        match decide(delivery, f"{message.delivery} {now}", _time(now), policy):
            case Done() | Leased() | Own():
                self._answer(now, message, acked=True)
            case Early(pause):
                if pause > policy.wait_in_place:
                    self._answer(now, message, acked=True)
                else:
                    self._at(now + pause.total_seconds(), lambda then: self._claim(then, message))
            case Write(written):
                self.deliveries[message.delivery] = written
                self._written(message.delivery)
                if written.status is DeliveryStatus.SENDING:
                    self._call(now, message, ())
                else:
                    self.minutes[-1].dead += self.scenario.weight
                    self._answer(now, message, acked=True)

    def _call(self, now: float, message: Pushed, made: tuple[Attempt, ...]) -> None:
        """Call the provider. A throttled call is made again in place once, after a second, as the pipeline does."""
        s = self.scenario
        outcome, error, seconds = self._provider(now)
        attempt = Attempt(len(self.deliveries[message.delivery].attempts) + len(made) + 1, _time(now), outcome, error)
        attempts = (*made, attempt)
        if outcome is Outcome.THROTTLED and not made:
            self._at(now + seconds + 1.0, lambda then: self._call(then, message, attempts))
        else:
            self._at(now + seconds + s.record_seconds, self._record(message, attempts))

    def _record(self, message: Pushed, made: tuple[Attempt, ...]) -> Callable[[float], None]:
        def record(now: float) -> None:
            s, minute = self.scenario, self.minutes[-1]
            throttled = made[-1].outcome is Outcome.THROTTLED
            settled = settle(
                self.deliveries[message.delivery],
                made,
                _time(now),
                s.policy,
                provider="simulated",
                retry_after=timedelta(seconds=1) if throttled else None,
                jitter=self._random.random(),
            )
            self.deliveries[message.delivery] = settled
            self._written(message.delivery)
            minute.sent += s.weight * (settled.status is DeliveryStatus.SENT)
            minute.dead += s.weight * (settled.status is DeliveryStatus.DEAD)
            minute.throttled += s.weight * sum(attempt.outcome is Outcome.THROTTLED for attempt in made)
            minute.failed_attempts += s.weight * (made[-1].outcome in {Outcome.RETRYABLE, Outcome.UNKNOWN})
            retry = settled.status in {DeliveryStatus.RETRYING, DeliveryStatus.DEAD}
            self._answer(now, message, acked=not retry)

        return record

    def _answer(self, now: float, message: Pushed, *, acked: bool) -> None:
        self._taken -= 1
        if self._waiting:
            self._begin(now, self._waiting.pop(next(iter(self._waiting))))
        self._pushes.answered(now, message, acked=acked)
        # Whatever this answer holds up, a pause's end or a message's own, is looked at when it is over.
        self._at(max(now, self._pushes.resumes_at), _nothing)

    def _provider(self, now: float) -> tuple[Outcome, str | None, float]:
        """What a call that begins now ends in, why, and after how many seconds."""
        s = self.scenario
        second, calls = self._second if self._second[0] == int(now) else (int(now), 0)
        self._second = second, calls + s.weight
        if s.outage_at <= now < s.outage_at + s.outage_for:
            if s.times_out:
                return Outcome.UNKNOWN, "no answer", s.policy.send_deadline.total_seconds()
            return Outcome.RETRYABLE, "503", s.provider_seconds
        if now >= s.outage_at + s.outage_for:
            self.peak_calls = max(self.peak_calls, calls + s.weight)
        if s.provider_rate is not None and calls >= s.provider_rate:
            return Outcome.THROTTLED, "429", s.provider_seconds
        return Outcome.ACCEPTED, None, s.provider_seconds

    # The dead_letter function.

    def _dead_letter(self, now: float, message: Pushed) -> None:
        delivery = self.deliveries[message.delivery]
        if not delivery.pending:
            return
        dead = dead_lettered(delivery, _time(now), self.scenario.policy)
        if dead is None:
            self._pushes.publish(message.delivery)
        else:
            self._ended_dead(message.delivery, dead)

    def _ended_dead(self, number: int, dead: Delivery) -> None:
        self.deliveries[number] = dead
        self.minutes[-1].dead += self.scenario.weight

    # The relay: `Relay.sweep`, a second's work at a time.

    def _sweep(self, now: float) -> None:
        self._at(now + _RELAY_EVERY, self._sweep)
        self._sweep_until(now, now + SWEEP_SECONDS)

    def _sweep_until(self, now: float, end: float) -> None:
        s = self.scenario
        for _ in range(round(s.relay_rate / s.weight)):
            number = self._overdue(now)
            if number is None:
                return
            moved = relayed(self.deliveries[number], _time(now), s.policy)
            if not moved.pending:
                self._ended_dead(number, moved)
                continue
            self.deliveries[number] = moved
            self._written(number)
            self.minutes[-1].relayed += s.weight
            self._pushes.publish(number)
        if now + 1.0 < end:
            self._at(now + 1.0, lambda then: self._sweep_until(then, end))

    def _overdue(self, now: float) -> int | None:
        while self._due and self._due[0][0] < _time(now):
            due_at, number = heapq.heappop(self._due)
            if self.deliveries[number].due_at == due_at:
                return number
        return None

    def _written(self, number: int) -> None:
        due_at = self.deliveries[number].due_at
        if due_at is not None:
            heapq.heappush(self._due, (due_at, number))


def _time(seconds: float) -> datetime:
    return _START + timedelta(seconds=seconds)


def _nothing(_: float) -> None:
    """The event is that the pushes are looked at."""
