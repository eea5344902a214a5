"""The tests pass where they run before a deployment: in the environment that the build gives them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT
from tests.integration.deployment import step_of

# A part of the suite that needs a whole stack, and that names addresses to it.
PART = "tests/e2e/test_receipts.py::test_what_was_sent_becomes_delivered_or_undelivered[sms]"
SECONDS = 220


@pytest.mark.timeout(SECONDS + 20)
def test_a_part_of_the_suite_passes_in_the_environment_of_the_builds_test_step(tmp_path: Path) -> None:
    _, given = step_of(ROOT, "test")
    # What any container has besides, and what .ci/run sets.
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CI": "true", **given}
    command = [sys.executable, "-m", "pytest", "-q", PART]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "1 passed" in done.stdout
