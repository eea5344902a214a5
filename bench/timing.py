"""Schedules, cancels and orders on a whole system of this machine: `python -m bench.timing [schedule|races|order]`.

schedule: notifications that are due 100 a second; how late each attempt began after its `send_at`
races: a cancel around the moment when each is sent; each verdict against what the lab has got
order: many with one ordering_key, while the function that sends them is killed; inversions at the lab
Ends with 1 when a verdict was not the truth, or an order was not kept. `--emulators` for Google's, else all in one
process, which cannot be killed.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from tests.e2e.stack import Stack, running, talking_to, until

TO = {"sms": "+14155552671"}
MAIL = {"email": "a@example.com"}


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def schedule(stack: Stack, count: int, per_second: int) -> bool:
    """Half a minute ahead, so that all are accepted before the first is due."""
    first = datetime.now(UTC) + timedelta(seconds=max(15.0, count / 60))
    gate = asyncio.Semaphore(16)
    due: dict[str, datetime] = {}

    async def send(number: int) -> None:
        at = first + timedelta(seconds=number / per_second)
        async with gate:
            made = await stack.send(to=TO, send_at=at.isoformat())
        due[made["id"]] = at

    await asyncio.gather(*map(send, range(count)))
    spare = (first - datetime.now(UTC)).total_seconds()
    _say(f"schedule: {count} accepted, {spare:.0f} s before the first is due")
    await asyncio.sleep(max(0.0, spare) + count / per_second)

    async def all_arrived() -> bool:
        return len(await stack.inbox()) >= count

    await until(all_arrived, 60)
    late = []
    for notification_id, at in due.items():
        (delivery,) = (await stack.read(notification_id))["deliveries"]
        late.append((_at(delivery["attempts"][0]["at"]) - at).total_seconds())
    late.sort()
    worst, median = late[-1], late[len(late) // 2]
    _say(f"schedule: {per_second} due a second, late: least {late[0]:.2f} s, median {median:.2f} s, most {worst:.2f} s")
    return late[0] >= 0 and worst <= 2


async def races(stack: Stack, count: int) -> bool:
    gate = asyncio.Semaphore(16)
    verdicts: Counter[str] = Counter()
    said: dict[str, str] = {}

    async def race(_: int) -> None:
        async with gate:
            soon = random.uniform(0.2, 1.0)
            at = datetime.now(UTC) + timedelta(seconds=soon)
            made = await stack.send(to=MAIL, send_at=at.isoformat())
            # Around the moment when it is sent.
            await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds() + random.uniform(-0.05, 0.25)))
            answer = await stack.http.post(f"{stack.url}/v1/notifications/{made['id']}/cancel")
            assert answer.status_code == 200, answer.text
            (verdict,) = answer.json()["verdicts"]
            verdicts[verdict["verdict"]] += 1
            said[made["id"]] = verdict["verdict"]

    await asyncio.gather(*map(race, range(count)))
    for notification_id in said:
        await stack.ended(notification_id)
    arrived = {item["notification_id"] for item in await stack.inbox()}
    lies = [i for i, verdict in said.items() if verdict == "cancelled" and i in arrived]
    lies += [i for i, verdict in said.items() if verdict == "too_late" and i not in arrived]
    _say(f"races: {count}: {dict(verdicts)}, verdicts that were not the truth: {len(lies)}")
    return not lies


async def order(stack: Stack, count: int, kills: int) -> bool:
    """Accepted one after the other by four who take turns: the order is that of the 202s."""
    accepted: list[str] = []
    key = f"order-{random.random()}"

    async def killing() -> None:
        for _ in range(kills):
            await asyncio.sleep(random.uniform(0.5, 1.5))
            with suppress(ProcessLookupError):  # it is not up again yet
                stack.kill("email")

    killer = asyncio.create_task(killing())
    for number in range(count):
        made = await stack.send(to=MAIL, message=f"number {number}", ordering_key=key)
        accepted.append(made["id"])
    await killer

    async def last_arrived() -> bool:
        return len({item["notification_id"] for item in await stack.inbox()} & set(accepted)) == count

    began = datetime.now(UTC)
    await until(last_arrived, 60 + count / 2)
    took = (datetime.now(UTC) - began).total_seconds()
    places = {notification_id: place for place, notification_id in enumerate(accepted)}
    seen, inversions, twice = -1, 0, 0
    for item in await stack.inbox():
        place = places.get(item["notification_id"])
        if place is None:
            continue
        twice += place <= seen
        inversions += place > seen + 1
        seen = max(seen, place)
    _say(f"order: {count} with one key, {kills} kills: {inversions} inversions, {twice} sent again, {took:.0f} s after")
    return inversions == 0


async def main(arguments: argparse.Namespace) -> int:
    env: dict[str, str] = {} if arguments.emulators else {"EMBEDDED": "1"}
    good = True
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), env) as system:
        async with talking_to(system) as stack:
            stack.http.timeout = httpx.Timeout(60)
            if "schedule" in arguments.what:
                good &= await schedule(stack, arguments.count, arguments.rate)
            if "races" in arguments.what:
                good &= await races(stack, arguments.count)
            if "order" in arguments.what:
                good &= await order(stack, arguments.count, arguments.kills if arguments.emulators else 0)
    return 0 if good else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.timing", description=__doc__)
    parser.add_argument("what", nargs="*", default=["schedule", "races", "order"])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=100, help="due a second")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--emulators", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(_arguments())))
