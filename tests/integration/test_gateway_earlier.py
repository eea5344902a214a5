"""A notification that goes with an earlier one: which it may name, and what goes on record."""

from typing import Any

import pytest

from functions.gateway.access.caller import Scope
from tests.integration.gateway import Hark

UNKNOWN = "5b3c9cde-0001-4000-8000-000000000001"


async def sent(hark: Hark, to: str = "#ops", **own: str) -> dict[str, Any]:
    body = {"to": {"slack": to}, "message": "Build 42", **({"content": {"slack": own}} if own else {})}
    answer = await hark.client.post("/v1/notifications", json=body)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.parametrize("part", ["thread", "update"])
async def test_it_is_on_record_and_in_the_message(hark: Hark, part: str) -> None:
    first = await sent(hark)
    await hark.published("slack")
    second = await sent(hark, **{part: first["id"]})
    assert second["deliveries"][0]["content"] == {"message": "Build 42", part: first["id"]}
    (message,) = await hark.published("slack")
    assert message.content is not None
    assert message.content.earlier == {part: first["id"]}


async def test_a_reply_to_a_reply_is_one_of_the_same_thread(hark: Hark) -> None:
    first = await sent(hark)
    second = await sent(hark, thread=first["id"])
    third = await sent(hark, thread=second["id"])
    assert third["deliveries"][0]["content"]["thread"] == first["id"]
    changed = await sent(hark, update=second["id"])
    assert changed["deliveries"][0]["content"]["update"] == second["id"]


async def test_what_it_may_not_name_is_a_422_and_nothing_is_written(hark: Hark) -> None:
    to_others = await sent(hark, "#others")
    answer = await hark.client.post("/v1/notifications", json={"to": {"email": "a@example.com"}, "message": "x"})
    by_mail = answer.json()
    written = await hark.documents()
    for earlier in (UNKNOWN, to_others["id"], by_mail["id"]):
        for part in ("thread", "update"):
            body = {"to": {"slack": "#ops"}, "message": "x", "content": {"slack": {part: earlier}}}
            answer = await hark.client.post("/v1/notifications", json=body)
            assert answer.status_code == 422
            assert [error["field"] for error in answer.json()["errors"]] == [f"content.slack.{part}"]
    assert await hark.documents() == written


async def test_anothers_notification_is_as_one_that_is_not_there(hark: Hark) -> None:
    first = await sent(hark)
    _, client = await hark.caller(scopes={Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ})
    async with client as stranger:
        said = []
        for earlier in (first["id"], UNKNOWN):
            body = {"to": {"slack": "#ops"}, "message": "x", "content": {"slack": {"thread": earlier}}}
            answer = await stranger.post("/v1/notifications", json=body)
            assert answer.status_code == 422
            said.append(answer.json())
    assert said[0] == said[1]


async def test_what_is_said_for_a_channel_that_it_does_not_go_over_is_not_looked_up(hark: Hark) -> None:
    body = {"to": {"email": "a@example.com"}, "message": "x", "content": {"slack": {"thread": UNKNOWN}}}
    assert (await hark.client.post("/v1/notifications", json=body)).status_code == 202
