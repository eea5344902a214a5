"""Of the half hour on a real cloud, what needs no cloud: a notification, and every list with its filters."""

import asyncio

from infra.acceptance import STEPS
from infra.cloud import Cloud
from tests.e2e.stack import Stack
from tests.e2e.test_smoke import key_of


async def test_every_query_of_the_api_is_asked_and_answered(stack: Stack) -> None:
    test_key = await key_of(stack, "notifications:send", "notifications:read")
    cloud = Cloud("p", "r", "hark", stack.url, stack.system.env["HARK_API_KEY"], test_key)
    assert await asyncio.to_thread(STEPS["sent"], cloud)
    assert (await asyncio.to_thread(STEPS["queries"], cloud)).endswith(" queries")
