"""What the benchmarks of a whole system share: records in memory, and who has got it."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.compare.processes import Child
from bench.compare.world import free_port
from tests.e2e.stack import ROOT, Stack

ADDRESSED = "person-"
"""How the addresses begin that are counted."""


class Arrived:
    """How often each person has it, by the lab's witness."""

    def __init__(self, witness: Path) -> None:
        self._witness = witness
        self._read = 0
        self._times = Counter[str]()

    def look(self) -> tuple[int, int]:
        """How many people have it, and how many of them more than once."""
        if self._witness.exists():
            with self._witness.open("rb") as file:
                file.seek(self._read)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._read += len(line)
                    self._times[json.loads(line).get("to", "")] += 1
        people = [times for address, times in self._times.items() if address.startswith(ADDRESSED)]
        return len(people), sum(times > 1 for times in people)


@contextmanager
def records_in_memory(folder: Path) -> Iterator[tuple[str, int]]:
    """Their host:port, and their process. The Firestore emulator's queries look at all that it stores."""
    port = free_port()
    argv = [sys.executable, "-m", "emulator.embedded.firestore", str(port)]
    child = Child("records", argv, os.environ, ROOT, folder / "records.log")
    try:
        yield f"127.0.0.1:{port}", child.pid
    finally:
        child.stop()


async def operation_of(stack: Stack, operation_id: str) -> dict[str, Any]:
    operation: dict[str, Any] = (await stack.http.get(f"{stack.url}/v1/operations/{operation_id}")).json()
    return operation


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
