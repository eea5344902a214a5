"""`python -m functions.gateway create-caller`: what it makes, and one line when it cannot."""

import asyncio
import os
import subprocess
import sys
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from functions.gateway.access import api_keys
from functions.gateway.access.authentication import CallerCache, Identity
from functions.gateway.access.caller import CallerKind, Scope
from functions.gateway.access.caller_quotas import CallerQuotas
from functions.gateway.access.caller_store import FirestoreCallers
from functions.gateway.audit_trail.entry import digest
from shared.google.firestore.rpc import Rpc
from tests.e2e.stack import ROOT
from tests.integration.gateway import CLOSED_PORT, Hark, client_of


def create(*arguments: str, firestore: str | None, project: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """The command in a process that has only these settings."""
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GOOGLE_CLOUD_PROJECT": project, **settings}
    environ |= {"FIRESTORE_EMULATOR_HOST": firestore} if firestore else {}
    return subprocess.run(
        [sys.executable, "-m", "functions.gateway", "create-caller", "--name", "ops", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def made(done: "subprocess.CompletedProcess[str]") -> str:
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    return done.stdout.strip()


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("hark: ")
    return done.stderr


async def test_it_makes_a_key_with_all_scopes_or_those_named(hark: Hark) -> None:
    where = {"firestore": hark.firestore, "project": hark.project}
    async with client_of(hark.gateway, made(create(**where))) as client:
        assert (await client.get("/v1/callers")).status_code == 200
    (entry,) = (await hark.gateway.audit.trail.store.entries(limit=9, actor="command-line")).items
    assert (entry.action, entry.result, entry.hash) == ("create_caller", "done", digest(entry))
    key = made(create("--kind", "test", "--scope", "notifications:send", **where))
    assert key.startswith("hark_test_")
    async with client_of(hark.gateway, key) as client:
        assert (await client.get("/v1/channels")).status_code == 200
        assert (await client.get("/v1/callers")).status_code == 403


def test_the_same_key_again_is_content_and_another_with_its_id_is_not(hark: Hark) -> None:
    where = {"firestore": hark.firestore, "project": hark.project}
    caller_id = api_keys.new_caller_id()
    key, other = (api_keys.new_key(caller_id, CallerKind.LIVE) for _ in range(2))
    for _ in range(2):
        assert made(create(HARK_API_KEY=key, **where)) == key
    assert "another caller" in refused(create(HARK_API_KEY=other, **where))
    assert "another caller" in refused(create("--scope", Scope.RECIPIENTS_READ, HARK_API_KEY=key, **where))


def test_a_certificate_again_is_content_with_the_same_scopes_alone(hark: Hark) -> None:
    where = {"firestore": hark.firestore, "project": hark.project}
    certificate = ("--kind", "certificate", "--identity", "spiffe://example.com/ops")
    ids = {made(create(*certificate, **where)) for _ in range(2)}
    assert len(ids) == 1
    assert "another caller" in refused(create(*certificate, "--scope", "notifications:send", **where))


def test_what_is_wrong_is_said_in_one_line_without_the_key() -> None:
    where = {"firestore": CLOSED_PORT, "project": f"test-{uuid.uuid4().hex[:12]}"}
    assert "identity" in refused(create("--kind", "certificate", **where))
    secret = "hark_live_canary"  # pragma: allowlist secret
    assert "canary" not in refused(create(HARK_API_KEY=secret, **where))
    assert "Firestore" in refused(create(**where))
    nowhere = create(firestore=None, project=where["project"], GCE_METADATA_HOST=CLOSED_PORT)
    assert "credentials" in refused(nowhere)


@pytest.mark.parametrize("arguments", [("--kind", "root"), ("--scope", "everything")])
def test_words_that_it_does_not_know_are_refused(arguments: tuple[str, str]) -> None:
    done = create(*arguments, firestore=CLOSED_PORT, project="test")
    assert (done.returncode, done.stdout) == (2, "")
    assert arguments[1] in done.stderr


OPENED = """
import asyncio
from functions.gateway import main

async def databases():
    gateway = main._open()
    callers, records = gateway.callers._rpc, gateway.store._rpc
    print(callers.database, records.database, gateway.receipts._rpc is records, callers is records)
    print(callers._channel is records._channel)

asyncio.run(databases())
"""


@pytest.mark.parametrize("named", [None, "", "(default)", "callers"])
def test_the_gateway_has_its_callers_in_their_database_over_the_one_connection(named: str | None) -> None:
    settings = {
        "GOOGLE_CLOUD_PROJECT": "p",
        "FIRESTORE_EMULATOR_HOST": CLOSED_PORT,
        "PUBSUB_EMULATOR_HOST": CLOSED_PORT,
    }
    environ = {"PATH": os.environ["PATH"], **settings, **({} if named is None else {"CALLERS_DATABASE": named})}
    command = [sys.executable, "-c", OPENED]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    records, own = "projects/p/databases/(default)", "projects/p/databases/callers"
    callers = own if named == "callers" else records
    assert done.stdout.splitlines() == [f"{callers} {records} True {callers == records}", "True"]


async def documents(hark: Hark, database: str) -> set[str]:
    """The collections that have a record there."""
    url = f"http://{hark.firestore}/v1/projects/{hark.project}/databases/{database}/documents"
    owner = {"Authorization": "Bearer owner"}
    answer = await hark.emulators.post(f"{url}:listCollectionIds", json={}, headers=owner)
    assert answer.status_code == 200, answer.text
    return set(answer.json().get("collectionIds", []))


async def test_callers_and_what_they_have_used_are_in_their_own_database(hark: Hark) -> None:
    where = {"firestore": hark.firestore, "project": hark.project, "CALLERS_DATABASE": "callers"}
    key = made(create(**where))
    assert made(create(HARK_API_KEY=key, **where)) == key
    assert await documents(hark, "callers") == {"audit", "callers"}
    records = Rpc(hark.channel, f"projects/{hark.project}/databases/(default)", emulated=True)
    callers = FirestoreCallers(records.beside("callers"))
    quotas = CallerQuotas(callers, lambda: datetime.now(UTC))
    own = replace(hark.gateway, callers=callers, identity=Identity(CallerCache(callers)), quotas=quotas)
    before = await hark.documents()
    async with client_of(own, key) as client:
        assert (await client.get("/v1/callers")).json()["items"][0]["id"] == key.split("_")[2]
        await asyncio.gather(*(count.exchange for count in quotas._counts.values() if count.exchange))
        made_there = await client.post("/v1/callers", json={"name": "x", "kind": "live", "scopes": ["callers:manage"]})
        assert (await client.delete(f"/v1/callers/{made_there.json()['id']}?cascade=true")).status_code == 204
    assert await documents(hark, "callers") == {"audit", "callers", "uses", "usage"}
    assert await hark.documents() == before
    async with client_of(hark.gateway, key) as elsewhere:
        assert (await elsewhere.get("/v1/callers")).status_code == 401
