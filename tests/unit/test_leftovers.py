"""A run of tests that leaves something in the temporary folder is red, and names it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.ports import free_offset

TIDY = "import tempfile\ndef test(tmp_path):\n    (tmp_path / 'a').touch()\n    tempfile.TemporaryFile().close()\n"
UNTIDY = "import tempfile\ndef test():\n    tempfile.mkstemp(prefix='canary-')\n"
BY_ANOTHER = "import subprocess\ndef test():\n    subprocess.run(['mktemp', '-t', 'canary-XXXX'], check=True)\n"


def run(folder: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(code)
    (folder / "tmp").mkdir(exist_ok=True)
    env = os.environ | {"TMPDIR": str(folder / "tmp")}
    command = [sys.executable, "-m", "pytest", "-p", "tests.leftovers", "-p", "no:cacheprovider", "-c", "/dev/null"]
    command += [*options, f"--rootdir={folder}", str(folder / "test_it.py")]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "in workers"])
@pytest.mark.parametrize("code", [UNTIDY, BY_ANOTHER], ids=["by itself", "by another process"])
def test_what_is_left_makes_a_run_red(tmp_path: Path, code: str, options: tuple[str, ...]) -> None:
    done = run(tmp_path, code, *options)
    assert (done.returncode, "1 passed" in done.stdout) == (1, True), done.stdout
    assert "left in the temporary folder: canary-" in done.stdout


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "in workers"])
def test_a_tidy_run_is_green_and_leaves_nothing_at_all(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run(tmp_path, TIDY, *options)
    assert done.returncode == 0, done.stdout
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_last_red_run_keeps_what_its_tests_had(tmp_path: Path) -> None:
    for _ in range(2):
        done = run(tmp_path, TIDY + "    assert False\n")
        assert done.returncode == 1
    assert f"kept, to be looked at: {tmp_path / 'tmp' / 'hark-tests-red'}" in done.stdout
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["hark-tests-red"]
    kept = {path.resolve() for path in (tmp_path / "tmp").glob("*/pytest-of-*/*/*/a")}  # by links, too
    assert len(kept) == 1


def test_an_offset_is_taken_for_as_long_as_its_process_lives_and_by_no_file() -> None:
    offset = free_offset()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as another, pytest.raises(OSError, match="in use"):
        another.bind(("127.0.0.1", 8080 + offset))
    command = [sys.executable, "-c", "from tests.ports import free_offset; print(free_offset())"]
    theirs = int(subprocess.check_output(command, cwd=ROOT, text=True))
    assert theirs != offset
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free_again:
        free_again.bind(("127.0.0.1", 8080 + theirs))
