"""Each example of /openapi.json is sent for real, and is answered as it says."""

import csv
import io
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import jsonschema_rs
import pytest
from twilio.request_validator import RequestValidator

from emulator.lab.callbacks import Callback
from emulator.lab.providers.vonage_receipts import VonageReporter
from functions.email.sendgrid_receipts import SendGridReceipts
from functions.gateway.openapi_examples import Example, examples
from functions.gateway.services import Deployment
from functions.sms.twilio_receipts import TwilioReceipts
from functions.sms.twilio_replies import TwilioReplies
from functions.sms.vonage_receipts import VonageReceipts
from shared.channels.registry import example_addresses, load_channels
from shared.channels.setup import ChannelSetup, SettingProblem, SettingState
from shared.delivery.model import Attempt, DeliveryStatus, Outcome, Told
from shared.sending.recalling import recall
from shared.sending.receipts import ReceiptReader
from tests.integration.gateway import Hark, client_of
from tests.integration.test_gateway_receipts import PUBLIC_KEY, TOKEN, URL, an_sid, sendgrid, twilio

SECRET = "a-signature-secret-of-32-letters"  # pragma: allowlist secret
EXAMPLES = examples(load_channels(), example_addresses())
SIGNED = ["sendgrid_receipts", "twilio_receipts", "vonage_receipts", "twilio_inbound"]
"""Whose bodies are their providers'."""
TO = {"email": example_addresses()["email"]}
MESSAGE: Mapping[str, Any] = {"subject": "Deploy", "message": "Build 42 is live", "tags": {"team": "infra"}}
FOUND: Mapping[str, str] = {
    "list_notifications": "read_notification",
    "list_recipients": "read_recipient",
    "list_categories": "read_category",
    "list_suppressions": "read_suppression",
    "export_suppressions": "read_suppression",
    "list_callers": "read_caller",
    "list_templates": "read_template",
    "list_lists": "read_list",
    "list_members": "delete_member",
    "add_members": "put_member",
    "list_endpoints": "read_endpoint",
    "list_event_deliveries": "read_endpoint",
}
"""Where there must be one to list, it is that of another example."""


async def sent(hark: Hark) -> str:
    notification = await hark.sent(to=TO, **MESSAGE)
    attempt = Attempt(1, datetime.now(UTC), Outcome.ACCEPTED, None, 120, provider="sendgrid")
    accepted = {"attempts": (attempt,), "provider": "sendgrid", "provider_message_id": "14c5d75ce93"}
    await hark.set(notification["id"], "email", DeliveryStatus.SENT, **accepted)
    return notification["id"]


async def sent_twice(hark: Hark) -> str:
    notification = await hark.sent(to=TO, **MESSAGE)
    now = datetime.now(UTC)
    lost = Attempt(1, now, Outcome.UNKNOWN, "no answer within 30.0 s", 120, provider="sendgrid", asked=Told.CANNOT_TELL)
    attempts = (lost, Attempt(2, now, Outcome.ACCEPTED, None, 120, provider="sendgrid"))
    await hark.set(notification["id"], "email", DeliveryStatus.SENT, attempts=attempts, twice_at=now)
    return notification["id"]


async def parameters(hark: Hark, operation: str) -> dict[str, str]:  # noqa: PLR0912 - a case for each kind of record
    """Makes what the operation is about. The parameters of its path, in the place of the example's."""
    match FOUND.get(operation, operation):
        case "read_notification" | "cancel_notification" | "explain_notification":
            return {"notification_id": await sent(hark)}
        case "read_recipient" | "delete_recipient" | "erase_recipient":
            await example_of(hark, "put_recipient")
            return {"name": "alice"}
        case "resume_channel":
            await hark.client.post("/v1/channels/email/pause", json={"reason": "a test"})
            return {"name": "email"}
        case "read_category" | "delete_category":
            await example_of(hark, "put_category")
            return {"name": "news"}
        case "read_suppression" | "delete_suppression":
            await example_of(hark, "put_suppression")
            return {}
        case "read_list" | "delete_list":
            await example_of(hark, "put_list")
            return {"name": "newsletter"}
        case "put_member" | "delete_member" | "broadcast_to_list":
            await example_of(hark, "put_list")
            await example_of(hark, "put_recipient")
            if operation in {"delete_member", "list_members", "broadcast_to_list"}:
                await hark.client.put("/v1/lists/newsletter/members/alice")
            return {"name": "newsletter", "recipient": "alice"}
        case "read_operation" | "list_operations":
            await example_of(hark, "publish_template")
            recalled = await hark.client.post("/v1/templates/order-shipped/recall", json={"version": 1})
            return {"operation_id": recalled.json()["id"]}
        case "pause_operation" | "resume_operation" | "cancel_operation":
            caller_id = hark.key.split("_")[2]
            begun = recall(str(uuid.uuid4()), caller_id, "order-shipped/1", datetime.now(UTC))
            await hark.gateway.operations.create(begun)
            return {"operation_id": begun.id}
        case "recall_template" | "read_template" | "read_template_version" | "archive_template" | "preview_template":
            await example_of(hark, "publish_template")
            return {"name": "order-shipped", "version": "1"}
        case "list_dead_letters" | "replay" | "discard":
            return {"notification_id": await hark.dead(to=TO, **MESSAGE), "channel": "email"}
        case "replay_by_plan":
            notification_id = await hark.dead(to=TO, **MESSAGE)
            await hark.set(notification_id, "email", DeliveryStatus.DEAD, error="attempts used up; the last one: 503")
            return {}
        case "read_endpoint" | "delete_endpoint" | "rotate_secret" | "test_endpoint" | "replay_events":
            await example_of(hark, "put_endpoint")
            if operation == "list_event_deliveries":
                tested = (await hark.client.post("/v1/endpoints/billing/test")).json()
                accepted = (Attempt(1, datetime.now(UTC), Outcome.ACCEPTED, None, 120, provider="webhook"),)
                await hark.set(tested["id"], "webhook", DeliveryStatus.SENT, attempts=accepted)
            return {"name": "billing"}
        case "list_audit_entries":
            await hark.client.post("/v1/channels/email/resume")
            return {}
        case "list_duplicates":
            return {"notification_id": await sent_twice(hark)}
        case "read_caller" | "change_caller" | "revoke_caller" | "add_key" | "revoke_key":
            made = await example_of(hark, "create_caller")
            return {"caller_id": made["id"], "key_id": made["keys"][0]["id"]}
        case "read_self":
            return {"key": (await example_of(hark, "create_caller"))["key"]}
        case _:
            return {}


async def example_of(hark: Hark, operation: str) -> Any:
    """The answer to an example, of what must be there for another."""
    example = EXAMPLES[operation]
    method, path = {
        "put_recipient": ("PUT", "/v1/recipients/alice"),
        "put_category": ("PUT", "/v1/categories/news"),
        "put_suppression": ("PUT", f"/v1/suppressions/email/{TO['email']}"),
        "put_list": ("PUT", "/v1/lists/newsletter"),
        "publish_template": ("PUT", "/v1/templates/order-shipped"),
        "create_caller": ("POST", "/v1/callers"),
        "put_endpoint": ("PUT", "/v1/endpoints/billing"),
    }[operation]
    answer = await hark.client.request(method, path, json=example.body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def signed(hark: Hark, operation: str) -> httpx.Response:
    """A provider's. Nobody has sent what a receipt is about: it waits on record."""
    readers: dict[str, ReceiptReader] = {
        "twilio": TwilioReceipts(TOKEN, URL),
        "vonage": VonageReceipts(SECRET),
        "sendgrid": SendGridReceipts(PUBLIC_KEY),
    }
    replies = {"twilio": TwilioReplies(TOKEN, URL)}
    async with client_of(replace(hark.gateway, readers=readers, reply_readers=replies), None) as provider:
        if operation == "twilio_inbound":
            return await answered(provider, "STOP")
        if operation == "twilio_receipts":
            return await twilio(provider, an_sid(), "delivered")
        if operation == "vonage_receipts":
            return await vonage(provider, {"message_uuid": str(uuid.uuid4()), "status": "delivered", "channel": "sms"})
        event = {"event": "delivered", "email": "a@example.com", "timestamp": int(time.time())}
        return await sendgrid(
            provider, {**event, "sg_event_id": secrets.token_hex(8), "sg_message_id": "14c5d75ce93.x"}
        )


async def vonage(client: httpx.AsyncClient, event: Mapping[str, str]) -> httpx.Response:
    body = json.dumps(event).encode()
    headers = VonageReporter(SECRET).sign(Callback("", "", body, ()), datetime.now(UTC), True)
    return await client.post("/v1/receipts/vonage", content=body, headers=dict(headers))


async def answered(client: httpx.AsyncClient, text: str) -> httpx.Response:
    fields = {"MessageSid": an_sid(), "From": "+14155552671", "Body": text}
    signature = RequestValidator(TOKEN).compute_signature(f"{URL}/v1/inbound/twilio", fields)
    return await client.post("/v1/inbound/twilio", data=fields, headers={"X-Twilio-Signature": signature})


async def system(hark: Hark) -> httpx.Response:
    """Of a gateway that Cloud Run runs, whose settings are not quite what they should be."""
    problem = SettingProblem("PUBLIC_URL", SettingState.SUSPICIOUS, "not https: whoever is on the way can read it")
    channels = {"email": ChannelSetup(("log",), (), (problem,))}
    await hark.gateway.relay_runs.ran(datetime.now(UTC))
    gateway = replace(hark.gateway, deployment=Deployment("gateway-00042-abc", None, channels))
    async with client_of(gateway, hark.key) as client:
        return await client.get("/v1/system")


def shape(value: Any) -> Any:
    """The names in a JSON value, and of which type each thing is. A list is like its first item."""
    match value:
        case dict():
            return {name: shape(item) for name, item in value.items()}
        case list():
            return [shape(item) for item in value[:1]]
        case _:
            return type(value).__name__


@pytest.fixture
async def document(hark: Hark) -> Any:
    return (await hark.client.get("/openapi.json")).json()


def validator(document: Any, schema: Any) -> Any:
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})


async def test_each_operation_has_an_example(document: Any) -> None:
    operations = [o["operationId"] for methods in document["paths"].values() for o in methods.values()]
    assert sorted(operations) == sorted([*EXAMPLES, *SIGNED])


@pytest.mark.parametrize("operation_id", [*EXAMPLES, *SIGNED])
async def test_an_example_is_answered_as_it_says(hark: Hark, document: Any, operation_id: str) -> None:
    [(path, method, operation)] = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["operationId"] == operation_id
    ]
    shown = {p["name"]: p["example"] for p in operation.get("parameters", []) if "example" in p}
    assert shown.keys() == {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
    [(media_type, body)] = operation.get("requestBody", {}).get("content", {"": {}}).items()
    assert ("example" in body) == ("requestBody" in operation)
    status, (said, content) = answer_of(operation)

    if operation_id in SIGNED:
        answer = await signed(hark, operation_id)
    elif operation_id == "show_system":
        answer = await system(hark)
    else:
        made = await parameters(hark, operation_id)
        filled = path.format(**{**shown, **made})
        request: dict[str, Any] = {} if not body else {"json" if "json" in media_type else "content": body["example"]}
        async with client_of(hark.gateway, made.get("key", hark.key)) as client:
            answer = await client.request(method.upper(), filled, **request)

    assert answer.status_code == status, answer.text
    if said is None:
        assert answer.content == b""
        return
    got: Any = answer.json() if "json" in answer.headers["content-type"] else answer.text
    if "csv" in answer.headers["content-type"]:
        got, said = ([dict(row) for row in csv.DictReader(io.StringIO(text))] for text in (got, said))
        content = {}
    if operation_id == "list_callers":  # there is also the one that asks
        got["items"] = [caller for caller in got["items"] if caller["id"] == made["caller_id"]]
    assert shape(got) == shape(said)
    for value in (got, said):
        validator(document, content.get("schema", {})).validate(value)
    if body:
        validator(document, body["schema"]).validate(body["example"])
    if operation_id == "read_statistics":
        got |= {name: said[name] for name in ("from", "to", "steps")}
    assert same(got, said), json.dumps(got)


def answer_of(operation: Any) -> tuple[int, tuple[Any, Any]]:
    """The status of the example's answer, the answer, and where it stands in the document."""
    shown = [
        (int(status), content)
        for status, answer in operation["responses"].items()
        for content in answer.get("content", {}).values()
        if "example" in content
    ]
    if not shown:
        example = EXAMPLES.get(operation["operationId"], Example(204))
        assert example.answer is None
        assert str(example.status) in operation["responses"]
        return example.status, (None, {})
    [(status, content)] = shown
    return status, (content["example"], content)


def same(got: Any, said: Any) -> bool:
    """Whether the example's words are the real ones, but for what is new each time."""
    times = {"created_at", "updated_at", "dead_at", "at", "since", "added_at", "planned_at", "good_until"}
    times |= {"now", "relay_ran_at"}
    new = {"id", "notification_id", "updated_by", "created_by", "by", "key", "plan"} | times
    new |= {"address_hash", "pseudonym", "evidence"}  # which names the caller
    new |= {"secret", "event", "about"}  # of endpoints
    new |= {"chain", "hash", "actor", "network"}  # of the audit log
    match said:
        case dict():
            return all(name in new or same(got[name], item) for name, item in said.items())
        case list():
            return all(same(one, other) for one, other in zip(got, said, strict=False))
        case _:
            return bool(got == said)
