"""One process of the system: started, watched, started again when it dies, stopped with all its children."""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from emulator.errors import StartFailed

POLL_SECONDS = 0.1
QUICK_DEATH_SECONDS = 2.0
CRASH_LOOP_PAUSE_SECONDS = 1.0
STOP_SECONDS = 5.0
TAIL_LINES = 15

_PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only


@dataclass(frozen=True)
class Program:
    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    probe: str
    """A URL; the program is up when it answers there."""
    probe_status: int | None = 200
    """The status it must answer with; None: any."""
    lost_on_restart: str = ""
    """What its death costs, for the console."""


class Process:
    def __init__(
        self,
        program: Program,
        log: Path,
        http: aiohttp.ClientSession,
        say: Callable[[str], None],
        on_start: Callable[[str, int], None],
        on_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`on_start` gets name and pid at each start; `on_up` runs when it answers, and then it is up."""
        self.program = program
        self.up = asyncio.Event()
        self._log = log
        self._http = http
        self._say = say
        self._on_start = on_start
        self._on_up = on_up
        self._was_up = False
        self._child: asyncio.subprocess.Process | None = None
        log.write_bytes(b"")

    async def keep_running(self) -> None:
        """Runs until cancelled, and leaves the child running then.

        Raises StartFailed if it dies before it was ever up.
        """
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            status = describe(await self._one_life())
            if not self._was_up:
                raise StartFailed(f"{self.program.name} ended at start-up ({status}). {self.last_words()}")
            note = f" {self.program.lost_on_restart}" if self.program.lost_on_restart else ""
            self._say(f"{self.program.name} died ({status}), starting it again.{note}")
            if clock() - began < QUICK_DEATH_SECONDS:
                await asyncio.sleep(CRASH_LOOP_PAUSE_SECONDS)

    async def stop(self, at_once: asyncio.Event) -> None:
        """Ends the process and its group: asks, and kills after STOP_SECONDS or when `at_once` is set."""
        if self._child is None:
            return
        _signal_group(self._child.pid, signal.SIGTERM)
        ended = asyncio.create_task(self._child.wait())
        hurry = asyncio.create_task(at_once.wait())
        await asyncio.wait({ended, hurry}, timeout=STOP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        await self._clear_group(self._child.pid)
        await ended
        self._child = None

    def last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join([f"The end of {self._log}:", *(f"  {line}" for line in lines)])

    async def _one_life(self) -> int:
        child = await self._spawn()
        async with asyncio.TaskGroup() as life:
            coming_up = life.create_task(self._come_up())
            status = await child.wait()
            coming_up.cancel()
        self.up.clear()
        # A gunicorn worker outlives its killed master and would keep the port.
        await self._clear_group(child.pid)
        self._child = None
        return status

    async def _spawn(self) -> asyncio.subprocess.Process:
        with self._log.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                *self.program.argv,
                env=self.program.env,
                cwd=self.program.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a group of its own; and Ctrl-C reaches the supervisor only
                preexec_fn=die_with_parent(os.getpid()),
            )
        self._on_start(self.program.name, self._child.pid)
        return self._child

    async def _come_up(self) -> None:
        await until_answers(self._http, self.program.probe, self.program.probe_status)
        if self._on_up is not None:
            await self._on_up()
        self._was_up = True
        self.up.set()

    @staticmethod
    async def _clear_group(group: int) -> None:
        _signal_group(group, signal.SIGKILL)
        # Bounded, for where pid 1 is slow to reap orphans: a zombie stays in its group but holds no port.
        for _ in range(20):
            if not _signal_group(group, 0):
                return
            await asyncio.sleep(0.01)


async def until_answers(http: aiohttp.ClientSession, url: str, status: int | None) -> None:
    """Returns when a GET of `url` is answered with `status` (None: with any)."""
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with http.get(url, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=5)) as answer:
                if status is None or answer.status == status:
                    return
        await asyncio.sleep(POLL_SECONDS)


def describe(status: int) -> str:
    """An exit status as asyncio gives it: a signal's number is negative."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _signal_group(group: int, number: int) -> bool:
    """Whether there was anything to signal."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS answers so when only zombies are left
        return False
    return True


def die_with_parent(parent: int) -> Callable[[], None]:
    """For the child between fork and exec: SIGTERM when the supervisor dies, even by SIGKILL.

    SIGTERM, since gunicorn's master then stops its workers, which are no children of the supervisor. The
    signal is tied to the thread that forked: with asyncio the main one, which lives as long as the process.
    """

    def before_exec() -> None:
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM))
            if os.getppid() != parent:  # it died before the call
                os.kill(os.getpid(), signal.SIGKILL)

    return before_exec
