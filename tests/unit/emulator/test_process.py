"""One supervised process: started again when it dies, and no child of it left when it is stopped."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from emulator.errors import StartFailed
from emulator.process import Process, Program, describe

SERVER = """
import http.server, os, sys
if os.fork() == 0:  # a child in the same group that would keep the port, as gunicorn's worker does
    import signal; signal.pause()
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(60)"


class Run:
    def __init__(self, process: Process, pids: list[int], said: list[str], task: asyncio.Task[None]) -> None:
        self.process = process
        self.pids = pids
        self.said = said
        self.task = task


@asynccontextmanager
async def running(
    tmp_path: Path, code: str, port: int = 1, on_up: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[Run]:
    argv = (sys.executable, "-c", code, str(port))
    program = Program("pigeon", argv, os.environ, tmp_path, f"http://127.0.0.1:{port}/", lost_on_restart="A pity.")
    pids: list[int] = []
    said: list[str] = []

    def started(name: str, pid: int) -> None:
        pids.append(pid)

    async with aiohttp.ClientSession() as http:
        process = Process(program, tmp_path / "pigeon.log", http, said.append, started, on_up)
        task = asyncio.create_task(process.keep_running())
        try:
            yield Run(process, pids, said, task)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, ExceptionGroup, StartFailed):
                await task
            at_once = asyncio.Event()
            at_once.set()
            await process.stop(at_once)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 what is waited for happens in another process
            await asyncio.sleep(0.02)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_killed_process_comes_back_on_its_port_though_its_child_lived_on(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    ups = 0

    async def came_up() -> None:
        nonlocal ups
        ups += 1

    async with running(tmp_path, SERVER, unused_tcp_port, came_up) as run:
        await asyncio.wait_for(run.process.up.wait(), 20)
        os.kill(run.pids[0], 9)
        await until(lambda: len(run.pids) == 2)
        await until(lambda: ups == 2)
        assert run.said == ["pigeon died (killed by SIGKILL), starting it again. A pity."]
    await until(lambda: not any(map(alive, run.pids)))
    assert (tmp_path / "pigeon.log").read_text().count("serving") == 2


async def test_a_process_that_ends_before_it_was_up_fails_with_its_last_words(tmp_path: Path) -> None:
    async with running(tmp_path, "for i in range(20): print(f'line {i}')\nexit(3)") as run:
        with pytest.raises(StartFailed) as caught:
            await run.task
    assert "pigeon ended at start-up (exit status 3)" in str(caught.value)
    assert "line 19" in str(caught.value)
    assert "line 4\n" not in str(caught.value)


async def test_a_process_deaf_to_sigterm_is_killed_when_there_is_no_time(tmp_path: Path) -> None:
    async with running(tmp_path, DEAF) as run:
        log = tmp_path / "pigeon.log"
        await until(lambda: log.exists() and "deaf" in log.read_text())
    await until(lambda: not alive(run.pids[0]))


def test_an_exit_status_is_put_in_words() -> None:
    assert describe(-9) == "killed by SIGKILL"
    assert describe(3) == "exit status 3"
