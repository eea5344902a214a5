"""A process that sends with one provider and says what each answer did to its memory; test_hostile_answers.py runs it.

Usage: python -m tests.contract.flooded SUITE PORT...: a suite of test_providers.py, and a server for each send.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from shared.delivery.errors import SendError
from tests.contract import test_providers
from tests.contract.providers import Contract, Where, through_pipeline

DEADLINE = 2.0  # seconds
_PROCESS = Path("/proc/self")


def resident_bytes(field: str) -> int:
    """VmRSS: now. VmHWM: at most since `from_here`."""
    [kilobytes] = re.findall(rf"{field}:\s*(\d+)", (_PROCESS / "status").read_text())
    return int(kilobytes) * 1024


def from_here() -> int:
    (_PROCESS / "clear_refs").write_text("5")  # VmHWM begins anew: proc_pid_clear_refs(5)
    return resident_bytes("VmRSS")


async def main(suite: Contract, ports: Sequence[int]) -> None:
    for port in ports:
        async with aclosing(suite.provider(Where("127.0.0.1", port, port))) as provider:
            before, began = from_here(), time.monotonic()
            outcome = "accepted"
            try:
                await through_pipeline(provider, suite.outgoing(timeout=DEADLINE))
            except SendError as error:
                outcome = type(error).__name__
            seconds = time.monotonic() - began
        grown = resident_bytes("VmHWM") - before
        print(json.dumps({"outcome": outcome, "seconds": seconds, "grown": grown}))  # noqa: T201 - for the test to read


if __name__ == "__main__":
    asyncio.run(main(getattr(test_providers, sys.argv[1])(), [int(port) for port in sys.argv[2:]]))
