"""Who is let in, by which credentials, and what each may do."""

import asyncio
import base64
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from functions.gateway.access import api_keys
from functions.gateway.access.caller import CallerKind, Scope
from functions.gateway.access.route_scopes import requirement_of
from functions.gateway.callers import changes
from functions.gateway.callers.schemas import CallerJson, CallersJson, NewCallerJson, NewKeyJson
from functions.gateway.fastapi_app import ROUTERS, create_app
from functions.gateway.web import docs_page
from shared.delivery.model import DeliveryStatus
from shared.sending.simulated_provider import SIMULATED
from tests.integration.gateway import (
    MINIMAL,
    BrokenPublisher,
    Hark,
    client_of,
    declared,
    new_caller_in,
    nothing_done,
    problem,
)

PAGES = {"/docs", *(f"/docs/{name}" for name in docs_page.ASSETS), "/console", "/console/{name:path}"}
OPEN = {"/healthz", "/openapi.json", *PAGES}
SIGNED = {"/v1/receipts/twilio", "/v1/receipts/vonage", "/v1/receipts/sendgrid", "/v1/inbound/twilio"}
LINKED = {"/u/{token:path}"}
"""By a token of ours, which only the mail of one person has."""
ANY_CALLER = {"/v1/callers/self"}
CALLER = {"name": "billing", "kind": "live", "scopes": ["notifications:send", "notifications:read"]}


def routes_of(app: FastAPI, hark: Hark) -> Iterator[Route]:
    yield from (r for r in app.routes if isinstance(r, Route))
    for make in ROUTERS:
        yield from (r for r in make(hark.gateway).routes if isinstance(r, Route))


async def test_every_route_declares_its_scope(hark: Hark) -> None:
    seen = set()
    for route in routes_of(create_app(hark.gateway), hark):
        seen.add(route.path)
        if route.path not in OPEN | SIGNED | LINKED:
            assert isinstance(route, APIRoute), route.path
            requirement = requirement_of(route.dependant)
            assert requirement is not None, f"{route.methods} {route.path} declares no caller"
            has_scope = requirement.scope is not None
            assert has_scope is (route.path not in ANY_CALLER), f"{route.methods} {route.path} declares no scope"
    assert seen >= OPEN | SIGNED | LINKED | {"/v1/notifications", "/v1/callers"}


OTHERS = {"version": "1", "operation_id": uuid.uuid4(), "address": "+14155552671", "recipient": "bob"}


async def test_every_route_refuses_without_credentials_and_without_its_scope(hark: Hark) -> None:
    async with client_of(hark.gateway, None) as nobody:
        for route in routes_of(create_app(hark.gateway), hark):
            if route.path in OPEN | SIGNED | LINKED:
                continue
            assert isinstance(route, APIRoute)
            requirement = requirement_of(route.dependant)
            assert requirement is not None
            scope = requirement.scope
            path = route.path_format.format(
                name="alice", notification_id=uuid.uuid4(), channel="sms", caller_id="0" * 16, key_id="0", **OTHERS
            )
            _, without = await hark.caller(scopes=frozenset(Scope) - {scope})
            for method in route.methods or ():
                async with nothing_done(hark):
                    refused = await nobody.request(method, path)
                    problem(refused, 401)
                    assert refused.headers["www-authenticate"] == 'Bearer realm="hark"'
                    if scope is None:
                        continue
                    barred = await without.request(method, path)
                    assert problem(barred, 403)["detail"] == f"this needs the scope {scope}"
                    assert f'scope="{scope}"' in barred.headers["www-authenticate"]


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Basic aGFyazpoYXJr")],
        [("Authorization", "Bearer hark_live_0123456789abcdef_" + "A" * 43)],
        [("Authorization", "Bearer {key}"), ("Authorization", "Bearer {key}")],
        [("Authorization", "bearer\t{key}")],
        [("Authorization", "{key}")],
        [("Authorization", "Bearer {key}x")],
        [("Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")],  # pragma: allowlist secret
        [("X-Api-Key", "{key}")],
        [("Cookie", "Authorization={key}")],
    ],
)
async def test_other_credentials_are_refused(hark: Hark, headers: list[tuple[str, str]]) -> None:
    async with client_of(hark.gateway, None) as client, nothing_done(hark):
        sent = [(name, value.format(key=hark.key)) for name, value in headers]
        refused = await client.post(
            "/v1/notifications", json={"to": {"sms": "+14155552671"}, "message": "x"}, headers=sent
        )
        problem(refused, 401)
        assert refused.headers["www-authenticate"].startswith('Bearer realm="hark"')


async def test_a_caller_is_made_shown_changed_and_revoked(hark: Hark) -> None:
    made = await hark.client.post("/v1/callers", json=CALLER)
    assert made.status_code == 201
    caller = declared(NewCallerJson, made)
    assert made.headers["location"] == f"/v1/callers/{caller['id']}"
    assert api_keys.parse(caller["key"]) == (CallerKind.LIVE, caller["id"])
    shown = declared(CallerJson, await hark.client.get(f"/v1/callers/{caller['id']}"))
    assert shown == {name: value for name, value in caller.items() if name != "key"}
    assert caller["key"] not in (await hark.client.get("/v1/callers")).text

    async with client_of(hark.gateway, caller["key"]) as client:
        assert (await client.get("/v1/notifications")).status_code == 200
        problem(await client.get("/v1/recipients"), 403)
        wider = {"name": "billing", "scopes": ["recipients:read"]}
        changed = declared(CallerJson, await hark.client.put(f"/v1/callers/{caller['id']}", json=wider))
        assert changed["scopes"] == ["recipients:read"]
        assert (await client.get("/v1/recipients")).status_code == 200
        problem(await client.get("/v1/notifications"), 403)
        assert (await hark.client.delete(f"/v1/callers/{caller['id']}")).status_code == 204
        problem(await client.get("/v1/recipients"), 401)
    again = declared(CallerJson, await hark.client.get(f"/v1/callers/{caller['id']}"))
    assert again["revoked_at"] is not None


async def test_keys_are_changed_without_a_gap(hark: Hark) -> None:
    caller = (await hark.client.post("/v1/callers", json=CALLER)).json()
    answer = await hark.client.post(f"/v1/callers/{caller['id']}/keys")
    assert answer.status_code == 201
    second = declared(NewKeyJson, answer)
    for key in (caller["key"], second["key"]):
        async with client_of(hark.gateway, key) as client:
            assert (await client.get("/v1/notifications")).status_code == 200
    first = caller["keys"][0]["id"]
    assert (await hark.client.delete(f"/v1/callers/{caller['id']}/keys/{first}")).status_code == 204
    for key, status in ((caller["key"], 401), (second["key"], 200)):
        async with client_of(hark.gateway, key) as client:
            assert (await client.get("/v1/notifications")).status_code == status
    problem(await hark.client.delete(f"/v1/callers/{caller['id']}/keys/none"), 404)


async def test_what_firestore_holds_of_a_key_is_useless(hark: Hark) -> None:
    caller = (await hark.client.post("/v1/callers", json=CALLER)).json()
    url = f"http://{hark.firestore}/v1/projects/{hark.project}/databases/(default)/documents/callers/{caller['id']}"
    stored = (await hark.emulators.get(url)).text
    assert caller["key"] not in stored
    assert caller["key"].split("_", 3)[3] not in stored
    [hashed] = re.findall(r'"([0-9a-f]{64})"', stored)
    for stolen in (hashed, f"hark_live_{caller['id']}_{hashed[:43]}"):
        async with client_of(hark.gateway, stolen) as thief:
            problem(await thief.get("/v1/notifications"), 401)


async def test_callers_are_listed_page_by_page_with_their_last_use(hark: Hark) -> None:
    ids = {(await hark.client.post("/v1/callers", json=CALLER)).json()["id"] for _ in range(4)}
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = declared(CallersJson, await hark.client.get("/v1/callers", params=query))
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert {caller["id"] for caller in found} == ids | {hark.key.split("_")[2]}
    used = {caller["id"]: caller["last_used_at"] for caller in found}
    assert all(used[i] is None for i in ids)
    problem(await hark.client.get("/v1/callers", params={"cursor": "x"}), 422, "cursor")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"kind": "root"}, "kind"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"scopes": ["notifications:read"] * 2}, "scopes"),
        ({"channels": ["fax"]}, "channels.0"),
        ({"channels": []}, "channels"),
        ({"recipients": ["-x"]}, "recipients.0"),
        ({"addresses": {"sms": ["+14155552671"]}}, "addresses"),
        ({"kind": "team"}, "addresses"),
        ({"kind": "team", "addresses": {"sms": ["12"]}}, "addresses.sms"),
        ({"kind": "team", "addresses": {"fax": ["12"]}}, "addresses.fax"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"requests_per_minute": "10"}, "requests_per_minute"),
        ({"notifications_per_day": -1}, "notifications_per_day"),
        ({"identity": "spiffe://x/y"}, "identity"),
        ({"kind": "certificate"}, "identity"),
        ({"kind": "certificate", "identity": "sha256:XY"}, "identity"),
        ({"kind": "certificate", "identity": "a b"}, "identity"),
        ({"kind": "certificate", "identity": "a.example", "issuer": "x"}, "issuer"),
        ({"kind": "token", "identity": "sub", "issuer": "https://evil.example"}, "issuer"),
        ({"key": "hark_live_x"}, "key"),
        ({"id": "x"}, "id"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_written(hark: Hark, change: dict[str, Any], field: str) -> None:
    async with nothing_done(hark):
        problem(await hark.client.post("/v1/callers", json={**CALLER, **change}), 422, field)


async def test_nobody_makes_or_takes_over_a_caller_that_may_do_more(hark: Hark) -> None:
    manager, client = await hark.caller(scopes=frozenset({Scope.CALLERS_MANAGE, Scope.NOTIFICATIONS_SEND}))
    more = (await hark.client.post("/v1/callers", json=CALLER)).json()["id"]
    async with nothing_done(hark):
        problem(await client.post("/v1/callers", json=CALLER), 403)
        problem(await client.post(f"/v1/callers/{more}/keys"), 404)
        problem(await client.put(f"/v1/callers/{more}", json={"name": "x", "scopes": ["notifications:send"]}), 404)
        problem(await client.put(f"/v1/callers/{manager.id}", json={"name": "x", "scopes": list(Scope)}), 403)
        problem(await client.delete(f"/v1/callers/{more}"), 404)
    own = {"name": "x", "kind": "live", "scopes": ["notifications:send"]}
    assert (await client.post("/v1/callers", json=own)).status_code == 201
    for kind in (CallerKind.TEST, CallerKind.TEAM):
        _, limited = await hark.caller(kind=kind, addresses={})
        problem(await limited.post("/v1/callers", json=CALLER), 403)


# What a caller sees and may reach


async def test_a_caller_sees_only_its_own_notifications(hark: Hark) -> None:
    theirs = await hark.dead()
    scopes = frozenset(Scope) - {Scope.NOTIFICATIONS_READ_ALL}
    _, client = await hark.caller(scopes=scopes)
    own = (await client.post("/v1/notifications", json={"to": {"sms": "+14155552671"}, "message": "mine"})).json()["id"]
    await hark.set(own, "sms", DeliveryStatus.DEAD)
    assert [n["id"] for n in (await client.get("/v1/notifications")).json()["items"]] == [own]
    assert [n["id"] for n in (await client.get("/v1/notifications?status=dead")).json()["items"]] == [own]
    assert [d["notification_id"] for d in (await client.get("/v1/dead-letters")).json()["items"]] == [own]
    async with nothing_done(hark):
        problem(await client.get(f"/v1/notifications/{theirs}"), 404)
        problem(await client.post(f"/v1/dead-letters/{theirs}/email/replay"), 404)
        problem(await client.delete(f"/v1/dead-letters/{theirs}/email"), 404)
    assert {n["id"] for n in (await hark.client.get("/v1/notifications")).json()["items"]} == {own, theirs}


async def test_two_callers_with_one_idempotency_key_have_two_notifications(hark: Hark) -> None:
    _, other = await hark.caller()
    body = {"to": {"email": "a@example.com"}, "message": "x"}
    key = {"Idempotency-Key": "one"}
    ids = {
        (await client.post("/v1/notifications", json=body, headers=key)).json()["id"] for client in (hark.client, other)
    }
    assert len(ids) == 2


async def test_limits_to_channels_hold(hark: Hark) -> None:
    _, client = await hark.caller(channels=frozenset({"sms"}))
    await hark.client.put("/v1/recipients/alice", json={"addresses": {"sms": "+14155552671", "email": "a@example.com"}})
    both = {"sms": "+14155552671", "email": "a@example.com"}
    async with nothing_done(hark):
        problem(await client.post("/v1/notifications", json={"to": both, "message": "x"}), 403)
        asked = {"recipient": "alice", "channels": ["email"], "message": "x"}
        problem(await client.post("/v1/notifications", json=asked), 403)
    sent = await client.post("/v1/notifications", json={"recipient": "alice", "message": "x"})
    assert [d["channel"] for d in sent.json()["deliveries"]] == ["sms"], "by default, those that it may use"


async def test_limits_hold_for_the_writing_of_recipients(hark: Hark) -> None:
    alice, bob = "/v1/recipients/alice", "/v1/recipients/bob"
    sms = {"addresses": {"sms": "+14155552671"}}
    await hark.client.put(alice, json={"addresses": {**sms["addresses"], "email": "a@example.com"}})
    before = (await hark.client.get(alice)).json()
    _, by_sms = await hark.caller(channels=frozenset({"sms"}))
    _, team = await hark.caller(kind=CallerKind.TEAM, addresses={"sms": ("+14155552671",)})
    for client in (by_sms, team):
        async with nothing_done(hark):
            problem(await client.put(alice, json=sms), 403)
            problem(await client.put(alice, json={"addresses": {"email": "b@example.com"}}), 403)
            problem(await client.put(bob, json={"addresses": {"email": "b@example.com"}}), 403)
            problem(await client.delete(alice), 403)
        assert (await client.put(bob, json=sms)).status_code == 201
        assert (await client.put(bob, json=sms)).status_code == 200
        assert (await client.delete(bob)).status_code == 204
        problem(await client.delete(bob), 404)
    assert (await hark.client.get(alice)).json() == before
    assert before["updated_by"] == hark.key.split("_")[2]


async def test_limits_to_recipients_hold(hark: Hark) -> None:
    _, client = await hark.caller(recipients=("team-a.", "team-b.", "team-b.x"))
    for name in ("team-a.z", "team-b.x1", "team-b.y", "team-c.x", "alice"):
        await hark.client.put(f"/v1/recipients/{name}", json={"addresses": {"email": "a@example.com"}})
    found: list[str] = []
    cursor = None
    for _ in range(3):
        page = (
            await client.get("/v1/recipients", params={"limit": 1, **({"cursor": cursor} if cursor else {})})
        ).json()
        found += [r["name"] for r in page["items"]]
        cursor = page["next_cursor"]
    assert (found, cursor) == (["team-a.z", "team-b.x1", "team-b.y"], None)
    async with nothing_done(hark):
        problem(await client.post("/v1/notifications", json={"to": {"email": "a@example.com"}, "message": "x"}), 403)
        problem(await client.post("/v1/notifications", json={"recipient": "alice", "message": "x"}), 403)
        for name in ("alice", "team-c.x", "nobody"):
            problem(await client.get(f"/v1/recipients/{name}"), 403)
            problem(await client.delete(f"/v1/recipients/{name}"), 403)
            problem(await client.put(f"/v1/recipients/{name}", json={"addresses": {"email": "b@example.com"}}), 403)
    assert (await client.post("/v1/notifications", json={"recipient": "team-b.y", "message": "x"})).status_code == 202


async def test_a_team_key_sends_only_to_its_listed_addresses(hark: Hark) -> None:
    request = {
        **CALLER,
        "scopes": list(Scope),
        "kind": "team",
        "addresses": {"sms": ["+1 415 555 2671"], "email": ["b@EXAMPLE.com"]},
    }
    caller = (await hark.client.post("/v1/callers", json=request)).json()
    await hark.client.put("/v1/recipients/alice", json={"addresses": {"email": "a@example.com"}})
    theirs = await hark.dead()
    async with client_of(hark.gateway, caller["key"]) as client:
        async with nothing_done(hark):
            for body in (
                {"to": {"sms": "+14155552672"}},
                {"recipient": "alice"},
                {"to": {"sms": "+14155552671", "email": "a@b.co"}},
            ):
                problem(await client.post("/v1/notifications", json={**body, "message": "x"}), 403)
            problem(await client.post(f"/v1/dead-letters/{theirs}/email/replay"), 404)
        to = {"sms": "+14155552671", "email": "b@example.com"}
        assert (await client.post("/v1/notifications", json={"to": to, "message": "x"})).status_code == 202


async def test_what_a_test_key_sends_is_marked_on_its_whole_way(hark: Hark) -> None:
    _, client = await hark.caller(kind=CallerKind.TEST)
    sent = (await client.post("/v1/notifications", json={"to": {"sms": "+14155552671"}, "message": "x"})).json()
    loaded = await hark.store.load(sent["id"], "sms")
    assert loaded is not None
    assert loaded[0].simulated
    assert loaded[1].simulated
    [message] = await hark.published("sms")
    assert message.content is not None
    assert message.content.simulated
    assert SIMULATED.name == "simulated"


async def test_a_limit_of_requests_is_a_429_with_retry_after(hark: Hark) -> None:
    _, client = await hark.caller(requests_per_minute=3, notifications_per_day=1)
    body = {"to": {"sms": "+14155552671"}, "message": "x"}
    assert (await client.post("/v1/notifications", json=body)).status_code == 202
    over = await client.post("/v1/notifications", json=body)
    problem(over, 429)
    assert int(over.headers["retry-after"]) > 0
    answers = [await client.get("/v1/notifications") for _ in range(6)]
    assert answers[-1].status_code == 429
    assert 0 < int(answers[-1].headers["retry-after"]) <= 61


async def test_a_days_limit_holds_for_requests_that_come_at_once(hark: Hark) -> None:
    _, client = await hark.caller(notifications_per_day=5)
    answers = await asyncio.gather(*(client.post("/v1/notifications", json=MINIMAL) for _ in range(40)))
    assert Counter(answer.status_code for answer in answers) == {202: 5, 429: 35}


async def test_what_was_accepted_can_be_asked_for_again_when_the_limit_is_reached(hark: Hark) -> None:
    _, client = await hark.caller(notifications_per_day=1)
    key = {"Idempotency-Key": "one"}
    first = await client.post("/v1/notifications", json=MINIMAL, headers=key)
    for _ in range(3):
        again = await client.post("/v1/notifications", json=MINIMAL, headers=key)
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    problem(await client.post("/v1/notifications", json=MINIMAL), 429)


async def test_a_503_that_is_on_record_has_been_counted(hark: Hark) -> None:
    _, key = await new_caller_in(hark.gateway.callers, notifications_per_day=1)
    broken = BrokenPublisher(hark.gateway.publisher)
    async with client_of(replace(hark.gateway, publisher=broken), key) as client:
        problem(await client.post("/v1/notifications", json=MINIMAL, headers={"Idempotency-Key": "one"}), 503)
        broken.broken = False
        problem(await client.post("/v1/notifications", json=MINIMAL, headers={"Idempotency-Key": "two"}), 429)
        again = await client.post("/v1/notifications", json=MINIMAL, headers={"Idempotency-Key": "one"})
        assert again.status_code == 202


async def test_a_replay_keeps_within_limits_that_came_later(hark: Hark) -> None:
    made = (await hark.client.post("/v1/callers", json={**CALLER, "scopes": list(Scope)})).json()
    async with client_of(hark.gateway, made["key"]) as client:
        sent = (await client.post("/v1/notifications", json=MINIMAL)).json()["id"]
        await hark.set(sent, "email", DeliveryStatus.DEAD)
        for limit in ({"recipients": ["team-"]}, {"channels": ["sms"]}):
            narrowed = {"name": "x", "scopes": list(Scope), **limit}
            assert (await hark.client.put(f"/v1/callers/{made['id']}", json=narrowed)).status_code == 200
            problem(await client.post(f"/v1/dead-letters/{sent}/email/replay"), 403)


async def test_a_manager_sees_only_callers_that_it_may_manage(hark: Hark) -> None:
    team = {**CALLER, "kind": "team", "addresses": {"sms": ["+14155552671"]}}
    hidden = (await hark.client.post("/v1/callers", json=team)).json()["id"]
    manager, client = await hark.caller(kind=CallerKind.TEST)
    listed = (await client.get("/v1/callers")).json()["items"]
    assert [caller["id"] for caller in listed] == [manager.id]
    problem(await client.get(f"/v1/callers/{hidden}"), 404)


async def test_a_caller_that_one_may_not_see_is_answered_for_like_one_that_is_not_there(hark: Hark) -> None:
    hidden = (await hark.client.post("/v1/callers", json={**CALLER, "scopes": list(Scope)})).json()
    _, client = await hark.caller(scopes=frozenset({Scope.CALLERS_MANAGE}))
    change = {"name": "x", "scopes": ["callers:manage"]}
    team = {**change, "addresses": {"sms": ["+14155552671"]}}
    key = hidden["keys"][0]["id"]
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", change),
        ("PUT", "", team),
        ("DELETE", "", None),
        ("DELETE", "?cascade=true", None),
        ("DELETE", "?stop=true", None),
        ("POST", "/keys", None),
        ("DELETE", f"/keys/{key}", None),
        ("DELETE", "/keys/00000000", None),
    ):
        async with nothing_done(hark):
            there = await client.request(method, f"/v1/callers/{hidden['id']}{path}", json=body)
            absent = await client.request(method, f"/v1/callers/{'0' * 16}{path}", json=body)
        assert problem(there, 404) == problem(absent, 404)
        assert there.headers == absent.headers
    async with client_of(hark.gateway, hidden["key"]) as still:
        assert (await still.get("/v1/callers")).status_code == 200


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_pages_of_callers_tell_nothing_of_those_that_one_may_not_see(
    hark: Hark, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(changes, "PAGE", 2)
    own = CALLER | {"scopes": ["callers:manage"]}
    seen = {(await hark.client.post("/v1/callers", json=own)).json()["id"] for _ in range(4)}
    hidden = {(await hark.client.post("/v1/callers", json=CALLER)).json()["id"] for _ in range(7)}
    manager, client = await hark.caller(scopes=frozenset({Scope.CALLERS_MANAGE}))
    found: list[str] = []
    cursor = None
    while True:
        page = (
            await client.get("/v1/callers", params={"limit": limit} | ({"cursor": cursor} if cursor else {}))
        ).json()
        found += [caller["id"] for caller in page["items"]]
        cursor = page["next_cursor"]
        assert not any(i in base64.urlsafe_b64decode(cursor or "").decode() for i in (*hidden, hark.key.split("_")[2]))
        if cursor is None:
            break
        assert len(page["items"]) == limit, "as if the others were not there"
    assert found == sorted({*seen, manager.id})


async def test_who_made_a_caller_is_not_told_to_one_that_may_not_see_that_one(hark: Hark) -> None:
    own = CALLER | {"scopes": ["callers:manage"]}
    made = (await hark.client.post("/v1/callers", json=own)).json()["id"]
    _, client = await hark.caller(scopes=frozenset({Scope.CALLERS_MANAGE}))
    changed = await client.put(f"/v1/callers/{made}", json={"name": "x", "scopes": ["callers:manage"]})
    for answer in (await client.get(f"/v1/callers/{made}"), await client.get("/v1/callers"), changed):
        assert answer.status_code == 200
        assert hark.key.split("_")[2] not in answer.text
        assert '"created_by":null' in answer.text


async def test_a_dead_letter_or_notification_of_others_is_answered_for_like_one_that_is_not_there(hark: Hark) -> None:
    theirs, nobodys = await hark.dead(), str(uuid.uuid4())
    _, client = await hark.caller(scopes=frozenset(Scope) - {Scope.NOTIFICATIONS_READ_ALL})
    for method, path in (
        ("GET", "/v1/notifications/{}"),
        ("POST", "/v1/dead-letters/{}/email/replay"),
        ("POST", "/v1/dead-letters/{}/fax/replay"),
        ("DELETE", "/v1/dead-letters/{}/email"),
    ):
        there, absent = [await client.request(method, path.format(i)) for i in (theirs, nobodys)]
        assert problem(there, 404) == problem(absent, 404)


async def test_a_record_of_a_newer_version_is_in_nobodys_way(hark: Hark) -> None:
    newer = (await hark.client.post("/v1/callers", json=CALLER)).json()
    unreadable = (await hark.client.post("/v1/callers", json=CALLER)).json()
    for made, field, value in (
        (newer, "scopes", {"arrayValue": {"values": [{"stringValue": "notifications:read"}, {"stringValue": "new"}]}}),
        (unreadable, "kind", {"stringValue": "new"}),
    ):
        url = f"http://{hark.firestore}/v1/projects/{hark.project}/databases/(default)/documents/callers/{made['id']}"
        patched = await hark.emulators.patch(
            url, params={"updateMask.fieldPaths": field}, json={"fields": {field: value}}
        )
        assert patched.status_code == 200, patched.text
    for limit in ("1", "50"):
        page = await hark.client.get("/v1/callers", params={"limit": limit})
        assert page.status_code == 200
    assert {caller["id"] for caller in page.json()["items"]} == {newer["id"], hark.key.split("_")[2]}
    async with client_of(hark.gateway, newer["key"]) as client:
        assert (await client.get("/v1/notifications")).status_code == 200
        problem(await client.get("/v1/channels"), 403)
    # Whether a key opens it, nobody can tell: it is not said to be wrong.
    async with client_of(hark.gateway, unreadable["key"]) as client:
        problem(await client.get("/v1/notifications"), 500)
    for answer in (
        await hark.client.get(f"/v1/callers/{unreadable['id']}"),
        await hark.client.delete(f"/v1/callers/{unreadable['id']}"),
    ):
        assert "cannot be read" in problem(answer, 500)["detail"]


async def test_a_caller_made_by_hand_is_known(hark: Hark) -> None:
    _, key = await new_caller_in(hark.gateway.callers)
    async with client_of(hark.gateway, key) as client:
        assert (await client.get("/v1/channels")).status_code == 200
