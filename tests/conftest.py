"""What every test has: the emulators, loggers that do not outlive it, and a temporary folder that is looked at.

On a laptop a test that needs an emulator is skipped where there is none; with CI set it fails.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import hypothesis
import pytest
import structlog

from emulator.errors import NoEmulators
from tests import environment
from tests.emulators import emulator, without_emulators
from tests.integration.deployment import gcloud_version, pinned_gcloud
from tests.leftovers import pytest_configure, pytest_sessionfinish  # noqa: F401 - hooks, which pytest finds here

environment.neutralise(os.environ)
os.environ |= environment.NEEDED

STACKS = ("tests/e2e/", "tests/faults/test_faults", "tests/drill/test_drill", "tests/integration/test_mtls")
IN_ONE_PROCESS = "tests/e2e/test_embedded"
TOGETHER = tuple(f"tests/integration/test_{name}.py" for name in ("deployed", "lock", "slow_and_endless", "supervisor"))
"""Each makes something dear for all of its tests."""

# Two shared cores: a slow example is the machine's doing, not the code's.
_SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("hark", deadline=None, database=None, suppress_health_check=_SLOW)
hypothesis.settings.load_profile("hark")


def pytest_report_header() -> str:
    return f"gcloud: {gcloud_version() or 'none'}; the builds have {pinned_gcloud()}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each test where there is room; but those with whole stacks one after the other in one worker, which begins with
    them, and those of some files.

    Two stacks at once would be too much for two cores. (xdist's own loadgroup does nothing with pytest 9.2: it marks
    tests by an attribute that pytest no longer reads.)
    """
    # Imported here: where there is no xdist, nobody calls.
    from xdist.scheduler.loadscope import LoadScopeScheduling  # type: ignore[import-untyped] # noqa: PLC0415

    class OneStackAtATime(LoadScopeScheduling):  # type: ignore[misc] # it has no types
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith(STACKS) and not nodeid.startswith(IN_ONE_PROCESS):
                return "stacks"
            return nodeid.partition("::")[0] if nodeid.startswith(TOGETHER) else nodeid

    return OneStackAtATime(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A whole stack has its processes; what a test of one does in its own is to wait."""
    for item in items:
        if item.nodeid.startswith(STACKS):
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Without coverage where that is asked for: in xdist's workers pytest-cov's own `no_cover` goes on tracing."""
    if item.get_closest_marker("no_cover") is None:
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A whole stack is for tests of processes and emulators; without them it would be the one in one process."""
    of_processes = not item.nodeid.startswith(IN_ONE_PROCESS)
    if of_processes and item.nodeid.startswith((*STACKS, "tests/integration/test_supervisor")):
        missing = without_emulators()
        if missing:
            _leave_out(missing)


@pytest.fixture(scope="session")
def firestore_host() -> Iterator[str]:
    """host:port of a Firestore emulator; one for the session (and for the xdist worker)."""
    yield from _emulator("firestore")


@pytest.fixture(scope="session")
def pubsub_host() -> Iterator[str]:
    """host:port of a Pub/Sub emulator; one for the session (and for the xdist worker)."""
    yield from _emulator("pubsub")


def _emulator(name: str) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        try:
            host = stack.enter_context(emulator(name))
        except NoEmulators as missing:
            _leave_out(str(missing))
        yield host


def _leave_out(missing: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"CI is set, so this may not be skipped: {missing}")
    pytest.skip(missing.partition(". ")[0])


@pytest.fixture(autouse=True)
def fresh_loggers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loggers as an unconfigured process has them, before and after each test.

    A logger that is kept would write to a stream that pytest has closed: each phase of a test has its own.
    """
    configure = structlog.configure

    def anew_for_each_line(**options: Any) -> None:
        configure(**options | {"cache_logger_on_first_use": False, "logger_factory": structlog.PrintLoggerFactory()})

    monkeypatch.setattr(structlog, "configure", anew_for_each_line)
    structlog.reset_defaults()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
