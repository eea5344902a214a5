"""`python -m emulator`: runs the whole system on this machine until Ctrl-C, SIGTERM or SIGHUP."""

import asyncio
import contextlib
import io
import os
import signal
import sys
from pathlib import Path

import aiohttp

from emulator.config import check_ports_free, load
from emulator.errors import StackError
from emulator.rundir import RunDir
from emulator.stack import Stack

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
        print(f"hark: {text}", file=sys.stderr if to_stderr else sys.stdout, flush=True)


def first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def main() -> int:
    """The exit status: 0 when asked to stop, 1 when it could not start."""
    signals = Signals()
    try:
        config = load(ROOT, os.environ)
        check_ports_free(config)  # before RunDir: the files may be of the stack that has the ports
    except StackError as error:
        say(str(error), to_stderr=True)
        return 1
    run_dir = RunDir(config)
    async with aiohttp.ClientSession() as http:
        stack = Stack(config, run_dir, http, say)
        serving = asyncio.create_task(stack.serve())
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
            await stack.stop(signals.at_once)
            run_dir.close()
    return 0


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a span's name may have letters that the console's encoding has not
    sys.exit(asyncio.run(main()))
