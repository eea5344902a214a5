"""The short form of `make faults`: 100 kills, and every invariant holds."""

import asyncio
import secrets
from pathlib import Path

import pytest

from tests.faults.checker import check
from tests.faults.report import Tally, render
from tests.faults.run import Options, run
from tests.faults.verdict import Verdict, explain, judge

TIMES = 2
"""A run on a starved machine says nothing, so it is made once more; if that says nothing either, this is red."""


@pytest.mark.timeout(1500)
def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    for time in range(TIMES):
        options = Options(
            secrets.token_hex(4), seconds=45, kills=100, accepted=100, rate=6, pause=0.8, hits=8, drain=120
        )
        folder = tmp_path / str(time)
        folder.mkdir()
        outcome = asyncio.run(run(options, folder))
        violations = check(outcome.histories, options.limits)
        verdict = judge(options, outcome, violations)
        if verdict is not Verdict.STARVED:
            break
    tally = Tally()
    tally.add(options, outcome, violations)
    assert verdict is Verdict.HELD, f"{verdict}: {explain(outcome, violations)}\n{render(options.seed, tally)}"
