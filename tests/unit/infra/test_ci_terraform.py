"""`make terraform`: the real provider, or a stand-in for it, or a word that nothing was validated."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NO_NETWORK = """
[ "$1" = init ] || exit 0
echo "could not connect to registry.example" >&2
exit 1
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of only what this needs, with a terraform that gets no provider."""
    root = tmp_path / "hark"
    (root / ".ci").mkdir(parents=True)
    (root / "infra").mkdir()
    shutil.copy(ROOT / ".ci" / "terraform", root / ".ci")
    program(tmp_path / "bin" / "terraform", NO_NETWORK)
    return root


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def check(root: Path) -> "subprocess.CompletedProcess[str]":
    environ = {"PATH": f"{root.parent / 'bin'}:{os.environ['PATH']}"}
    command = [str(root / ".ci" / "terraform")]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)


def test_where_there_is_a_stand_in_it_validates_and_tests(checkout: Path) -> None:
    program(checkout.parent / "shared" / "tools" / "tfcheck" / "tf-check", 'echo "$1 $2"')
    done = check(checkout)
    assert (done.returncode, done.stdout.splitlines()[-2:]) == (0, ["infra validate", "infra test"])
    assert "with a stand-in for the provider" in done.stdout


@pytest.mark.parametrize("failing", ["validate", "test"])
def test_what_the_stand_in_finds_fails(checkout: Path, failing: str) -> None:
    program(checkout.parent / "shared" / "tools" / "tfcheck" / "tf-check", f'[ "$2" != {failing} ]')
    assert check(checkout).returncode == 1


def test_without_either_it_says_that_nothing_was_validated(checkout: Path) -> None:
    done = check(checkout)
    assert done.returncode == 0
    assert "terraform: NOT VALIDATED OR TESTED" in done.stdout
    assert "there is no stand-in" in done.stdout
