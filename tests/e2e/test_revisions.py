"""While a deployment is under way, functions of two commits work on one record: nothing is lost, nothing sent twice."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.delivery.model import PENDING
from tests.e2e.revisions import beside, check_out, last_other_commit, packages_of
from tests.e2e.stack import ARRIVED, running, talking_to, until

NOTIFICATIONS = 200
AT_ONCE = 10
CHANNELS = ("email", "sms", "slack")


def body(number: int) -> dict[str, Any]:
    to = {"email": f"a{number}@example.com", "sms": f"+1415200{number:04}", "slack": f"#room-{number}"}
    channels = [["email"], ["sms"], ["slack"], list(to)][number % 4]
    return {"to": {name: to[name] for name in channels}, "message": f"Build {number} is live"}


@pytest.mark.timeout(300)
async def test_functions_of_the_last_commit_beside_these(tmp_path: Path) -> None:
    """A refusal now and then makes a delivery go through the hands of both."""
    commit = last_other_commit()
    if commit is None:
        pytest.skip("git has no commit here whose functions are others: an archive, or a shallow clone")
    old = check_out(commit, tmp_path / "old")
    packages = packages_of(old, tmp_path)
    (tmp_path / "run").mkdir()
    with running(tmp_path / "run") as system:
        async with talking_to(system) as stack, beside(stack, old, packages) as revisions:
            for channel in CHANNELS:
                await stack.fault(channel, "503", rate=0.3)
            places = asyncio.Semaphore(AT_ONCE)

            async def send(number: int) -> str:
                async with places:
                    url = f"{revisions.turn('gateway')}/v1/notifications"
                    answer = await stack.http.post(url, json=body(number), headers={"Idempotency-Key": f"k-{number}"})
                assert answer.status_code == 202, answer.text
                return str(answer.json()["id"])

            async def none_pending() -> bool:
                await stack.http.post(f"{revisions.turn('relay')}/")
                found = [
                    await stack.http.get(f"{stack.url}/v1/notifications", params={"status": status, "limit": 1})
                    for status in sorted(PENDING)
                ]
                return all(answer.status_code == 200 and not answer.json()["items"] for answer in found)

            half = NOTIFICATIONS // 2
            ids = await asyncio.gather(*map(send, range(half)))
            assert all(
                revisions.pushed.get(port) for name in ("email", "sms", "slack") for port in revisions.ports[name]
            )
            ids += await asyncio.gather(*map(send, range(half, NOTIFICATIONS)))
            revisions.end_old()
            await until(none_pending, 120)
            assert len(set(ids)) == NOTIFICATIONS
            deliveries = [d for n in await read_all(stack.http, stack.url, ids) for d in n["deliveries"]]
            assert {d["status"] for d in deliveries} <= ARRIVED
            assert max(len(d["attempts"]) for d in deliveries) > 1
            assert {a["outcome"] for d in deliveries for a in d["attempts"]} == {"accepted", "retryable"}
            arrived = Counter((item["channel"], item["notification_id"]) for item in await stack.inbox())
            assert len(arrived) == len(deliveries)
            assert set(arrived.values()) == {1}


async def read_all(http: httpx.AsyncClient, url: str, ids: list[str]) -> list[dict[str, Any]]:
    return [(await http.get(f"{url}/v1/notifications/{each}")).json() for each in ids]
