"""Tests leave nothing behind: each run has a temporary folder of its own, and fails when something is left in it.

What pytest itself keeps there, the folders of `tmp_path`, goes with it; those of the last red run stay to be looked at.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # xdist's workers have the environment of the process that began them
        config.stash[_FOLDER] = Path(tempfile.mkdtemp(prefix="hark-tests-"))
        os.environ["TMPDIR"] = tempfile.tempdir = str(config.stash[_FOLDER])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    yield  # all workers have ended, and every fixture
    folder = session.config.stash.get(_FOLDER, None)
    if folder is None:
        return
    left = sorted(path.name for path in folder.iterdir() if not path.name.startswith("pytest-of-"))
    if left:
        _say(session, f"the tests have left in the temporary folder: {', '.join(left)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if session.exitstatus == pytest.ExitCode.OK:
        shutil.rmtree(folder)
    else:
        kept = folder.with_name("hark-tests-red")
        shutil.rmtree(kept, ignore_errors=True)
        folder.rename(kept)
        _say(session, f"kept, to be looked at: {kept}")


def _say(session: pytest.Session, text: str) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(text, red=True)
