"""What an accept does and in which order, what it tells of recipients, and what counts toward a caller's limits."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import CallerKind, Scope
from shared.channels.declaration import Screen
from tests.fakes.api import Api
from tests.integration.gateway import MINIMAL, problem

SEND = frozenset({Scope.NOTIFICATIONS_SEND})
OWN = SEND | {Scope.NOTIFICATIONS_READ, Scope.DEAD_LETTERS_MANAGE}
ADDRESSES = {"email": "zq7kvx1m@wj4tnb9p.test", "sms": "+14155552671", "slack": "U0ZQ7KVX1M"}
KEY = {"Idempotency-Key": "one"}
TO_ALICE = {"recipient": "alice", "message": "Build 42 is live"}
POST = "/v1/notifications"


async def with_alice(api: Api) -> None:
    put = await (await api.client()).put("/v1/recipients/alice", json={"addresses": ADDRESSES})
    assert put.status_code == 201, put.text


def shown(answer: httpx.Response) -> list[str | None]:
    """The addresses in a notification."""
    assert answer.status_code in {200, 202}, answer.text
    return [delivery["address"] for delivery in answer.json()["deliveries"]]


def tells_no_address(answer: httpx.Response) -> bool:
    text = answer.text + str(answer.headers.raw)
    return not any(address.lower() in text.lower() for address in ADDRESSES.values())


# The order of what is done


async def test_what_is_published_is_on_record_before_and_answered_after(api: Api) -> None:
    client = await api.client()
    await client.post(POST, json=MINIMAL)
    assert api.order == ["create", "create done", "publish", "publish done"]


async def test_a_commit_that_fails_publishes_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.gateway.notifications.acceptance.CREATE_SECONDS", 0)
    client = await api.client()
    api.store.down("create")
    problem(await client.post(POST, json=MINIMAL), 503)
    assert "publish" not in api.order


async def test_a_replay_is_on_record_before_it_is_published(api: Api) -> None:
    client = await api.client()
    sent = (await client.post(POST, json=MINIMAL)).json()["id"]
    await api.die(sent)
    api.order.clear()
    assert (await client.post(f"/v1/dead-letters/{sent}/email/replay")).status_code == 202
    assert api.order[:6] == ["load", "load done", "update", "update done", "publish", "publish done"]


# The same request


async def test_a_body_with_its_keys_in_another_order_is_the_same_body(api: Api) -> None:
    client = await api.client()
    to = {"email": "a@example.com", "sms": "+14155552671", "slack": "#ops"}
    tags = {"a": "1", "b": "2", "c": "3"}
    first = await client.post(POST, json={"to": to, "tags": tags, "message": "x"}, headers=KEY)
    for names, labels in zip(itertools.permutations(to), itertools.permutations(tags), strict=True):
        body = {"message": "x", "tags": {n: tags[n] for n in labels}, "to": {n: to[n] for n in names}}
        again = await client.post(POST, json=body, headers=KEY)
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        assert again.headers["idempotent-replayed"] == "true"
    swapped = {"to": to, "tags": {"a": "2", "b": "1", "c": "3"}, "message": "x"}
    problem(await client.post(POST, json=swapped, headers=KEY), 422, "Idempotency-Key")


# Limits


async def test_the_same_request_again_uses_nothing_of_the_days_limit(api: Api) -> None:
    client = await api.client(notifications_per_day=2)
    for _ in range(5):
        assert (await client.post(POST, json=MINIMAL, headers=KEY)).status_code == 202
    other = await client.post(POST, json={**MINIMAL, "message": "other"}, headers=KEY)
    problem(other, 422, "Idempotency-Key")
    assert (await client.post(POST, json=MINIMAL)).status_code == 202
    problem(await client.post(POST, json=MINIMAL), 429)


async def test_a_commit_whose_answer_is_lost_uses_one_of_the_days_limit(api: Api) -> None:
    client = await api.client(notifications_per_day=2)
    for _ in range(2):
        api.store.fail("create", landed=True)
        sent = await client.post(POST, json=MINIMAL)
        assert sent.status_code == 202
        assert "idempotent-replayed" not in sent.headers
    problem(await client.post(POST, json=MINIMAL), 429)


async def test_asking_again_through_an_outage_uses_nothing_of_the_limits(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.gateway.notifications.acceptance.CREATE_SECONDS", 0)
    screen = Screen(lambda _: None, 1, "SMS_PER_NUMBER_PER_HOUR")
    monkeypatch.setattr(api, "gateway", replace(api.gateway, screens={"sms": screen}))
    client = await api.client(notifications_per_day=2)
    text = {"to": {"sms": "+14155552671"}, "message": "x"}
    api.store.down("create")
    for _ in range(5):
        problem(await client.post(POST, json=text, headers=KEY), 503)
    api.store.down()
    for _ in range(5):
        assert (await client.post(POST, json=text, headers=KEY)).status_code == 202
    problem(await client.post(POST, json=text), 429)
    assert (await client.post(POST, json=MINIMAL)).status_code == 202
    problem(await client.post(POST, json=MINIMAL), 429)


async def test_what_fails_without_a_key_may_be_on_record_and_counts(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.gateway.notifications.acceptance.CREATE_SECONDS", 0)
    client = await api.client(notifications_per_day=1)
    api.store.down("create")
    problem(await client.post(POST, json=MINIMAL), 503)
    problem(await client.post(POST, json=MINIMAL), 429)


async def test_a_replay_that_cannot_be_written_uses_nothing_of_the_days_limit(api: Api) -> None:
    client = await api.client(notifications_per_day=2)
    dead = (await client.post(POST, json=MINIMAL)).json()["id"]
    await api.die(dead)
    api.store.down("update")
    for _ in range(3):
        problem(await client.post(f"/v1/dead-letters/{dead}/email/replay"), 503)
    api.store.down()
    assert (await client.post(f"/v1/dead-letters/{dead}/email/replay")).status_code == 202


async def test_a_replay_uses_one_of_the_days_limit(api: Api) -> None:
    client = await api.client(notifications_per_day=4)
    dead = [(await client.post(POST, json=MINIMAL)).json()["id"] for _ in range(3)]
    for each in dead:
        await api.die(each)
    paths = [f"/v1/dead-letters/{each}/email/replay" for each in dead]
    assert (await client.post(paths[0])).status_code == 202
    api.order.clear()
    problem(await client.post(paths[1]), 429)
    assert api.order == ["load", "load done"]
    problem(await client.post(POST, json=MINIMAL), 429)


async def test_a_replay_that_is_none_uses_nothing_of_the_days_limit(api: Api) -> None:
    client = await api.client(notifications_per_day=2)
    sent = (await client.post(POST, json=MINIMAL)).json()["id"]
    for channel, status in (("email", 409), ("sms", 404)):
        for _ in range(3):
            problem(await client.post(f"/v1/dead-letters/{sent}/{channel}/replay"), status)
    await api.die(sent)
    assert (await client.post(f"/v1/dead-letters/{sent}/email/replay")).status_code == 202


REFUSED: Mapping[str, tuple[int, Any]] = {
    "no JSON": (400, None),
    "no fields": (422, {}),
    "a blank message": (422, {"recipient": "alice", "message": " \n"}),
    "an unknown channel": (422, {**TO_ALICE, "channels": ["fax"]}),
    "a channel that it may not use": (403, {**TO_ALICE, "channels": ["slack"]}),
    "a name that it may not use": (403, {**TO_ALICE, "recipient": "bob"}),
    "an address": (403, MINIMAL),
    "a text too long for the channel": (422, {**TO_ALICE, "channels": ["sms"], "message": "x" * 100_000}),
    "a text too long for all channels": (422, {**TO_ALICE, "message": "x" * 200_000}),
    "nobody": (422, {**TO_ALICE, "recipient": "alfred"}),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_refused_counts_toward_the_limit_of_requests(api: Api, case: str) -> None:
    status, body = REFUSED[case]
    await with_alice(api)
    client = await api.client(
        scopes=SEND, channels=frozenset({"email", "sms"}), recipients=("al",), requests_per_minute=5
    )
    sent: dict[str, Any] = {"content": b"{"} if body is None else {"json": body}
    for _ in range(5):
        problem(await client.post(POST, **sent), status)
    problem(await client.post(POST, **sent), 429)
    assert api.store.calls["create"] == 0


# What is told of recipients


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("case", [case for case in REFUSED if case not in {"nobody", "no JSON", "an address"}])
async def test_a_bad_request_looks_no_recipient_up_and_tells_no_names_apart(
    api: Api, case: str, key: dict[str, str] | None
) -> None:
    status, body = REFUSED[case]
    await with_alice(api)
    client = await api.client(scopes=SEND, channels=frozenset({"email", "sms"}), recipients=("al",))
    api.store.calls.clear()
    answers = []
    for name in ("alice", "alfred"):
        named = {**body, "recipient": body["recipient"].replace("alice", name)} if body else body
        answers.append(await client.post(POST, json=named, headers=key))
        problem(answers[-1], status)
    assert answers[0].text == answers[1].text
    assert api.store.calls["recipient"] == 0


async def test_who_has_used_up_the_day_looks_no_recipient_up(api: Api) -> None:
    await with_alice(api)
    client = await api.client(scopes=SEND, notifications_per_day=1)
    assert (await client.post(POST, json=TO_ALICE)).status_code == 202
    api.store.calls.clear()
    for name in ("alice", "nobody"):
        problem(await client.post(POST, json={**TO_ALICE, "recipient": name}), 429)
    assert api.store.calls["recipient"] == 0


async def test_a_text_that_one_of_the_recipients_channels_takes_is_sent(api: Api) -> None:
    put = {"addresses": {"email": ADDRESSES["email"]}}
    await (await api.client()).put("/v1/recipients/alice", json=put)
    long = {**TO_ALICE, "message": "x" * 50_000}
    client = await api.client(scopes=SEND)
    assert (await client.post(POST, json=long)).status_code == 202
    assert (await client.post(POST, json={**long, "channels": ["email"]})).status_code == 202
    problem(await client.post(POST, json={**long, "channels": ["sms"]}), 422, "message")
    sms_only = await api.client(scopes=SEND, channels=frozenset({"sms"}))
    problem(await sms_only.post(POST, json=long), 422, "message")


@pytest.mark.parametrize("kind", [CallerKind.LIVE, CallerKind.TEST])
async def test_addresses_of_a_recipient_are_in_no_answer_without_the_scope(api: Api, kind: CallerKind) -> None:
    await with_alice(api)
    caller, client = await api.caller(scopes=OWN, kind=kind)
    sent = await client.post(POST, json=TO_ALICE, headers=KEY)
    path = f"{POST}/{sent.json()['id']}"
    again = await client.post(POST, json=TO_ALICE, headers=KEY)
    for answer in (sent, again, await client.get(path)):
        assert shown(answer) == [None] * 3
        assert [d["channel"] for d in answer.json()["deliveries"]] == list(api.gateway.channels)
        assert tells_no_address(answer)
    await api.die(sent.json()["id"])
    for listed in (
        await client.get(POST),
        await client.get("/v1/dead-letters"),
        await client.get(f"{POST}?status=dead"),
    ):
        assert len(listed.json()["items"]) == 1
        assert tells_no_address(listed)
    replayed = await client.post(f"/v1/dead-letters/{sent.json()['id']}/email/replay")
    assert shown(replayed) == [None] * 3
    assert tells_no_address(replayed)
    assert caller.scopes == OWN


async def test_addresses_that_stood_in_the_request_are_shown(api: Api) -> None:
    client = await api.client(scopes=OWN)
    sent = await client.post(POST, json=MINIMAL)
    assert shown(sent) == ["a@example.com"]
    assert shown(await client.get(f"{POST}/{sent.json()['id']}")) == ["a@example.com"]


async def test_who_may_read_the_recipient_sees_its_addresses(api: Api) -> None:
    await with_alice(api)
    for prefixes in (None, ("al",)):
        client = await api.client(scopes=OWN | {Scope.RECIPIENTS_READ}, recipients=prefixes)
        sent = await client.post(POST, json=TO_ALICE)
        assert set(shown(sent)) == set(ADDRESSES.values())
        assert set(shown(await client.get(f"{POST}/{sent.json()['id']}"))) == set(ADDRESSES.values())


async def test_who_may_read_other_recipients_sees_no_address_of_this_one(api: Api) -> None:
    """It sent to alice, and has been limited to other names since."""
    await with_alice(api)
    caller, client = await api.caller(scopes=OWN | {Scope.RECIPIENTS_READ})
    sent = await client.post(POST, json=TO_ALICE)
    api.callers.records[caller.id] = replace(api.callers.records[caller.id], recipients=("bob",))
    api.gateway.identity.callers.forget(caller.id)
    assert shown(await client.get(f"{POST}/{sent.json()['id']}")) == [None] * 3


async def test_who_sees_everybodys_notifications_sees_no_recipients_addresses_without_the_scope(api: Api) -> None:
    await with_alice(api)
    sent = (await (await api.client()).post(POST, json=TO_ALICE)).json()["id"]
    everybodys = await api.client(scopes=OWN | {Scope.NOTIFICATIONS_READ_ALL})
    assert shown(await everybodys.get(f"{POST}/{sent}")) == [None] * 3
    assert tells_no_address(await everybodys.get(POST))


async def test_a_refusal_tells_no_address(api: Api) -> None:
    await with_alice(api)
    team = await api.client(scopes=OWN, kind=CallerKind.TEAM, addresses={"email": ("b@example.com",)})
    live = await api.client(scopes=OWN)
    await (await api.client()).put("/v1/recipients/bob", json={"addresses": {"email": ADDRESSES["email"]}})
    for client, body, status in (
        (team, TO_ALICE, 403),
        (live, {**TO_ALICE, "message": "x" * 50_000}, 422),
        (live, {**TO_ALICE, "recipient": "bob", "channels": ["sms"]}, 422),
    ):
        refused = await client.post(POST, json=body)
        problem(refused, status)
        assert tells_no_address(refused)


async def test_openapi_says_that_an_address_may_be_null(api: Api) -> None:
    schemas = (await (await api.client()).get("/openapi.json")).json()["components"]["schemas"]
    for schema, name in (("DeliveryJson", "address"), ("RecipientJson", "updated_by")):
        kinds = [kind["type"] for kind in schemas[schema]["properties"][name]["anyOf"]]
        assert kinds == ["string", "null"]
        assert name in schemas[schema]["required"]
