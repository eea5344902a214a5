"""The relay of one machine: called as Cloud Scheduler calls it every minute, but more often."""

import asyncio
from collections.abc import Callable

import aiohttp

from emulator.config import RELAY, Config

EVERY_SECONDS = 1.0
SELDOM_SECONDS = 60.0  # never less often than this: so often Cloud Scheduler calls it
TIMEOUT_SECONDS = 60.0
SHARE = 0.1  # of the time, at most: the emulator looks at all that it stores for each of a sweep's queries


async def call_relay(http: aiohttp.ClientSession, config: Config, say: Callable[[str], None]) -> None:
    """One call at a time, until cancelled; an outage is a line, not one a second.

    A call is the slower the more is stored, so the next one waits by what the last one took.
    """
    clock = asyncio.get_running_loop().time
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    working = True
    while True:
        began, waited = clock(), 0.0
        try:
            async with http.post(config.url(RELAY) + "/", timeout=timeout) as answer:
                problem = f"status {answer.status}" if answer.status >= 400 else ""
                # What it waited for a delivery's time, and published then, is not what gets slower.
                waited = 0.0 if problem else float((await answer.json()).get("waited", 0.0))
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = str(error) or type(error).__name__
        if working and problem:
            say(f"WARNING: calling the relay fails ({problem}), trying on")
        elif not working and not problem:
            say("calling the relay works again")
        working = not problem
        await asyncio.sleep(pause(clock() - began, waited))


def pause(took: float, waited: float) -> float:
    """The seconds between a call that took so many, and waited for some of them, and the next."""
    worked = max(took - waited, 0.0)
    return max(EVERY_SECONDS - took, min(worked * (1 / SHARE - 1), SELDOM_SECONDS))
