"""What a templated accept, and one in a batch of 100, take of a plain one: `python -m bench.accept_ways`.

On a whole system of this machine, with the emulators. Rounds take turns: as many as the machine takes, 16 singles or 2
batches at a time; and as one caller sends them, one request after the other. The functions that would send them stand
still meanwhile. CPU is the gateway's for each notification; the rate is of accepts a second.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
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
    "message": None,
    "template": {"name": "order-shipped"},
    "data": {"order": 42, "name": "Zoë", "price": 12.5},
}
TEXTS = {
    "subject": "Order {{ order }}",
    "message": "Order {{ order }} is on its way to {{ name }}, for {{ price | money: 'EUR' }}.",
}
TEMPLATE = {
    "schema": {"type": "object", "required": ["order"], "properties": {"order": {"type": "integer"}}},
    "default_locale": "en",
    "locales": {"en": {"email": TEXTS}},
}
BATCH = 100
ALONE = ("plain, one by one", "batch, one by one")
BESIDE = ("email", "relay")


@dataclass(frozen=True, slots=True)
class Round:
    """cpu: milliseconds for each notification; rate: notifications a second"""

    cpu: float
    rate: float


async def _round(stack: Stack, post: Callable[[], Awaitable[None]], times: int, at_once: int, each: int) -> Round:
    places = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with places:
            await post()

    cpu, began = cpu_seconds(stack.pid("gateway")), time.monotonic()
    await asyncio.gather(*(one() for _ in range(times)))
    took = time.monotonic() - began
    return Round(1000 * (cpu_seconds(stack.pid("gateway")) - cpu) / (times * each), times * each / took)


async def main(rounds: int, requests: int) -> None:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as system:
        async with talking_to(system) as stack:
            stack.http.timeout = httpx.Timeout(60)
            published = await stack.http.put(f"{stack.url}/v1/templates/order-shipped", json=TEMPLATE)
            assert published.status_code == 201, published.text

            async def single(body: dict[str, Any]) -> None:
                await stack.send(**body)

            async def batch() -> None:
                items = [PLAIN | {"key": uuid.uuid4().hex} for _ in range(BATCH)]
                answer = await stack.http.post(f"{stack.url}/v1/batches", json={"items": items})
                assert {item["status"] for item in answer.json()["items"]} == {202}, answer.text

            for name in BESIDE:  # who sends takes the cores from who accepts
                os.killpg(stack.pid(name), signal.SIGSTOP)
            taken: dict[str, list[Round]] = {name: [] for name in ("plain", "templated", "batch", *ALONE)}
            for number in range(rounds + 1):
                made = {
                    "plain": await _round(stack, lambda: single(PLAIN), requests, 16, 1),
                    "templated": await _round(stack, lambda: single(TEMPLATED), requests, 16, 1),
                    "batch": await _round(stack, batch, max(requests * 5 // BATCH, 2), 2, BATCH),
                    ALONE[0]: await _round(stack, lambda: single(PLAIN), requests, 1, 1),
                    ALONE[1]: await _round(stack, batch, max(requests * 5 // BATCH, 2), 1, BATCH),
                }
                for name, each in made.items() if number else ():  # the first is for warming up
                    taken[name].append(each)
            for name in BESIDE:
                os.killpg(stack.pid(name), signal.SIGCONT)
            for name, of in taken.items():
                cpu, rate = median(each.cpu for each in of), median(each.rate for each in of)
                _say(f"{name}: {cpu:.2f} ms of CPU, {rate:,.0f} a second")
            for name, other in (("templated", "plain"), ("batch", "plain"), (ALONE[1], ALONE[0])):
                _say(f"{name}, × {other}: {_ratios(taken[name], taken[other])}")


def _ratios(of: Sequence[Round], others: Sequence[Round]) -> str:
    pairs = list(zip(of, others, strict=True))
    cpus, rates = [one.cpu / other.cpu for one, other in pairs], [one.rate / other.rate for one, other in pairs]
    return (
        f"CPU {median(cpus):.2f} ({min(cpus):.2f} to {max(cpus):.2f}), "
        f"rate {median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.accept_ways", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--requests", type=int, default=200, help="singles of a round; a round's batches hold five times as many"
    )
    given = parser.parse_args()
    asyncio.run(main(given.rounds, given.requests))
