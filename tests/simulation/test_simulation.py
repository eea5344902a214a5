"""A thousand histories, the same ones each time; `make simulate N=…` runs as many as one likes."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.stack import ROOT
from tests.simulation.fate import Fault
from tests.simulation.history import simulate

# Coverage would double its time, and is what the tests of each part are for.
pytestmark = pytest.mark.no_cover

CHUNK = 100


def test_no_history_is_traced() -> None:
    assert sys.gettrace() is None


@pytest.mark.parametrize("first", range(0, 1000, CHUNK))
def test_no_history_breaks_a_promise(first: int) -> None:
    for seed in range(first, first + CHUNK):
        history = simulate(seed)
        trace = "\n".join(history.lines()) if history.violation else ""
        assert history.violation is None, f"make simulate SEED={seed}\n{trace}"


@settings(max_examples=100, derandomize=True)
@given(st.integers(1000, 2**32), st.sets(st.sampled_from(Fault)))
def test_whichever_faults_there_are(seed: int, possible: set[Fault]) -> None:
    """What Hypothesis adds: a failure is shrunk to the fewest kinds of faults that it takes."""
    assert simulate(seed, possible).violation is None


def test_without_faults_all_is_sent_once() -> None:
    for seed in range(50):
        lines = list(simulate(seed, ()).lines())
        assert not any("unknown" in line for line in lines), f"seed {seed}"


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_is_the_same_history_in_another_process(hash_seed: str) -> None:
    command = [sys.executable, "-m", "tests.simulation", "1", "--seed", "7"]
    env = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[:-1] == list(simulate(7).lines())
