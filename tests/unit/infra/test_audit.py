"""`make audit`: a vulnerability fails, a service that gives no answer is said and does not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
AUDIT = ROOT / ".ci" / "audit.py"
FINE = {"name": "structlog", "version": "25.1.0", "vulns": []}
VULNERABLE = {"name": "aiohttp", "version": "3.0.0", "vulns": [{"id": "PYSEC-2026-1"}, {"id": "PYSEC-2026-2"}]}
SKIPPED = {"name": "aiohttp", "skip_reason": "Dependency not found on PyPI and could not be audited: aiohttp (3.0.0)"}

UNREACHED = {
    "no connection": "Traceback …\nrequests.exceptions.ConnectionError: HTTPSConnectionPool",
    "no proxy": "Traceback …\nrequests.exceptions.ProxyError: HTTPSConnectionPool",
    "no connection in time": "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\nERROR: Tip: …",
    "an answer of 503": "Traceback …\npip_audit._service.interface.ServiceError",
}


class Audit:
    """`.ci/audit.py` with a pip-audit that a test writes."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "pip_audit.py"

    def of(self, output: str, error: str = "", status: int = 0, *options: str) -> tuple[int, str]:
        """Its exit status and what it says when pip-audit ends like this."""
        lines = [
            "import sys",
            f"sys.stderr.write({error!r})",
            f"print({output!r})",
            f"sys.exit({status})",
        ]
        self._program.write_text("\n".join(lines))
        command = [sys.executable, str(AUDIT), *options, sys.executable, str(self._program)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout

    def finding(self, *dependencies: dict[str, Any], status: int = 0) -> tuple[int, str]:
        return self.of(json.dumps({"dependencies": dependencies, "fixes": []}), status=status)


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return Audit(tmp_path)


def test_a_clean_audit_passes_and_says_how_many(audit: Audit) -> None:
    assert audit.finding(FINE, FINE) == (0, "audit: 2 dependencies audited, 0 vulnerable\n")


def test_a_vulnerability_fails_and_is_named(audit: Audit) -> None:
    status, said = audit.finding(FINE, VULNERABLE, status=1)
    assert status == 1
    assert "aiohttp 3.0.0 is vulnerable: PYSEC-2026-1, PYSEC-2026-2" in said


def test_a_vulnerability_fails_though_others_could_not_be_looked_up(audit: Audit) -> None:
    status, said = audit.finding(SKIPPED, VULNERABLE, status=1)
    assert status == 1
    assert "NOT AUDITED" in said


def test_what_the_service_does_not_know_is_not_called_audited(audit: Audit) -> None:
    """A mirror without PyPI's JSON API answers 404 for all, which pip-audit takes for a clean audit."""
    status, said = audit.finding(SKIPPED, SKIPPED, FINE)
    assert status == 0
    assert said.startswith("audit: NOT AUDITED")
    assert "2 of 3" in said


@pytest.mark.parametrize("case", UNREACHED)
def test_a_service_that_cannot_be_reached_is_said_and_passes(audit: Audit, case: str) -> None:
    status, said = audit.of("", UNREACHED[case], 1)
    assert status == 0
    assert said.startswith("audit: NOT AUDITED")


@pytest.mark.parametrize("output", ["", "Found 1 known vulnerability", "[]", "null", '{"dependencies": '])
def test_a_pip_audit_that_fails_otherwise_fails(audit: Audit, output: str) -> None:
    assert audit.of(output, "usage: pip-audit [-h]", 2) == (2, "audit: pip-audit failed\n")
    assert audit.of(output)[0] == 1


def test_a_pip_audit_that_hangs_is_given_up(audit: Audit, tmp_path: Path) -> None:
    impatient = AUDIT.read_text().replace("SECONDS = 60.0", "SECONDS = 0.5")
    (tmp_path / "audit.py").write_text(impatient)
    command = [sys.executable, str(tmp_path / "audit.py"), sys.executable, "-c", "import time; time.sleep(60)"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, "no answer within 0.5 s" in done.stdout) == (0, True)


def test_ci_audits_after_its_checks() -> None:
    steps = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make ")]
    assert steps.index("make check") < steps.index("make audit")


def test_on_the_way_back_a_vulnerability_is_said_and_stops_nothing(audit: Audit) -> None:
    found = json.dumps({"dependencies": [FINE, VULNERABLE], "fixes": []})
    status, said = audit.of(found, "", 1, "--report")
    assert status == 0
    assert "aiohttp 3.0.0 is vulnerable: PYSEC-2026-1, PYSEC-2026-2" in said
    assert "this is a way back" in said


def test_on_the_way_back_a_pip_audit_that_is_used_wrongly_still_fails(audit: Audit) -> None:
    assert audit.of("", "usage: pip-audit", 2, "--report")[0] == 2


@pytest.mark.parametrize(("arguments", "told"), [([], ""), (["--roll-back"], "--report")])
def test_ci_tells_the_audit_whether_it_is_a_way_back(arguments: list[str], told: str, tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    for name, script in {"make": 'echo "$1 ${AUDIT:-}"', "nginx": "", "faketime": "", "chromium": ""}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    # Whatever the environment has of that name is not asked.
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "AUDIT": "anything"}
    command = [str(tmp_path / ".ci" / "run"), *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=20, check=True)
    assert f"audit {told}\n" in done.stdout


def test_ci_knows_no_other_argument(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / ".ci" / "run", "--fast"], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: .ci/run [--roll-back]\n")
