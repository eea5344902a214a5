"""`python -m emulator`: runs the whole system on this machine until Ctrl-C, SIGTERM or SIGHUP."""

import asyncio
import contextlib
import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from emulator import google
from emulator.config import Config, check_one_process, check_ports_free, load
from emulator.errors import NoEmulators, StackError
from emulator.rundir import RunDir
from emulator.stack import Stack

if TYPE_CHECKING:
    from emulator.embedded.stack import EmbeddedStack

ROOT = Path(__file__).resolve().parent.parent


class Signals:
    """The first signal asks for the end. A second Ctrl-C wants it at once.

    Only Ctrl-C: a SIGTERM often comes twice, once to the process group and once passed on by make.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.at_once = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            loop.add_signal_handler(signal.SIGHUP, self.stop.set)

    def _interrupted(self) -> None:
        if self.stop.is_set():
            self.at_once.set()
        self.stop.set()


def say(text: str, to_stderr: bool = False) -> None:
    with contextlib.suppress(OSError):  # nobody reads the console any more; that stops nothing
        print(f"hark: {text}", file=sys.stderr if to_stderr else sys.__stdout__, flush=True)


def first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def stack_for(config: Config, run_dir: RunDir, http: aiohttp.ClientSession) -> "Stack | EmbeddedStack":
    """On the emulators, or without them in this process. Raises StackError."""
    if not config.embedded:
        try:
            return Stack(config, run_dir, http, say, await google.find(config, say))
        except NoEmulators as missing:
            if config.embedded is False:
                raise
            say(f"{missing}\n")  # first: what needs the emulators is refused, and this says how to get them
            check_one_process(config)
    say("all runs in one process. Records and messages are in memory, and gone when it stops")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it has a line for each connection that ends
    # The functions are imported with it, which takes longer than all else that a supervisor does.
    from emulator.embedded.stack import EmbeddedStack  # noqa: PLC0415

    return EmbeddedStack(config, run_dir, http, say)


async def main() -> int:
    """The exit status: 0 when asked to stop, 1 when it could not start."""
    signals = Signals()
    try:
        config = load(ROOT, os.environ)
        if config.embedded:
            check_one_process(config)
        check_ports_free(config)  # before RunDir: the files may be of the stack that has the ports
    except StackError as error:
        say(str(error), to_stderr=True)
        return 1
    run_dir = RunDir(config)
    stack: Stack | EmbeddedStack | None = None
    async with aiohttp.ClientSession() as http:

        async def serve() -> None:
            nonlocal stack
            stack = await stack_for(config, run_dir, http)
            await stack.serve()

        serving = asyncio.create_task(serve())
        asked = asyncio.create_task(signals.stop.wait())
        try:
            await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
            if signals.stop.is_set():
                say("stopping")
            serving.cancel()
            await serving
        except asyncio.CancelledError:
            return 0
        except (StackError, BaseExceptionGroup) as error:
            cause = first_cause(error)
            if not isinstance(cause, StackError):
                raise
            say(str(cause), to_stderr=True)
            return 1
        finally:
            asked.cancel()
            if stack is not None:
                await stack.stop(signals.at_once)
            run_dir.close()
    return 0


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a span's name may have letters that the console's encoding has not
    sys.exit(asyncio.run(main()))
