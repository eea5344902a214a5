"""Revoked managers: what they can do no more, what becomes of what they made, and of what is queued of theirs."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.access.authentication import CallerCache, Identity
from functions.gateway.access.caller import Caller, Scope
from functions.gateway.callers import revocation
from functions.gateway.callers.schemas import CallerJson, RevokedJson
from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import Attempt, DeliveryStatus, Outcome
from tests.integration.gateway import Hark, client_of, declared, nothing_done, problem

S = DeliveryStatus
FEW = ["callers:manage", "notifications:send", "notifications:read"]
CALLER: dict[str, Any] = {"name": "x", "kind": "live", "scopes": FEW}


async def made_by(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/v1/callers", json={**CALLER, **changes})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def on_record(hark: Hark, caller_id: str) -> Caller:
    return (await hark.gateway.callers.read([caller_id]))[caller_id]


def elsewhere(hark: Hark, key: str) -> httpx.AsyncClient:
    """A client of another gateway over the same records, which keeps callers for itself."""
    identity = Identity(CallerCache(hark.gateway.callers))
    return client_of(replace(hark.gateway, identity=identity), key)


# A revoked manager


WRITES = [
    ("POST", "/v1/callers", CALLER),
    ("PUT", "/v1/callers/{other}", {"name": "y", "scopes": ["notifications:read"]}),
    ("DELETE", "/v1/callers/{other}", None),
    ("DELETE", "/v1/callers/{other}?cascade=true&stop=true", None),
    ("POST", "/v1/callers/{other}/keys", None),
    ("DELETE", "/v1/callers/{other}/keys/{key}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
@pytest.mark.parametrize("taken", ["everything", "its scope", "its key"])
async def test_a_gateway_that_has_not_heard_of_it_writes_nothing_for_a_revoked_manager(
    hark: Hark, method: str, path: str, body: dict[str, Any] | None, taken: str
) -> None:
    manager, other = await made_by(hark.client), await made_by(hark.client)
    async with elsewhere(hark, manager["key"]) as client:
        assert (await client.get("/v1/callers")).status_code == 200
        match taken:
            case "everything":
                await hark.client.delete(f"/v1/callers/{manager['id']}")
            case "its scope":
                await hark.client.put(
                    f"/v1/callers/{manager['id']}", json={"name": "x", "scopes": ["notifications:send"]}
                )
            case "its key":
                await hark.client.delete(f"/v1/callers/{manager['id']}/keys/{manager['keys'][0]['id']}")
        before = await on_record(hark, other["id"])
        async with nothing_done(hark):
            where = path.format(other=other["id"], key=other["keys"][0]["id"])
            refused = await client.request(method, where, json=body)
            problem(refused, 403 if taken == "its scope" else 401)
        assert await on_record(hark, other["id"]) == before


async def test_one_that_is_revoked_while_it_asks_writes_nothing(hark: Hark, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the fresh read and the write."""
    manager = await made_by(hark.client)
    create = hark.gateway.callers.create

    async def too_late(caller: Caller, by: Caller | None = None) -> None:
        record = await on_record(hark, manager["id"])
        if record.revoked_at is None:
            await hark.gateway.callers.replace(replace(record, revoked_at=datetime.now(UTC)))
        await create(caller, by)

    monkeypatch.setattr(hark.gateway.callers, "create", too_late)
    async with client_of(hark.gateway, manager["key"]) as client, nothing_done(hark):
        problem(await client.post("/v1/callers", json=CALLER), 401)


async def test_reads_cost_no_further_read_of_the_manager(hark: Hark) -> None:
    reads: list[Any] = []
    read = hark.gateway.callers.read

    async def counted(ids: Any) -> Any:
        reads.append(ids)
        return await read(ids)

    hark.gateway.callers.read = counted  # type: ignore[method-assign]
    for _ in range(3):
        assert (await hark.client.get("/v1/callers")).status_code == 200
    assert len(reads) == 1
    problem(await hark.client.post("/v1/callers", json=CALLER, headers={"Authorization": "Bearer x"}), 401)
    assert len(reads) == 1, "strangers cost none"


async def test_the_records_are_needed_for_a_write(hark: Hark, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await hark.client.get("/v1/callers")).status_code == 200

    async def down(_: Any) -> Any:
        raise StoreUnavailable("down")

    monkeypatch.setattr(hark.gateway.callers, "read", down)
    problem(await hark.client.post("/v1/callers", json=CALLER), 503)


# What it made


async def test_who_made_a_caller_is_on_record(hark: Hark) -> None:
    manager = await made_by(hark.client)
    assert manager["created_by"] == hark.key.split("_")[2]
    async with client_of(hark.gateway, manager["key"]) as client:
        made = await made_by(client)
        shown = declared(CallerJson, await client.get(f"/v1/callers/{made['id']}"))
        assert shown["created_by"] == manager["id"]
        own = declared(CallerJson, await client.get(f"/v1/callers/{manager['id']}"))
        assert own["created_by"] is None, "it may not see that one"
    assert (await hark.client.get(f"/v1/callers/{made['id']}")).json()["created_by"] == manager["id"]


async def a_family(hark: Hark) -> tuple[dict[str, Any], list[str], list[str]]:
    """A manager, the ids of what it made (to the third generation), and those of others."""
    manager = await made_by(hark.client)
    ids = []
    async with client_of(hark.gateway, manager["key"]) as client:
        children = [await made_by(client) for _ in range(3)]
    async with client_of(hark.gateway, children[0]["key"]) as client:
        grandchild = await made_by(client)
    async with client_of(hark.gateway, grandchild["key"]) as client:
        last = await made_by(client)
    ids = [made["id"] for made in (*children, grandchild, last)]
    sibling = await made_by(hark.client)
    async with client_of(hark.gateway, sibling["key"]) as client:
        cousin = await made_by(client)
    return manager, ids, [sibling["id"], cousin["id"]]


async def test_cascade_revokes_what_it_made_and_what_that_made(hark: Hark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "PAGE", 2)
    manager, made, others = await a_family(hark)
    assert (await hark.client.delete(f"/v1/callers/{manager['id']}?cascade=true")).status_code == 204
    assert all([(await on_record(hark, i)).revoked_at for i in (manager["id"], *made)])
    assert not any([(await on_record(hark, i)).revoked_at for i in others])
    assert (await hark.client.get("/v1/callers")).status_code == 200
    assert (await hark.client.delete(f"/v1/callers/{manager['id']}?cascade=true")).status_code == 204, "again"


async def test_without_cascade_what_it_made_stays(hark: Hark) -> None:
    manager, made, _ = await a_family(hark)
    for query in ("", "?cascade=false", "?stop=true"):
        assert (await hark.client.delete(f"/v1/callers/{manager['id']}{query}")).status_code == 204
    assert not any([(await on_record(hark, i)).revoked_at for i in made])


async def test_one_that_died_half_way_is_finished_by_asking_again(hark: Hark, monkeypatch: pytest.MonkeyPatch) -> None:
    manager, made, _ = await a_family(hark)
    replace_all, written = hark.gateway.callers.replace_all, 0

    async def dies(callers: Any) -> Any:
        nonlocal written
        if written:
            raise StoreUnavailable("it died")
        written += len(callers[:1])
        return [*await replace_all(callers[:1]), *[False] * len(callers[1:])]

    monkeypatch.setattr(hark.gateway.callers, "replace_all", dies)
    problem(await hark.client.delete(f"/v1/callers/{manager['id']}?cascade=true"), 503)
    assert sum([(await on_record(hark, i)).revoked_at is not None for i in made]) == 1
    monkeypatch.undo()
    assert (await hark.client.delete(f"/v1/callers/{manager['id']}?cascade=true")).status_code == 204
    assert all([(await on_record(hark, i)).revoked_at for i in made])


async def test_what_is_made_meanwhile_is_revoked_too(hark: Hark) -> None:
    manager, made, _ = await a_family(hark)
    keys = [manager["key"]]
    async with client_of(hark.gateway, manager["key"]) as client:
        keys += [(await made_by(client))["key"] for _ in range(3)]

    begun = asyncio.Event()

    async def makes(client: httpx.AsyncClient) -> list[str]:
        """As long as it is let."""
        ids: list[str] = []
        while (answer := await client.post("/v1/callers", json=CALLER)).status_code == 201:
            ids.append(answer.json()["id"])
            begun.set()
        assert answer.status_code == 401, answer.text
        return ids

    async with AsyncExitStack() as gateways:
        clients = [await gateways.enter_async_context(elsewhere(hark, key)) for key in keys]
        # Each gateway makes its application by itself: what FastAPI hushes while it does, several threads would not.
        for client in clients:
            await client.get("/openapi.json")
        making = [asyncio.create_task(makes(client)) for client in clients]
        await asyncio.wait_for(begun.wait(), 10)
        answer = await hark.client.delete(f"/v1/callers/{manager['id']}?cascade=true")
        assert answer.status_code == 204, answer.text
        meanwhile = [i for ids in await asyncio.gather(*making) for i in ids]
    assert all([(await on_record(hark, i)).revoked_at for i in (*made, *meanwhile)])


async def test_keys_that_it_added_to_others_are_revoked_with_it(hark: Hark) -> None:
    manager, service = await made_by(hark.client), await made_by(hark.client, name="billing")
    async with client_of(hark.gateway, manager["key"]) as client:
        added = (await client.post(f"/v1/callers/{service['id']}/keys")).json()
    ours = (await hark.client.post(f"/v1/callers/{service['id']}/keys")).json()
    assert (await hark.client.delete(f"/v1/callers/{manager['id']}?cascade=true")).status_code == 204
    for key, status in ((added["key"], 401), (ours["key"], 200), (service["key"], 200)):
        async with client_of(hark.gateway, key) as client:
            assert (await client.get("/v1/notifications")).status_code == status


async def test_one_that_may_do_more_than_who_asks_is_left_and_what_it_made(hark: Hark) -> None:
    manager = await made_by(hark.client)
    async with client_of(hark.gateway, manager["key"]) as client:
        promoted, child = await made_by(client), await made_by(client)
    async with client_of(hark.gateway, promoted["key"]) as client:
        beneath = await made_by(client)
    await hark.client.put(f"/v1/callers/{promoted['id']}", json={"name": "x", "scopes": list(Scope)})
    asks = await made_by(hark.client)
    async with client_of(hark.gateway, asks["key"]) as client:
        assert (await client.delete(f"/v1/callers/{manager['id']}?cascade=true")).status_code == 204
    assert (await on_record(hark, child["id"])).revoked_at
    for kept in (promoted, beneath, asks):
        assert not (await on_record(hark, kept["id"])).revoked_at


async def test_who_asks_is_not_revoked_by_it(hark: Hark) -> None:
    first = await made_by(hark.client)
    async with client_of(hark.gateway, first["key"]) as client:
        second, third = await made_by(client), await made_by(client)
    async with client_of(hark.gateway, second["key"]) as client:
        assert (await client.delete(f"/v1/callers/{first['id']}?cascade=true")).status_code == 204
        assert (await client.get(f"/v1/callers/{third['id']}")).json()["revoked_at"]
        assert not (await client.get(f"/v1/callers/{second['id']}")).json()["revoked_at"]


async def test_when_there_is_no_time_for_all_the_answer_says_so(hark: Hark, monkeypatch: pytest.MonkeyPatch) -> None:
    manager, made, _ = await a_family(hark)
    monkeypatch.setattr(revocation, "SECONDS", 0.0)
    answer = await hark.client.delete(f"/v1/callers/{manager['id']}?cascade=true&stop=true")
    assert answer.status_code == 202
    assert declared(RevokedJson, answer) == {"revoked": 0, "cancelled": 0, "under_way": 0}
    assert (await on_record(hark, manager["id"])).revoked_at, "it itself is, at once"
    assert not any([(await on_record(hark, i)).revoked_at for i in made])


async def test_a_query_that_is_not_known_revokes_nobody(hark: Hark) -> None:
    manager = await made_by(hark.client)
    for query, field in (
        ("cascades=true", "cascades"),
        ("stop=perhaps", "stop"),
        ("cascade=", "cascade"),
        ("stop=1", "stop"),
    ):
        problem(await hark.client.delete(f"/v1/callers/{manager['id']}?{query}"), 422, field)
    assert not (await on_record(hark, manager["id"])).revoked_at


# What is queued of theirs


async def sent(client: httpx.AsyncClient) -> str:
    body = {"to": {"email": "a@example.com"}, "message": "x"}
    answer = await client.post("/v1/notifications", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def statuses(hark: Hark, ids: list[str]) -> list[str]:
    return [(await hark.client.get(f"/v1/notifications/{i}")).json()["deliveries"][0]["status"] for i in ids]


async def test_stop_cancels_what_nobody_holds_and_leaves_the_rest(hark: Hark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "PAGE", 2)
    caller = await made_by(hark.client)
    now = datetime.now(UTC)
    lost = {"claim": "c", "claimed_at": now - timedelta(minutes=2), "lease_until": now - timedelta(minutes=1)}
    async with client_of(hark.gateway, caller["key"]) as client:
        queued = [await sent(client) for _ in range(5)]
        retrying, deferred, lapsed, done, failed = [await sent(client) for _ in range(5)]
    theirs = await sent(hark.client)
    unsure = Attempt(1, now, Outcome.UNKNOWN, "no answer")
    await hark.set(retrying, "email", S.RETRYING, next_try_at=now, attempts=(unsure,))
    await hark.set(deferred, "email", S.DEFERRED, next_try_at=now + timedelta(hours=1))
    await hark.set(lapsed, "email", S.SENDING, **lost)
    await hark.set(done, "email", S.SENT)
    await hark.set(failed, "email", S.DEAD)
    assert (await hark.client.delete(f"/v1/callers/{caller['id']}?stop=true")).status_code == 204
    ended = [*queued, retrying, deferred, lapsed]
    assert await statuses(hark, ended) == ["cancelled"] * 8
    assert await statuses(hark, [done, failed, theirs]) == ["sent", "dead", "queued"]
    shown = (await hark.client.get(f"/v1/notifications/{lapsed}")).json()
    assert shown["status"] == "cancelled"
    [delivery] = shown["deliveries"]
    assert delivery["error"] == "its caller is revoked; an attempt may have arrived"
    assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["unknown"]
    assert {n["id"] for n in (await hark.client.get("/v1/notifications?status=cancelled")).json()["items"]} == {*ended}


async def test_what_is_under_a_lease_is_not_written_to_and_is_counted(hark: Hark) -> None:
    caller = await made_by(hark.client)
    now = datetime.now(UTC)
    async with client_of(hark.gateway, caller["key"]) as client:
        held, queued = await sent(client), await sent(client)
    lease = {"claim": "c", "claimed_at": now, "lease_until": now + timedelta(minutes=1)}
    before = await hark.set(held, "email", S.SENDING, **lease)
    answer = await hark.client.delete(f"/v1/callers/{caller['id']}?stop=true")
    assert answer.status_code == 202
    assert declared(RevokedJson, answer) == {"revoked": 0, "cancelled": 1, "under_way": 1}
    loaded = await hark.store.load(held, "email")
    assert loaded is not None
    assert loaded[1].version == before.version
    assert await statuses(hark, [queued]) == ["cancelled"]
    await hark.set(held, "email", S.RETRYING, next_try_at=now, lease_until=None)
    assert (await hark.client.delete(f"/v1/callers/{caller['id']}?stop=true")).status_code == 204
    assert await statuses(hark, [held]) == ["cancelled"]


async def test_one_that_is_claimed_meanwhile_is_under_way(hark: Hark, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = await made_by(hark.client)
    async with client_of(hark.gateway, caller["key"]) as client:
        raced = await sent(client)
    update_all = hark.store.update_all

    async def late(deliveries: Any) -> Any:
        monkeypatch.setattr(hark.store, "update_all", update_all)
        now = datetime.now(UTC)
        await hark.set(raced, "email", S.SENDING, claim="c", claimed_at=now, lease_until=now + timedelta(minutes=1))
        return await update_all(deliveries)

    monkeypatch.setattr(hark.store, "update_all", late)
    answer = await hark.client.delete(f"/v1/callers/{caller['id']}?stop=true")
    assert answer.status_code == 202
    assert declared(RevokedJson, answer) == {"revoked": 0, "cancelled": 0, "under_way": 1}
    assert await statuses(hark, [raced]) == ["sending"]


async def test_cascade_and_stop_together_cancel_what_all_of_them_have_queued(hark: Hark) -> None:
    manager = await made_by(hark.client)
    async with client_of(hark.gateway, manager["key"]) as client:
        child = await made_by(client)
        ids = [await sent(client)]
    async with client_of(hark.gateway, child["key"]) as client:
        ids.append(await sent(client))
    assert (await hark.client.delete(f"/v1/callers/{manager['id']}?stop=true")).status_code == 204
    assert await statuses(hark, ids) == ["cancelled", "queued"]
    assert (await hark.client.delete(f"/v1/callers/{manager['id']}?cascade=true&stop=true")).status_code == 204
    assert await statuses(hark, ids) == ["cancelled", "cancelled"]
