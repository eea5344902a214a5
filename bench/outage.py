"""A provider's outage, simulated: Hark's own state machine, relay and dead letters over a model of Pub/Sub's pushes.

No network and no real time: an event queue. Each delivery goes through `shared.delivery.state_machine`; what
`shared/sending/pipeline.py`,
`functions/relay` and `functions/dead_letter` do around it is repeated here without their I/O. One delivery stands for
`weight` of them, with all rates divided by it, and one instance of the function for `weight` instances.
"""

import heapq
import math
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
from shared.sending.breaker import Breaker, Calls, Ramp, closed, failed, opened, probe_failed, probing, ramp_from
from shared.sending.breakers import MOVED_SINCE
from shared.sending.channel_states import LOOK_AGAIN

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
    instances, concurrency: of the channel's function (infra/deploy.py), which takes as many pushes at once.
    breaker: whether instances that find the provider down leave it alone (`shared/sending/breaker.py`)
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
    instances: int = 20
    concurrency: int = 80
    breaker: bool = False
    weight: int = 100
    seed: int = 1
    most_hours: float = 24.0


@dataclass(slots=True)
class Minute:
    """What happened in one minute; the last four, as they were at its end. All in real deliveries, not in samples.

    probes: of `failed_attempts`, those that were one; reads, writes: of Firestore
    """

    accepted: int = 0
    sent: int = 0
    dead: int = 0
    failed_attempts: int = 0
    probes: int = 0
    reads: int = 0
    writes: int = 0
    throttled: int = 0
    pushes: int = 0
    relayed: int = 0
    pending: int = 0
    messages: int = 0
    oldest_seconds: float = 0.0
    window: int = 0


@dataclass(slots=True)
class Instance:
    """Of the function. knows: the breaker as it was at its last look"""

    calls: Calls = field(default_factory=Calls)
    knows: Breaker | None = None
    looked_at: float = -math.inf


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
        self._instances = [Instance() for _ in range(max(1, scenario.instances // scenario.weight))]
        self._breaker: Breaker | None = None
        self._ramp: Ramp | None = None
        self._allowed = 0.0  # of the relay's publishes, in this second
        self._by: dict[int, Instance] = {}  # who has claimed a delivery
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
        if (self._taken + 1) * self.scenario.weight <= self.scenario.instances * self.scenario.concurrency:
            self._begin(now, message)
        else:
            self._waiting[id(message)] = message
            self._at(now + _CLOUD_RUN_WAIT, lambda then: self._refuse(then, message, message.pushes))

    def _begin(self, now: float, message: Pushed) -> None:
        self._taken += 1
        if self._is_held(now, message):
            self._at(now, lambda then: self._answer(then, message, acked=True))
        else:
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
                self.minutes[-1].writes += self.scenario.weight
                # A message with its text has the record as it was at the 202: what another has changed is read.
                self.minutes[-1].reads += 2 * self.scenario.weight * (message.is_hint or message.pushes > 1)
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
        outcome, error, seconds = self._provider(now, self.scenario.weight)
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
            minute.writes += s.weight
            if s.breaker:
                self._note(now, message, made[-1])
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

    def _provider(self, now: float, calls_made: int) -> tuple[Outcome, str | None, float]:
        """What so many calls that begin now end in, why, and after how many seconds."""
        s = self.scenario
        second, calls = self._second if self._second[0] == int(now) else (int(now), 0)
        self._second = second, calls + calls_made
        if s.outage_at <= now < s.outage_at + s.outage_for:
            if s.times_out:
                return Outcome.UNKNOWN, "no answer", s.policy.send_deadline.total_seconds()
            return Outcome.RETRYABLE, "503", s.provider_seconds
        if now >= s.outage_at + s.outage_for:
            self.peak_calls = max(self.peak_calls, calls + calls_made)
        if s.provider_rate is not None and calls >= s.provider_rate:
            return Outcome.THROTTLED, "429", s.provider_seconds
        return Outcome.ACCEPTED, None, s.provider_seconds

    # The breaker: `Breakers`. A probe is a call of one delivery, not of a sample.

    def _is_held(self, now: float, message: Pushed) -> bool:
        if not self.scenario.breaker:
            return False
        instance = self._random.choice(self._instances)
        self._by[message.delivery] = instance
        if now - instance.looked_at >= LOOK_AGAIN:
            instance.knows, instance.looked_at = self._breaker, now
            self.minutes[-1].reads += 1
        if instance.knows is None or not instance.knows.is_open:
            return False
        if self._breaker is not None and self._breaker.wants_probe(_time(now)):
            self._probe(now, self._breaker)
        return True

    def _probe(self, now: float, breaker: Breaker) -> None:
        s, minute = self.scenario, self.minutes[-1]
        self._breaker = probing(breaker, _time(now), "a probe", s.policy.wait_in_place + s.policy.lease)
        outcome, error, seconds = self._provider(now, 1)
        minute.writes += 1

        def over(then: float) -> None:
            assert self._breaker is not None
            self.minutes[-1].writes += 1
            if failed(outcome):
                self.minutes[-1].failed_attempts += 1
                self.minutes[-1].probes += 1
                self._breaker = probe_failed(self._breaker, _time(then), error)
            else:
                self._breaker, self._ramp = closed(self._breaker, _time(then), "all"), ramp_from(_time(then))

        self._at(now + seconds, over)

    def _note(self, now: float, message: Pushed, last: Attempt) -> None:
        instance, breaker = self._by.pop(message.delivery), self._breaker
        instance.calls.note(last.at, last.outcome, str(message.delivery))
        ramp = self._ramp
        if last.outcome is Outcome.THROTTLED and ramp is not None and not ramp.is_over(_time(now)):
            self._ramp = ramp.throttled(_time(now)) if _time(now) - ramp.since >= MOVED_SINCE else ramp
        if instance.calls.say_it_is_down(_time(now), None if breaker is None or breaker.is_open else breaker.since):
            if breaker is None or not breaker.is_open:
                self._breaker = opened(breaker, _time(now), "all", last.error)
            instance.calls.clear()
            instance.knows, instance.looked_at = self._breaker, now

    # The dead_letter function.

    def _dead_letter(self, now: float, message: Pushed) -> None:
        delivery = self.deliveries[message.delivery]
        if not delivery.pending:
            return
        dead = dead_lettered(delivery, _time(now), self.scenario.policy)
        if dead is None:
            self._pushes.publish(message.delivery, is_hint=True)
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
        if self._breaker is not None and self._breaker.is_open:
            number = self._overdue(now) if self._breaker.wants_probe(_time(now)) else None
            if number is not None:
                self._republish(now, number)
            return
        rate = s.relay_rate if self._ramp is None else min(s.relay_rate, self._ramp.rate(_time(now)))
        self._allowed = min(self._allowed, 1.0) + rate / s.weight
        for _ in range(int(self._allowed)):
            self._allowed -= 1
            number = self._overdue(now)
            if number is None:
                return
            self._republish(now, number)
        if now + 1.0 < end:
            self._at(now + 1.0, lambda then: self._sweep_until(then, end))

    def _republish(self, now: float, number: int) -> None:
        s, minute = self.scenario, self.minutes[-1]
        moved = relayed(self.deliveries[number], _time(now), s.policy)
        if not moved.pending:
            self._ended_dead(number, moved)
            return
        self.deliveries[number] = moved
        self._written(number)
        minute.relayed += s.weight
        minute.reads += s.weight
        minute.writes += s.weight
        self._pushes.publish(number, is_hint=True)

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
