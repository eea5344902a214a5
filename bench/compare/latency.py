"""From the request to the provider, along the whole chain of each side: pushed by Pub/Sub, or taken from Redis."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from bench.compare.figures import Table, median, percentile
from bench.compare.sides import Side, expect, texts
from bench.compare.world import Sent, World

PAUSE = 0.05  # seconds between two requests: what is measured is a way that is free
CONNECTIONS = 2


def measure(world: World, sides: Sequence[Side], count: int, rounds: int) -> dict[str, list[float]]:
    """Seconds from the request's first byte to the lab's reading of the message, by side."""
    taken: dict[str, list[float]] = {side.name: [] for side in sides}
    for number in range(rounds + 1):
        for side in sides:
            side.flow()
            time.sleep(0.5)  # the emulator begins to push a little after it has been told
            seconds = _round(world, side, count)
            side.halt()
            if number:
                taken[side.name] += seconds
    return taken


def _round(world: World, side: Side, count: int) -> list[float]:
    sent, said = Sent(world.witness), texts(count)
    result = world.load.run(side.port, [side.request(text) for text in said], CONNECTIONS, PAUSE)
    expect(side.name, result, "202", count)
    arrived: dict[str, float] = {}
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at and not all(text in arrived for text in said):
        for line in sent.new():
            message = json.loads(line)
            arrived.setdefault(message["text"], datetime.fromisoformat(message["at"]).timestamp())
        time.sleep(0.01)
    return [arrived[text] - begun for text, begun in zip(said, result.begun, strict=True)]


def table(taken: Mapping[str, Sequence[float]]) -> Table:
    rows = [(name, 1000 * median(s), 1000 * percentile(s, 99)) for name, s in taken.items()]
    note = "The functions' has the Pub/Sub emulator's own time in it, which is not the cloud's."
    header = ("side", "p50, ms", "p99, ms")
    return Table("latency", "From request to provider", header, rows, 1, "milliseconds", [note])
