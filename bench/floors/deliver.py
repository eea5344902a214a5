"""The raw floor of delivering: two Commits, and one call of the lab's Twilio by aiohttp between them.

FLOOR_IMPORTS: modules to import besides, so that a cold start can be compared with that of a function which needs them.
"""

import base64
import importlib
import json
import os
import uuid
from typing import Any

import aiohttp
import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from bench.floors.protobufs import (
    DATABASE,
    DOCUMENTS,
    ROUTING,
    CommitRequest,
    Document,
    DocumentMask,
    Precondition,
    Write,
    at,
    list_of,
    map_of,
    now,
    number,
    open_commit,
    text,
)

for _name in os.environ.get("FLOOR_IMPORTS", "").split():
    importlib.import_module(_name)

SID = os.environ.get("TWILIO_ACCOUNT_SID", "")
URL = f"{os.environ.get('TWILIO_BASE_URL', '')}/2010-04-01/Accounts/{SID}/Messages.json"
HEADERS = {"Authorization": aiohttp.encode_basic_auth(SID, os.environ.get("TWILIO_AUTH_TOKEN", ""))}
SENDER = os.environ.get("TWILIO_FROM", "")

_commit: Any = None
_session: aiohttp.ClientSession | None = None


@functions_framework.aio.http
async def deliver(request: Request) -> Response:
    global _commit, _session
    if request.method != "POST":
        return Response(status_code=204)
    if _session is None:
        _commit, _session = open_commit(), aiohttp.ClientSession()
    message = json.loads(base64.b64decode(json.loads(await request.body())["message"]["data"]))
    name = f"{DOCUMENTS}/notifications/{message['id']}/deliveries/sms"
    began = now()
    claim = {
        "status": text("sending"),
        "claim": text(uuid.uuid4().hex),
        "claimed_at": at(began),
        "lease_until": at(began + 15),
        "due_at": at(began + 20),
        "updated_at": at(began),
    }
    version = await _update(name, claim, message["version"])
    form = {"To": message["address"], "From": SENDER, "Body": message["message"]}
    async with _session.post(URL, data=form, headers=HEADERS) as answer:
        sent = await answer.json()
    ended = now()
    attempt = {
        "number": number(1),
        "at": at(began),
        "outcome": text("accepted"),
        "duration_ms": number(round((ended - began) * 1000)),
    }
    outcome = {
        "status": text("sent"),
        "attempts": list_of(map_of(attempt)),
        "updated_at": at(ended),
        "provider": text("twilio"),
        "provider_message_id": text(sent["sid"]),
    }
    await _update(name, outcome, version, "due_at", "lease_until")
    return Response(status_code=204)


async def _update(name: str, fields: dict[str, Any], version: int, *removed: str) -> int:
    precondition = Precondition()
    precondition.update_time.FromNanoseconds(version)
    write = Write(
        update=Document(name=name, fields=fields),
        update_mask=DocumentMask(field_paths=[*fields, *removed]),
        current_document=precondition,
    )
    committed = await _commit(CommitRequest(database=DATABASE, writes=[write]), timeout=3, metadata=ROUTING)
    return int(committed.write_results[0].update_time.ToNanoseconds())
