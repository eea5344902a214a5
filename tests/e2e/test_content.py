"""What messages have besides their text, from the request to the provider: in one process, by either mail provider."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import Stack, running, talking_to

HTML = "<style>b { color: red }</style><p>Grüße, <b>Alice</b>: <a href='https://a.example/42'>here</a></p>"
FILES = [
    {"name": "Größe.pdf", "type": "application/pdf", "data": base64.b64encode(bytes(300_000)).decode()},
    {"name": "b.csv", "type": "text/csv", "data": base64.b64encode(b"a;b\r\n").decode()},
]


async def slack(stack: Stack, message: str, **own: Any) -> dict[str, Any]:
    return await stack.send(to={"slack": "#ops"}, message=message, content={"slack": own})


@pytest.mark.parametrize("provider", ["sendgrid", "smtp"])
async def test_rich_messages_arrive(tmp_path: Path, provider: str) -> None:
    with running(tmp_path, {"EMBEDDED": "1", "EMAIL_PROVIDER": provider}) as system:
        async with talking_to(system) as stack:
            parts = {"html": HTML, "from": "billing", "reply_to": "help@example.com", "attachments": FILES}
            await stack.fault("email", "503", rate=1, count=1)
            sent = await stack.send(to={"email": "a@example.com"}, message="for all", content={"email": parts})
            (delivery,) = (await stack.ended(sent["id"]))["deliveries"]
            assert [a["outcome"] for a in delivery["attempts"]] == ["retryable", "accepted"]
            (mail,) = await stack.inbox(sent["id"])
            assert mail["text"] == "Grüße, Alice: [here](https://a.example/42)"
            assert mail["html"] == delivery["content"]["html"]
            assert '<b style="color: red;">Alice</b>' in mail["html"]
            assert mail["attachments"] == delivery["content"]["attachments"]
            assert [file["size"] for file in mail["attachments"]] == [300_000, 5]
            assert mail["headers"]["From"] == "Billing <billing@example.com>"
            assert mail["headers"]["Reply-To"] == "help@example.com"

            await stack.fault("slack", "503", rate=1, count=2)  # the others wait until this one is sent
            first = await slack(stack, "Building", blocks=[{"type": "divider"}])
            reply = await slack(stack, "Step 1", thread=first["id"])
            change = await slack(stack, "Built", update=first["id"])
            for each in (first, reply, change):
                assert (await stack.ended(each["id"]))["status"] == "sent"
            items = {each["id"]: (await stack.inbox(each["id"]))[0] for each in (first, reply, change)}
            assert items[first["id"]]["blocks"] == [{"type": "divider"}]
            assert items[reply["id"]]["thread"] == items[first["id"]]["message_id"]
            assert items[change["id"]]["message_id"] == items[first["id"]]["message_id"]
            assert (items[change["id"]]["text"], items[change["id"]]["update"]) == ("Built", True)
            (posted,) = (await stack.read(first["id"]))["deliveries"]
            assert [a["outcome"] for a in posted["attempts"]] == ["retryable", "retryable", "accepted"]


async def test_what_goes_with_a_message_that_was_never_sent(tmp_path: Path) -> None:
    with running(tmp_path, {"EMBEDDED": "1"}) as system:
        async with talking_to(system) as stack:
            to = {"slack": "#fail-refused"}
            first = await stack.send(to=to, message="x")
            assert (await stack.ended(first["id"]))["deliveries"][0]["status"] == "dead"
            change = await stack.send(to=to, message="y", content={"slack": {"update": first["id"]}})
            (delivery,) = (await stack.ended(change["id"]))["deliveries"]
            assert delivery["status"] == "failed"
            assert f"notification {first['id']} was not sent (dead)" in delivery["error"]
