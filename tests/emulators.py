"""The emulators that tests run on: one process each, on a free port, for as long as the context lasts.

Where they come from is emulator/google.py's to say: a *_EMULATOR_HOST that is set and answers, a gcloud SDK, or Docker.
"""

import asyncio
import contextlib
import functools
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from emulator import config, google
from emulator.errors import NoEmulators
from emulator.process import die_with_parent
from tests import environment
from tests.ports import free_offset

ROOT = Path(__file__).parent.parent
START_SECONDS = 60  # a JVM needs one or two; a machine that also runs other workers' JVMs, ten
STOP_SECONDS = 10


class DidNotStart(Exception):
    """An emulator ended, or did not answer in time; the text has the end of its output."""


@contextlib.contextmanager
def emulator(name: str) -> Iterator[str]:
    """The host:port of "firestore" or "pubsub". Raises NoEmulators when none can be had, and DidNotStart."""
    # A thread, because a loop run here would take the place of pytest-asyncio's.
    with ThreadPoolExecutor(1) as aside:
        found = aside.submit(asyncio.run, _find(name)).result()
    if found.program is None:
        yield found.host
        return
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            found.program.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - the JVM is not to outlive a killed pytest
        )
        try:
            try:
                _until_up(process, found.url)
                if name == "firestore":
                    _warm_up(found.url)
            except DidNotStart as error:
                output.seek(0)
                raise DidNotStart(f"{name}: {error}\n{output.read()[-2000:].decode(errors='replace')}") from None
            yield found.host
        finally:
            _stop(process)


@functools.cache
def without_emulators() -> str | None:
    """What is missing, if one of them cannot be had."""
    for name in google.ENVIRONMENT:
        try:
            with ThreadPoolExecutor(1) as aside:
                aside.submit(asyncio.run, _find(name)).result()
        except NoEmulators as missing:
            return str(missing)
    return None


def _warm_up(url: str) -> None:
    """The first commit of a JVM that has just begun can take longer than the deadline of ours."""
    commit = f"{url}v1/projects/warm-up/databases/(default)/documents:commit"
    write = {"update": {"name": "projects/warm-up/databases/(default)/documents/once/once"}}
    headers = {"Content-Type": "application/json", "Authorization": "Bearer owner"}
    request = urllib.request.Request(commit, json.dumps({"writes": [write]}).encode(), headers)
    with urllib.request.urlopen(request, timeout=START_SECONDS):
        pass


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Asked first: a container outlives a docker client that is killed.
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return


async def _find(name: str) -> google.Emulator:
    # Only the one that was asked for is looked for.
    others = {variable: "not-asked-for:1" for other, variable in google.ENVIRONMENT.items() if other != name}
    environ = environment.neutral(os.environ) | environment.emulators(os.environ)
    planned = config.load(ROOT, environ | {"HARK_PORT_OFFSET": str(free_offset())} | others)
    return (await google.find(planned, print))[name]


def _until_up(process: subprocess.Popen[bytes], url: str) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            raise DidNotStart(f"ended with status {process.returncode}")
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    raise DidNotStart(f"did not answer within {START_SECONDS} s")
