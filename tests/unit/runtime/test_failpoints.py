"""Failpoints: nothing happens unless one is set, and then exactly there."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.runtime import failpoints
from shared.runtime.failpoints import Failpoint
from shared.runtime.settings import CoreSettings, load

ROOT = Path(__file__).parents[3]
PASSES = """
import sys
from shared.runtime import failpoints
failpoints.arm(sys.argv[1])
for n in range(1, 5):
    for point in failpoints.Failpoint:
        print(point, n, flush=True)
        failpoints.reached(point)
"""


def last_words(setting: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PASSES, setting], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout.split("\n")[:-1]


def test_a_process_dies_when_it_comes_there_for_the_nth_time() -> None:
    status, said = last_words("function.claimed:3")
    assert (status, said[-1]) == (-signal.SIGKILL, "function.claimed 3")


def test_of_several_the_first_that_is_due_kills() -> None:
    assert last_words("relay.moved:4,gateway.answered:2")[1][-1] == "gateway.answered 2"


def test_where_none_is_set_nobody_dies() -> None:
    status, said = last_words("")
    assert (status, len(said)) == (0, 4 * len(Failpoint))


@pytest.mark.parametrize("wrong", ["function.claimed", "function.claimed:0", "nowhere:1", ":", "function.claimed:1,"])
def test_a_setting_that_names_no_place_stops_the_start(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    monkeypatch.setenv("HARK_FAIL_AT", wrong)
    with pytest.raises(SystemExit, match="HARK_FAIL_AT"):
        load(CoreSettings)


def test_every_place_is_somewhere_in_the_code() -> None:
    code = "".join(p.read_text() for folder in ("shared", "functions") for p in (ROOT / folder).rglob("*.py"))
    for point in Failpoint:
        assert f"Failpoint.{point.name}" in code
    assert not failpoints.armed(Failpoint.CLAIMED)
