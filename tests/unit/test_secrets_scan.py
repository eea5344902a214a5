"""`make secrets`: the scan finds what it is there to find. It reads this file too, so the secrets are in parts."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEX = "9f86d081884c7d659a2feaa0c55ad015"[:30] + "a7"  # pragma: allowlist secret
WORD = "q7Rz1TbK9mXw4LpV"  # pragma: allowlist secret
LONG = "Zk3vN8xQe5Yt2Wc7Hs1Jd6Gf9Ub4Ra0Po-Li_Mn5Bv8"  # pragma: allowlist secret

SECRETS = {
    "a Twilio token": f'auth_token = "{HEX}"',
    "a Twilio token in an environment": f"TWILIO_AUTH_TOKEN={HEX}",
    "a Twilio account": f"sid: AC{HEX}",
    "a SendGrid key": f"key: SG.{LONG[:22]}.{LONG}",
    "a Slack bot token": "token: xoxb-" + f"263594206564-263594206565-{LONG[:24]}",
    "a Slack webhook": f"https://hooks.slack.com/services/T0263594A/B0263594A/{LONG[:24]}",
    "a private key": "-----BEGIN " + "PRIVATE KEY-----",
    "an AWS key": f"id: AKIA{WORD.upper()}",
    "a Hark key": f"curl -H 'Authorization: Bearer hark_live_{WORD}_{LONG}'",
    "a Hark key for tests": f"key: hark_test_{WORD}_{LONG}",
    "a Hark key of a team": f"key: hark_team_{WORD}_{LONG}",
    "a Hark key of a caller in hex": f"key: hark_live_{HEX[:16]}_{LONG}",
    "a Hark key cut short": f"key: hark_live_{WORD}_{LONG[:30]}",
}
HARMLESS = {
    "how keys look": "`hark_live_…`, or hark_(live|test|team)_<caller>_<secret>",
    "a name": "hark_test_environment = hark_live_notifications",
    "an id": "9f86d081-884c-4d65-9a2f-eaa0c55ad015",
}


def scan_command() -> str:
    """The very command line of `make secrets`, which `make check` begins with."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.ready", "check"]
    lines = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    [scan] = [line for line in lines if "detect-secrets-hook" in line]
    return scan


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A Git repository with what the scan needs, and nothing in it to find."""
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "hark_keys.py", tmp_path / ".ci")
    (tmp_path / "README.md").write_text("# Hark\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def scanned(repository: Path, name: str, text: str) -> "subprocess.CompletedProcess[str]":
    (repository / name).parent.mkdir(exist_ok=True)
    (repository / name).write_text(f"# A file\n{text}\n")
    subprocess.run(["git", "add", ".ci", "README.md", name], cwd=repository, check=True)
    return subprocess.run(
        scan_command(), shell=True, cwd=repository, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("case", SECRETS)
def test_a_planted_secret_is_found(repository: Path, case: str) -> None:
    done = scanned(repository, "notes.md", SECRETS[case])
    assert done.returncode != 0
    assert "Location:    notes.md:2" in done.stdout


def test_a_secret_is_found_in_any_file(repository: Path) -> None:
    for name in ("main.py", "infra/channels.yaml", "infra/main.tf", "Makefile", ".env"):
        assert name in scanned(repository, name, SECRETS["a Hark key"]).stdout


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_no_secret_passes(repository: Path, case: str) -> None:
    done = scanned(repository, "notes.md", HARMLESS[case])
    assert (done.returncode, done.stdout) == (0, "")


def test_no_secret_is_sent_anywhere_to_verify_it() -> None:
    assert "--no-verify" in scan_command()
