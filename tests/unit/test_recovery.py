"""The simulation of a provider's outage (bench/outage.py): its bookkeeping holds, so its figures can be believed."""

from dataclasses import replace
from itertools import accumulate

import pytest

from bench.outage import Minute, Scenario, Simulation
from bench.pushes import Pushed, Pushes, Subscription
from shared.delivery.model import DeliveryStatus
from shared.runtime.settings import CoreSettings

POLICY = CoreSettings(google_cloud_project="simulated").policy()
MINUTE = 60.0
SHORT = Scenario(
    policy=POLICY, rate=100, accepts_for=10 * MINUTE, outage_at=2 * MINUTE, outage_for=5 * MINUTE, weight=100
)


def run(scenario: Scenario) -> Simulation:
    simulation = Simulation(scenario)
    simulation.run()
    return simulation


def totals(minutes: list[Minute]) -> tuple[int, int, int]:
    return (sum(m.accepted for m in minutes), sum(m.sent for m in minutes), sum(m.dead for m in minutes))


@pytest.mark.parametrize("times_out", [False, True])
@pytest.mark.parametrize("push_backoff", [False, True])
@pytest.mark.parametrize("provider_rate", [None, 200.0])
def test_at_each_minute_all_that_was_accepted_is_sent_dead_or_pending(
    times_out: bool, push_backoff: bool, provider_rate: float | None
) -> None:
    scenario = replace(
        SHORT,
        times_out=times_out,
        subscription=Subscription(push_backoff=push_backoff),
        provider_rate=provider_rate,
        instances=20,
    )
    minutes = run(scenario).minutes
    accepted = accumulate(m.accepted for m in minutes)
    ended = accumulate(m.sent + m.dead for m in minutes)
    assert [a - e for a, e in zip(accepted, ended, strict=True)] == [m.pending for m in minutes]
    assert minutes[-1].pending == 0


def test_what_is_counted_as_dead_is_dead_on_record() -> None:
    simulation = run(replace(SHORT, subscription=Subscription(push_backoff=False)))
    _, sent, dead = totals(simulation.minutes)
    statuses = [delivery.status for delivery in simulation.deliveries]
    assert dead == 100 * statuses.count(DeliveryStatus.DEAD) > 0
    assert sent == 100 * statuses.count(DeliveryStatus.SENT)


def test_the_same_seed_gives_the_same_minutes() -> None:
    assert run(SHORT).minutes == run(SHORT).minutes
    assert run(SHORT).minutes != run(replace(SHORT, seed=2)).minutes


@pytest.mark.parametrize("push_backoff", [False, True])
def test_an_outage_shorter_than_the_shortest_span_of_all_tries_leaves_none_dead(push_backoff: bool) -> None:
    # Each pause is at least half of 10, 20, 40 and 80 s.
    scenario = replace(SHORT, outage_for=75.0, subscription=Subscription(push_backoff=push_backoff))
    accepted, sent, dead = totals(run(scenario).minutes)
    assert (sent, dead) == (accepted, 0)


def test_without_an_outage_each_message_is_pushed_once() -> None:
    minutes = run(replace(SHORT, outage_for=0.0)).minutes
    assert sum(m.pushes for m in minutes) == sum(m.accepted for m in minutes)
    assert not any(m.relayed or m.failed_attempts for m in minutes)


def test_a_message_goes_to_the_dead_letter_topic_after_its_last_push() -> None:
    pushed: list[float] = []
    gave_up: list[float] = []

    def push(now: float, message: Pushed) -> None:
        pushed.append(now)
        pushes.answered(now, message, acked=False)

    pushes = Pushes(Subscription(push_backoff=False), 1, push, lambda now, _: gave_up.append(now))
    pushes.publish(0)
    for second in range(200):
        pushes.pump(float(second))

    assert pushed == [0, 10, 30, 70, 150]
    assert gave_up == [150]
    assert pushes.backlog == pushes.out == 0
