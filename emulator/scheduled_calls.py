"""What Cloud Scheduler calls every minute, on one machine: more often."""

import asyncio
from collections.abc import Callable, Mapping

import aiohttp

from emulator.config import OPERATIONS, RELAY, Config

EVERY_SECONDS: Mapping[str, float] = {RELAY: 1.0, OPERATIONS: 3.0}
SELDOM_SECONDS = 60.0  # never less often than this: so often Cloud Scheduler calls
TIMEOUT_SECONDS = 60.0
SHARE = 0.1  # of the time, at most: the emulator looks at all that it stores for each of a sweep's queries


async def call_all(http: aiohttp.ClientSession, config: Config, say: Callable[[str], None]) -> None:
    """Each function by itself, until cancelled."""
    await asyncio.gather(*(call(http, config, name, say) for name in EVERY_SECONDS))


async def call(http: aiohttp.ClientSession, config: Config, name: str, say: Callable[[str], None]) -> None:
    """One call at a time, until cancelled; an outage is a line, not one a second.

    A call is the slower the more is stored, so the next one waits by what the last one took.
    """
    clock = asyncio.get_running_loop().time
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    working = True
    while True:
        began, apart = clock(), 0.0
        try:
            async with http.post(config.url(name) + "/", timeout=timeout) as answer:
                problem = f"status {answer.status}" if answer.status >= 400 else ""
                # What the relay waited for a delivery's time, or was worked at operations, is not what gets slower.
                done = {} if problem else await answer.json()
                apart = float(done.get("waited", 0.0)) + float(done.get("worked", 0.0))
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = str(error) or type(error).__name__
        if working and problem:
            say(f"WARNING: calling {name} fails ({problem}), trying on")
        elif not working and not problem:
            say(f"calling {name} works again")
        working = not problem
        await asyncio.sleep(pause(EVERY_SECONDS[name], clock() - began, apart))


def pause(every: float, took: float, apart: float) -> float:
    """The seconds between a call that took so many, some of them apart from its queries, and the next."""
    queried = max(took - apart, 0.0)
    return max(every - took, min(queried * (1 / SHARE - 1), SELDOM_SECONDS))
