"""The tests pass wherever they run: with every setting set to something hostile, a part of them does."""

import os
import subprocess
import sys

import pytest

from tests.e2e.stack import ROOT
from tests.environment import settings

# A whole stack, a gateway over emulators, and settings classes that read the environment.
PART = (
    "tests/e2e/test_receipts.py::test_what_was_sent_becomes_delivered_or_undelivered[sms]",
    "tests/integration/test_create_caller.py",
    "tests/unit/emulator/test_config.py",
    "tests/unit/test_environment.py",
    "tests/unit/runtime/test_settings.py",
    "tests/unit/sms/test_settings.py",
)
SECONDS = 300


@pytest.mark.timeout(SECONDS + 20)
def test_a_part_of_the_suite_passes_with_hostile_settings() -> None:
    hostile = dict.fromkeys(settings(), "hostile \x01☠") | {name.lower(): "hostile" for name in settings()}
    command = [sys.executable, "-m", "pytest", "-q", *PART]
    environ = {**os.environ, **hostile}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
