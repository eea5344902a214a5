"""What a templated accept takes of a plain one's CPU: `python -m bench.templated_accept [--rounds 7] [--requests 200]`.

On a whole system of this machine, with the emulators. Rounds take turns; each is 16 requests at a time.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from bench.compare.processes import cpu_seconds
from tests.e2e.stack import Stack, running, talking_to

TO = {"email": "a@example.com"}
PLAIN = {"to": TO, "subject": "Order 42", "message": "Order 42 is on its way to Zoë, for €12.50."}
TEMPLATED = {
    "to": TO,
    "template": {"name": "order-shipped"},
    "data": {"order": 42, "name": "Zoë", "price": 12.5},
}
TEMPLATE = {
    "schema": {"type": "object", "required": ["order"], "properties": {"order": {"type": "integer"}}},
    "default_locale": "en",
    "locales": {
        "en": {
            "email": {
                "subject": "Order {{ order }}",
                "message": "Order {{ order }} is on its way to {{ name }}, for {{ price | money: 'EUR' }}.",
            }
        }
    },
}


async def round_of(stack: Stack, body: dict[str, Any], count: int) -> float:
    """CPU of the gateway for each accept, in milliseconds."""
    gate = asyncio.Semaphore(16)
    began = cpu_seconds(stack.pid("gateway"))

    async def send() -> None:
        async with gate:
            await stack.send(**body)

    await asyncio.gather(*(send() for _ in range(count)))
    return 1000 * (cpu_seconds(stack.pid("gateway")) - began) / count


async def main(rounds: int, requests: int) -> None:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as system:
        async with talking_to(system) as stack:
            stack.http.timeout = httpx.Timeout(60)
            published = await stack.http.put(f"{stack.url}/v1/templates/order-shipped", json=TEMPLATE)
            assert published.status_code == 201, published.text
            ratios: list[float] = []
            for number in range(rounds + 1):
                plain = await round_of(stack, PLAIN, requests)
                templated = await round_of(stack, TEMPLATED, requests)
                if number:  # the first is for warming up
                    ratios.append(templated / plain)
                    _say(f"plain {plain:.2f} ms, templated {templated:.2f} ms, ratio {ratios[-1]:.2f}")
            _say(f"median of {rounds}: {median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.templated_accept", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=200)
    given = parser.parse_args()
    asyncio.run(main(given.rounds, given.requests))
