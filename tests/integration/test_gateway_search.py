"""GET /v1/notifications by filters, over the real Firestore emulator: what is found, and what it asks for that."""

from typing import Any

import pytest

from functions.gateway.access.caller import Scope
from functions.gateway.notifications.schemas import NotificationsJson
from shared.delivery.model import DeliveryStatus
from tests.integration.gateway import Hark, declared

EMAIL = {"channel": "email", "address": "a@example.com"}
TEMPLATE = {
    "schema": {"type": "object"},
    "default_locale": "en",
    "locales": {"en": {"email": {"subject": "s", "message": "m"}}},
}
OWN = frozenset({Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ, Scope.RECIPIENTS_READ})


async def pages(hark: Hark, **query: Any) -> list[list[str]]:
    """The ids of all pages of a search."""
    found: list[list[str]] = []
    while True:
        page = declared(NotificationsJson, await hark.client.get("/v1/notifications", params=query))
        found.append([n["id"] for n in page["items"]])
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


async def test_each_filter_finds_newest_first_page_by_page(hark: Hark) -> None:
    await hark.client.put("/v1/templates/shipped", json=TEMPLATE)
    made = []
    for n in range(3):
        to = {"email": "a@example.com", "sms": f"+1415555267{n}"}
        sent = await hark.sent(to=to, tags={"team": "infra"})
        await hark.set(sent["id"], "email", DeliveryStatus.SENT, provider_message_id="m-1")
        made.append(sent["id"])
    templated = await hark.sent(message=None, template={"name": "shipped"}, data={}, to={"email": "b@example.com"})
    made.reverse()
    by_id = {"message_id": "m-1"}
    searches: list[dict[str, str]] = [EMAIL, {"tag": "team:infra"}, by_id, {**by_id, "channel": "email"}]
    for query in searches:
        assert await pages(hark, **query, limit=2) == [made[:2], made[2:]], query
        assert await pages(hark, **query) == [made], query
    assert await pages(hark, template="shipped") == [[templated["id"]]]
    assert await pages(hark, template="shipped", version=1) == [[templated["id"]]]
    assert await pages(hark, channel="sms", address="+1 415 555 2671") == [[made[1]]]
    assert await pages(hark, tag="team:infra", to=templated["created_at"]) == [made]
    assert await pages(hark, **{"tag": "team:infra", "from": templated["created_at"]}) == [[]]


@pytest.mark.parametrize(
    ("query", "reads"), [({"tag": "team:infra"}, 1), (EMAIL, 2), ({"message_id": "m-1"}, 2), ({"status": "sent"}, 2)]
)
async def test_a_page_is_one_query_and_what_it_shows(hark: Hark, query: dict[str, str], reads: int) -> None:
    for _ in range(3):
        sent = await hark.sent(tags={"team": "infra"})
        await hark.set(sent["id"], "email", DeliveryStatus.SENT, provider_message_id="m-1")
    await hark.gateway.channel_states.states()
    hark.calls.taken()
    assert [len(page) for page in await pages(hark, **query)] == [3]
    assert hark.calls.taken() == {"RunQuery": 1, "BatchGetDocuments": reads}


async def test_a_caller_finds_its_own_alone(hark: Hark) -> None:
    sent = await hark.sent(tags={"team": "infra"})
    await hark.set(sent["id"], "email", DeliveryStatus.SENT, provider_message_id="m-1")
    caller, client = await hark.caller(scopes=OWN)
    async with client:
        searches: list[dict[str, str]] = [EMAIL, {"tag": "team:infra"}, {"message_id": "m-1"}]
        for query in searches:
            page = await client.get("/v1/notifications", params={**query, "limit": 1})
            assert page.json() == {"items": [], "next_cursor": None}
        body = {"to": {"email": "a@example.com"}, "message": "x", "tags": {"team": "infra"}}
        own = (await client.post("/v1/notifications", json=body)).json()["id"]
        for query in searches[:2]:
            assert [n["id"] for n in (await client.get("/v1/notifications", params=query)).json()["items"]] == [own]
    assert await pages(hark, caller=caller.id, tag="team:infra") == [[own]]
