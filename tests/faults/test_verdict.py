"""A starved machine is told from a lost message; and a message that is lost for sure is so on any machine."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import machine
from tests.faults.checker import check
from tests.faults.histories import Event, Histories, History, read
from tests.faults.machine import Machine, seconds_given, starved_share
from tests.faults.run import Options, Outcome
from tests.faults.test_checker import (
    ANSWER,
    BREACHES,
    GOOD,
    KILLED,
    LOST,
    REQUEST,
    accept,
    attempt,
    record,
    with_records,
)
from tests.faults.verdict import DRAIN, Verdict, explain, judge

OPTIONS = Options("seed", drain=120, max_attempts=3)
LATER = "2026-01-01T00:01:00+00:00"


def looks(*worked: float, late: float = 0.0) -> list[Event]:
    return [{"at": float(n), "took": 1.0, "worked": seconds, "late": late} for n, seconds in enumerate(worked)]


WELL = looks(*[0.02] * 200)
BADLY = looks(0.02, *[0.3] * 199)


def verdict(histories: Histories, given: float = 120, options: Options = OPTIONS) -> Verdict:
    outcome = Outcome(histories, [], load_seconds=45, drain_seconds=240, drain_given=given)
    return judge(options, outcome, check(histories, replace(options.limits, retry_base=1, retry_cap=4)))


def pending(machine_looks: list[Event]) -> Histories:
    histories = with_records(record("sms", "queued", attempt(1, "retryable"), error="busy", due_at=LATER))
    return replace(histories, machine=machine_looks, witness=[accept("email")])


def test_what_went_well_is_held_on_any_machine() -> None:
    assert {verdict(replace(GOOD, machine=each)) for each in (WELL, BADLY)} == {Verdict.HELD}


def test_what_is_pending_after_a_drain_that_had_its_time_is_lost() -> None:
    assert verdict(pending(WELL)) is Verdict.BROKEN
    assert verdict(pending(BADLY), given=120) is Verdict.BROKEN


def test_what_is_pending_when_the_drain_had_not_its_time_says_nothing() -> None:
    assert verdict(pending(BADLY), given=119) is Verdict.STARVED


_OF_TIME = {
    "still on its way",
    "a lost attempt with nothing that lost it",
    "one to a provider that is down",
    "many that are published while their provider is down",
    "one that is published while its channel is paused",
}
CERTAIN = {case: make for case, (_, make) in BREACHES.items() if case not in _OF_TIME}


@pytest.mark.parametrize("case", CERTAIN)
def test_what_no_machine_can_cause_is_a_breach_on_a_starved_one_too(case: str) -> None:
    make: Callable[[], Histories] = CERTAIN[case]
    assert verdict(replace(make(), machine=BADLY), given=1) is Verdict.BROKEN


def test_a_lost_message_among_thousands_of_unanswered_requests_is_lost() -> None:
    """As the machine was on which 13,109 of 13,559 requests had no answer: here one that was answered is gone."""
    unanswered = [
        event
        for n in range(1, 1000)
        for event in (
            {**REQUEST, "n": n, "key": f"k-{n}", "message": f"Text {n}"},
            {"event": "lost", "n": n, "at": 1.0, "why": "x"},
        )
    ]
    asked = replace(pending(BADLY), client=[REQUEST, ANSWER, *unanswered])
    assert verdict(asked, given=1) is Verdict.STARVED
    gone = replace(asked, records=[record("email")], witness=[])
    assert verdict(gone, given=1) is Verdict.BROKEN


def test_a_lease_that_ran_out_by_itself_is_a_breach_unless_the_machine_was_starved() -> None:
    lost = with_records(record("sms", "sent", LOST, attempt(2, second=9)))
    assert verdict(replace(lost, machine=WELL)) is Verdict.BROKEN
    assert verdict(replace(lost, machine=BADLY)) is Verdict.STARVED
    assert verdict(replace(lost, machine=BADLY, nemesis=[KILLED])) is Verdict.HELD


@pytest.mark.parametrize("options", [replace(OPTIONS, kills=100), replace(OPTIONS, accepted=100)])
def test_a_run_that_tried_too_little_is_not_green(options: Options) -> None:
    assert verdict(replace(GOOD, machine=WELL), options=options) is Verdict.BROKEN
    assert verdict(replace(GOOD, machine=BADLY), options=options) is Verdict.STARVED


def test_without_a_look_at_the_machine_nothing_is_excused() -> None:
    lost = with_records(record("sms", "sent", LOST, attempt(2, second=9)))
    assert verdict(lost) is Verdict.BROKEN


def test_it_says_so_with_figures_and_without_a_text() -> None:
    histories = replace(pending(BADLY), client=[REQUEST, {"event": "lost", "n": 0, "at": 2.0, "why": "TimeoutError"}])
    outcome = Outcome(histories, [], load_seconds=45, drain_seconds=240, drain_given=31)
    told = explain(outcome, [each for each in check(histories, OPTIONS.limits) if each.invariant == DRAIN])
    assert told.startswith("in 100% of the time")
    assert "1 of 1 requests had no answer" in told
    assert "of 240 s of draining 31 s counted, and 1 deliveries have not ended" in told
    assert "canary" not in told


def test_seconds_count_while_a_piece_of_work_takes_no_more_than_five_times_its_quickest() -> None:
    assert seconds_given(looks(0.02, 0.1, 0.11, 0.02)) == 3
    assert seconds_given(looks(0.02, 0.1, 0.11, 0.02), since=2.0) == 1
    assert starved_share(looks(0.02, 0.1, 0.11, 0.02)) == 0.25
    assert starved_share([]) == 0.0


def test_what_is_quick_beyond_measure_makes_nothing_slow() -> None:
    assert seconds_given(looks(0.0001, 0.02)) == 2


def test_a_machine_that_stood_still_gave_no_time() -> None:
    assert seconds_given(looks(0.02, 0.02, late=1.1)) == 0
    assert seconds_given(looks(0.02, 0.02, late=0.9)) == 2


async def test_looks_are_taken_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_PAUSE_SECONDS", 0.01)
    watched = Machine(History(tmp_path / "machine.jsonl"))
    watching = asyncio.create_task(watched.watch())
    async with asyncio.timeout(30):
        while len(watched.looks) < 3:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    assert [event["took"] for event in read(tmp_path / "machine.jsonl")] == [look["took"] for look in watched.looks]
    assert all(look["took"] >= look["worked"] > 0 for look in watched.looks)
