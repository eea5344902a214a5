"""The short form of `make faults`: 100 kills, and every invariant holds."""

import asyncio
import secrets
from pathlib import Path

from tests.faults.checker import check
from tests.faults.report import Tally, accepted, kills, render
from tests.faults.run import Options, run


def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    options = Options(secrets.token_hex(4), seconds=45, kills=100, rate=6, pause=0.8, hits=8, drain=120)
    outcome = asyncio.run(run(options, tmp_path))
    violations = check(outcome.histories, options.limits)
    tally = Tally()
    tally.add(options, outcome, violations)
    assert not violations, render(options.seed, tally)
    assert kills(outcome).total() >= 100
    assert len(accepted(outcome.histories.client)) >= 100
