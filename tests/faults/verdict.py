"""What a run says: all held, something did not, or the machine was starved and nothing can be said.

Starved is no excuse for what no machine can cause: a 202 without a record, a duplicate without a reason, a delivery
that is pending and will never be due. It is one only for what would have needed more time than the run was given.
"""

from collections.abc import Sequence
from enum import StrEnum

from tests.faults.checker import Violation
from tests.faults.machine import STARVED_SHARE, starved_share
from tests.faults.report import accepted, kills
from tests.faults.run import Options, Outcome


class Verdict(StrEnum):
    HELD = "every invariant holds"
    BROKEN = "an invariant does not hold"
    STARVED = "starved: nothing can be said"


DRAIN = "4 all is ended"
_IN_TIME = {
    DRAIN,
    "3 every reason is true",
    "h what is held is not published",
    "b a provider that is down is left alone",
}
"""What a machine breaks that lets nobody run: what is pending stays so, a lease ends before its holder can answer, and
what was begun before all knew of an outage goes on for longer than anything should take.
"""


def judge(options: Options, outcome: Outcome, violations: Sequence[Violation]) -> Verdict:
    broken = {violation.invariant for violation in violations}
    if broken - _IN_TIME:
        return Verdict.BROKEN
    if DRAIN in broken and outcome.drain_given >= options.drain:
        return Verdict.BROKEN  # it had all its time, and is not ended
    if not broken and _enough(options, outcome):
        return Verdict.HELD
    starved = starved_share(outcome.histories.machine) >= STARVED_SHARE or (
        broken == {DRAIN} and outcome.drain_given < options.drain
    )
    return Verdict.STARVED if starved else Verdict.BROKEN


def explain(outcome: Outcome, violations: Sequence[Violation]) -> str:
    """What a person needs to believe that it was the machine."""
    client = outcome.histories.client
    asked = sum(event["event"] == "request" for event in client)
    unanswered = sum(event["event"] == "lost" for event in client)
    pending = sum(violation.invariant == DRAIN for violation in violations)
    return (
        f"in {starved_share(outcome.histories.machine):.0%} of the time a process had less than a fifth of a core; "
        f"{unanswered:,} of {asked:,} requests had no answer; {kills(outcome).total():,} kills, "
        f"{len(accepted(client)):,} accepted; of {outcome.drain_seconds:.0f} s of draining "
        f"{outcome.drain_given:.0f} s counted, and {pending:,} deliveries have not ended"
    )


def _enough(options: Options, outcome: Outcome) -> bool:
    """As many kills and accepted notifications as were asked for: with fewer, little was tried."""
    return kills(outcome).total() >= options.kills and len(accepted(outcome.histories.client)) >= options.accepted
