"""Which requests have an entry, and what it says."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from functions.gateway.access.caller import Scope
from functions.gateway.audit_trail.acts import AUDITED
from functions.gateway.audit_trail.entry import AuditEntry
from functions.gateway.audit_trail.recording import Audit
from functions.gateway.audit_trail.refusals import MOST
from functions.gateway.fastapi_app import ROUTERS
from shared.delivery.errors import StoreUnavailable
from shared.runtime import logs
from shared.sending.channel_states import ChannelState
from tests.checkout import ROOT
from tests.fakes.api import Api
from tests.fakes.audit import MemoryAudit
from tests.integration.canaries import ADDRESS, ALL, MESSAGE, REQUEST, SUBJECT, TOKEN, Output, assert_gives_nothing_away
from tests.integration.gateway import ADDRESS_HASH, client_of

NOT_AUDITED = {
    "send_notification": "the notification is its own record, with its caller",
    "send_batch": "each of its notifications is its own record, with its caller",
    "explain_request": "it changes nothing",
    "preview_template": "it changes nothing",
    "test_endpoint": "what it sends is its own record",
    "sendgrid_receipts": "a provider's word, which stands on the delivery",
    "twilio_receipts": "a provider's word, which stands on the delivery",
    "vonage_receipts": "a provider's word, which stands on the delivery",
    "twilio_inbound": "a person's word, which stands on the suppression as its evidence",
    "act": "a person's word on their page, which stands on the suppression as its evidence",
}
"""Those that are not GET and have no entry, and why."""


def entries(api: Api) -> list[AuditEntry]:
    """The oldest first."""
    store: Any = api.gateway.audit.trail.store
    assert isinstance(store, MemoryAudit)
    return list(store.records.values())


def test_each_route_that_is_no_reading_is_audited_or_it_is_said_why_not(api: Api) -> None:
    made = [route for make in ROUTERS for route in make(api.gateway).routes]
    routes = [route for route in made if isinstance(route, APIRoute)]
    writing = {route.name for route in routes if (route.methods or set()) - {"GET", "HEAD"}}
    assert writing == {*AUDITED, *NOT_AUDITED}
    assert not {*AUDITED} & {*NOT_AUDITED}


async def test_an_act_is_told_with_who_what_from_where_and_its_result(api: Api) -> None:
    caller, client = await api.caller()
    await client.post("/v1/channels/sms/pause", json={"reason": MESSAGE})
    (entry,) = entries(api)
    assert (entry.actor, entry.action, entry.record) == (caller.id, "pause_channel", "channels/sms")
    assert (entry.result, entry.status, entry.network) == ("done", 200, "127.0.0.0/24")


async def test_what_is_made_is_named(api: Api, client: httpx.AsyncClient) -> None:
    made = (await client.post("/v1/callers", json={"name": "x", "kind": "live", "scopes": ["lists:read"]})).json()
    (entry,) = entries(api)
    assert (entry.action, entry.record, entry.made) == ("create_caller", "callers", f"callers/{made['id']}")
    await client.delete(f"/v1/callers/{made['id']}/keys/{made['keys'][0]['id']}")
    assert entries(api)[-1].record == f"callers/{made['id']}/keys/{made['keys'][0]['id']}"


async def test_sending_and_reading_and_dry_runs_and_what_is_not_done_have_no_entry(
    api: Api, client: httpx.AsyncClient
) -> None:
    assert (await client.post("/v1/notifications", json=REQUEST)).status_code == 202
    assert (await client.post("/v1/batches", json={"items": [{**REQUEST, "key": "k"}]})).status_code == 200
    assert (await client.get("/v1/notifications")).status_code == 200
    assert (await client.post("/v1/channels/sms/pause", json={"reason": "x", "dry_run": True})).status_code == 200
    caller, _ = await api.caller()
    assert (await client.delete(f"/v1/callers/{caller.id}", params={"dry_run": "true"})).status_code == 200
    assert (await client.delete("/v1/recipients/nobody")).status_code == 404
    assert (await client.put("/v1/recipients/alice", json={"addresses": 3})).status_code == 422
    assert entries(api) == []


async def test_what_has_begun_and_has_no_entry_says_that_it_has_ended(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is left without an end is what a process died over."""
    logs.configure()
    assert (await client.delete("/v1/recipients/nobody")).status_code == 404
    assert (await client.post("/v1/channels/sms/pause", json={"reason": "x", "dry_run": True})).status_code == 200
    assert (await client.post("/v1/channels/sms/resume")).status_code == 200
    told = [line["message"] for line in Output(capsys).all_lines()]
    assert told == ["an act begins", "an act ends", "an act begins", "an act ends", "an act begins", "audit"]


async def test_a_refusal_is_an_entry_of_every_route(api: Api) -> None:
    caller, client = await api.caller(scopes=frozenset({Scope.LISTS_READ}))
    assert (await client.post("/v1/notifications", json=REQUEST)).status_code == 403
    assert (await client.get(f"/v1/recipients/{ADDRESS}")).status_code == 403
    assert (await client.put(f"/v1/templates/{TOKEN}", json={})).status_code == 403
    told = [(e.actor, e.action, e.result, e.status, e.record.partition("~")[0]) for e in entries(api)]
    assert told == [
        (caller.id, "send_notification", "refused", 403, "notifications"),
        (caller.id, "read_recipient", "refused", 403, "recipients/"),
        (caller.id, "publish_template", "refused", 403, "templates/"),
    ]
    assert_gives_nothing_away(json.dumps([asdict(e) for e in entries(api)], default=str))


async def test_of_many_refusals_a_few_have_an_entry_and_the_rest_is_counted(api: Api) -> None:
    caller, client = await api.caller(scopes=frozenset({Scope.LISTS_READ}))
    for _ in range(MOST + 7):
        assert (await client.get("/v1/callers")).status_code == 403
    assert [e.left_out for e in entries(api)] == [0] * MOST
    await after_a_minute(api.gateway.audit)
    last = entries(api)[-1]
    assert (last.actor, last.action, last.result, last.left_out) == (caller.id, "refusals", "refused", 7)
    await after_a_minute(api.gateway.audit)
    assert len(entries(api)) == MOST + 1, "it is told once"


async def after_a_minute(audit: Audit) -> None:
    now = audit.now
    audit.now = lambda: now() + timedelta(minutes=1)
    await audit.tell_left_out()


async def test_whom_nobody_knows_leaves_lines_alone_and_few(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    async with client_of(api.gateway, TOKEN) as stranger:
        for _ in range(MOST):
            assert (await stranger.post("/v1/notifications", json=REQUEST)).status_code == 401
            assert (await stranger.delete(f"/v1/recipients/{ADDRESS}")).status_code == 401
    assert entries(api) == []
    lines = Output(capsys).lines()
    assert [line["message"] for line in lines] == ["refused: nobody is known"] * MOST
    assert {line["network"] for line in lines} == {"127.0.0.0/24"}


async def test_a_fault_is_an_entry_that_says_that_nobody_knows(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def put(_: ChannelState) -> None:
        raise StoreUnavailable("the answer is lost")

    monkeypatch.setattr(api.channel_states, "put", put)
    assert (await client.post("/v1/channels/sms/resume")).status_code == 200, "it is not paused: nothing is written"
    assert (await client.post("/v1/channels/sms/pause", json={"reason": "x"})).status_code == 503
    assert [(entry.result, entry.status, entry.record[:9]) for entry in entries(api)] == [
        ("done", 200, "channels/"),
        ("unknown", 503, "channels/"),
    ]


async def test_who_did_it_has_the_answer_though_the_entry_cannot_be_written(
    api: Api, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    store: Any = api.gateway.audit.trail.store
    store.failing = 2
    assert (await client.post("/v1/channels/sms/pause", json={"reason": MESSAGE})).status_code == 200
    assert "an act could not be put on record" in [line["message"] for line in Output(capsys).lines()]
    await client.post("/v1/channels/sms/resume")
    assert [entry.lost for entry in entries(api)] == [1]


async def test_no_address_text_or_key_is_in_an_entry_or_in_its_line(
    api: Api, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    person = ADDRESS.replace("/", "-")
    addresses = {"addresses": {"email": ADDRESS}, "attributes": {"a": SUBJECT}}
    assert (await client.put(f"/v1/recipients/{person}", json=addresses)).status_code == 201
    evidence = {"reason": "manual", "evidence": MESSAGE}
    assert (await client.put(f"/v1/suppressions/email/{ADDRESS}", json=evidence)).status_code == 201
    name = "Kx93vQzLw81mTpYd"
    assert (await client.put(f"/v1/lists/{name}", json={"description": ALL})).status_code == 201
    assert (await client.put(f"/v1/lists/{name}/members/{person}")).status_code == 204
    assert (await client.delete(f"/v1/suppressions/email/{ADDRESS}")).status_code == 204
    assert (await client.post(f"/v1/recipients/{person}/erase")).status_code == 202
    assert (await client.post("/v1/channels/sms/pause", json={"reason": ALL})).status_code == 200
    made = await client.post("/v1/callers", json={"name": MESSAGE, "kind": "live", "scopes": ["lists:read"]})
    told = json.dumps([asdict(entry) for entry in entries(api)], default=str)
    assert len(entries(api)) == 8
    assert_gives_nothing_away(told, made.json()["key"].rpartition("_")[2])
    Output(capsys).all_lines(made.json()["key"].rpartition("_")[2])


async def test_a_suppression_is_named_as_its_record_is(api: Api, client: httpx.AsyncClient) -> None:
    """Whoever has the address finds its acts, and nobody else."""
    await client.put("/v1/suppressions/email/A@Example.com", json={"reason": "manual"})
    (entry,) = entries(api)
    assert entry.record == f"suppressions/email/~{ADDRESS_HASH('email', 'a@example.com')}"


DYING = """
import asyncio
from shared.runtime import failpoints, logs
from tests.fakes.api import Api

async def main():
    logs.configure()
    client = await Api().client()
    failpoints.arm("gateway.acted:1")
    await client.post("/v1/channels/sms/pause", json={"reason": "x"})
    print("answered")

asyncio.run(main())
"""


def test_a_process_that_dies_between_the_act_and_its_entry_leaves_the_line_of_its_beginning() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DYING],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["message"] for line in lines] == ["an act begins", "channel is set"]
    assert lines[0]["action"] == "pause_channel"
    assert lines[0]["actor"] == lines[1]["by"]
