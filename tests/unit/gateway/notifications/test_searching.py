"""GET /v1/notifications by filters: what each finds, which go together, and that nobody finds what is not theirs."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import CallerKind, Scope
from functions.gateway.notifications.schemas import NotificationsJson
from shared.delivery.model import replace
from tests.fakes.api import Api
from tests.integration.gateway import declared, problem

PATH = "/v1/notifications"
EMAIL, SMS = {"email": "a@example.com"}, {"sms": "+14155552671"}
BY_EMAIL = {"channel": "email", "address": "a@example.com"}
OWN = frozenset({Scope.NOTIFICATIONS_SEND, Scope.NOTIFICATIONS_READ, Scope.RECIPIENTS_READ})
TEMPLATE = {
    "schema": {"type": "object"},
    "default_locale": "en",
    "locales": {"en": {"email": {"subject": "s", "message": "m"}}},
}


async def sent(client: httpx.AsyncClient, **body: Any) -> str:
    text = {} if "template" in body else {"message": "x"}
    target = {} if "recipient" in body else {"to": EMAIL}
    answer = await client.post(PATH, json={**target, **text, **body})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def found(client: httpx.AsyncClient, **query: Any) -> list[str]:
    """The ids on all pages, each of two."""
    ids: list[str] = []
    asked = {"limit": 2, **query}
    while True:
        page = declared(NotificationsJson, await client.get(PATH, params=asked))
        ids += [n["id"] for n in page["items"]]
        if page["next_cursor"] is None:
            return ids
        asked["cursor"] = page["next_cursor"]


async def with_message_id(api: Api, notification_id: str, channel: str, message_id: str) -> None:
    await api.store.update(replace(api.store.get(notification_id, channel), provider_message_id=message_id))


async def test_by_address_over_its_channel_alone(client: httpx.AsyncClient) -> None:
    both, by_sms = await sent(client, to=EMAIL | SMS), await sent(client, to=SMS)
    await sent(client, to={"email": "b@example.com"})
    last = await sent(client)
    assert await found(client, **BY_EMAIL) == [last, both]
    assert await found(client, channel="sms", address="+1 (415) 555-2671") == [by_sms, both], "as the channel spells it"
    assert await found(client, channel="slack", address="#a") == []


async def test_an_address_counts_whatever_its_case_and_is_found_through_a_recipient(client: httpx.AsyncClient) -> None:
    await client.put("/v1/recipients/ana", json={"addresses": {"email": "Ana@Example.com"}})
    made = await sent(client, recipient="ana")
    assert await found(client, channel="email", address="ana@EXAMPLE.com") == [made]


async def test_the_hash_is_the_suppressions_and_no_answer_shows_it(api: Api, client: httpx.AsyncClient) -> None:
    made = await sent(client)
    kept = api.store.get(made, "email").address_hash
    assert kept is not None
    assert len(kept) == 32
    assert api.people.suppression_id("email", "a@example.com").startswith(kept)
    assert kept not in (await client.get(PATH, params=BY_EMAIL)).text


async def test_by_a_tags_name_and_value(client: httpx.AsyncClient) -> None:
    infra = await sent(client, tags={"team": "infra", "a:b": "c", "empty": ""})
    await sent(client, tags={"team": "shop"})
    await sent(client)
    for tag in ("team:infra", "a:b:c", "empty:"):
        assert await found(client, tag=tag) == [infra]
    for tag in ("team:", "team:inf", "Team:infra", "infra:team", ":team:infra"):
        assert await found(client, tag=tag) == []


async def test_of_many_tags_the_first_ten(client: httpx.AsyncClient) -> None:
    made = await sent(client, tags={f"n{i}": "x" for i in range(12)})
    assert [i for i in range(12) if await found(client, tag=f"n{i}:x")] == list(range(10))
    assert len((await client.get(f"{PATH}/{made}")).json()["tags"]) == 12


async def test_by_template_and_by_one_of_its_versions(client: httpx.AsyncClient) -> None:
    for message in ("m", "n"):
        texts = {"en": {"email": {"subject": "s", "message": message}}}
        await client.put("/v1/templates/shipped", json=TEMPLATE | {"locales": texts})
    first = await sent(client, template={"name": "shipped", "version": 1}, data={})
    second = await sent(client, template={"name": "shipped"}, data={})
    await sent(client)
    assert await found(client, template="shipped") == [second, first]
    assert await found(client, template="shipped", version=1) == [first]
    assert await found(client, template="shipped", version=3) == []
    assert await found(client, template="ship") == []
    assert await found(client, tag="template:shipped") == [], "a tag is none of a template's words"


async def test_by_the_providers_id_over_one_channel_or_any(api: Api, client: httpx.AsyncClient) -> None:
    email, sms, other = await sent(client), await sent(client, to=SMS), await sent(client)
    for notification_id, channel in ((email, "email"), (sms, "sms")):
        await with_message_id(api, notification_id, channel, "SM1")
    await with_message_id(api, other, "email", "SM2")
    assert await found(client, message_id="SM1") == [sms, email]
    assert await found(client, message_id="SM1", limit=1) == [sms, email]
    assert await found(client, message_id="SM1", channel="email") == [email]
    assert await found(client, message_id="sm1") == []


async def test_by_when_it_was_accepted(client: httpx.AsyncClient) -> None:
    made = [await sent(client, tags={"team": "infra"}) for _ in range(3)]
    times = [(await client.get(f"{PATH}/{i}")).json()["created_at"] for i in made]
    assert await found(client, **{"from": times[1]}) == [made[2], made[1]]
    assert await found(client, to=times[1]) == [made[0]], "`to` itself is not in it"
    assert await found(client, tag="team:infra", **{"from": times[1], "to": times[2]}) == [made[1]]
    assert await found(client, status="queued", **{"from": times[2]}) == [made[2]]
    assert await found(client, **BY_EMAIL, **{"from": times[1]}) == [made[2], made[1]]
    shifted = (datetime.fromisoformat(times[1]) + timedelta(hours=2)).isoformat().replace("+00:00", "+02:00")
    assert await found(client, **{"from": shifted}) == [made[2], made[1]]


async def test_batches_and_their_items_are_found_like_any_other(client: httpx.AsyncClient) -> None:
    items = [{"key": f"k{n}", "to": EMAIL, "message": "x", "tags": {"team": f"t{n}"}} for n in range(2)]
    made = (await client.post("/v1/batches", json={"items": items})).json()["items"]
    assert await found(client, tag="team:t1") == [made[1]["id"]]
    assert sorted(await found(client, **BY_EMAIL)) == sorted(each["id"] for each in made)


async def test_no_filter_finds_what_is_anothers(api: Api, client: httpx.AsyncClient) -> None:
    await client.put("/v1/templates/shipped", json=TEMPLATE)
    theirs = await sent(client, tags={"team": "infra"})
    of_template = await sent(client, template={"name": "shipped"}, data={})
    await with_message_id(api, theirs, "email", "SM1")
    caller, own = await api.caller(scopes=OWN)
    searches: list[dict[str, Any]] = [
        BY_EMAIL,
        {"tag": "team:infra"},
        {"template": "shipped"},
        {"template": "shipped", "version": 1},
        {"message_id": "SM1"},
        {"status": "queued"},
        {"from": "2020-01-01T00:00:00Z"},
    ]
    for query in searches:
        assert {theirs, of_template} & {*await found(client, **query)}
        page = (await own.get(PATH, params={**query, "limit": 1})).json()
        assert page == {"items": [], "next_cursor": None}, "nor does it learn that there is one"
    mine = await sent(own, tags={"team": "infra"})
    await with_message_id(api, mine, "email", "SM1")
    for query in ({"tag": "team:infra"}, BY_EMAIL, {"message_id": "SM1"}, {"caller": caller.id}):
        assert await found(own, **query) == [mine]
    assert await found(client, caller=caller.id) == [mine]
    assert await found(client, caller=caller.id, tag="team:infra") == [mine]
    assert await found(client, caller="0" * 16) == []


async def test_another_callers_id_is_refused_whether_or_not_there_is_such_a_caller(api: Api) -> None:
    own = await api.client(scopes=OWN)
    limited = await api.client(channels=frozenset({"email"}))
    other, _ = await api.caller()
    for client in (own, limited):
        for asked_for in (other.id, "0" * 16):
            problem(await client.get(PATH, params={"caller": asked_for}), 403)


async def test_whose_an_address_is_nobody_learns_who_may_not_read_recipients(
    api: Api, client: httpx.AsyncClient
) -> None:
    await client.put("/v1/recipients/alice", json={"addresses": EMAIL})
    blind = await api.client(scopes=OWN - {Scope.RECIPIENTS_READ})
    made = await sent(blind, recipient="alice")
    assert (await blind.get(f"{PATH}/{made}")).json()["deliveries"][0]["address"] is None
    answer = await blind.get(PATH, params=BY_EMAIL)
    problem(answer, 403)
    assert "recipients:read" in answer.headers["www-authenticate"]
    limited = await api.client(scopes=OWN, recipients=("team-",))
    problem(await limited.get(PATH, params=BY_EMAIL), 403)
    team = await api.client(scopes=OWN, kind=CallerKind.TEAM, addresses={"email": ("a@example.com",)})
    assert await found(team, **BY_EMAIL) == []


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"address": "a@example.com"}, ["channel"]),
        ({"channel": "email"}, ["channel"]),
        ({"channel": "fax", "address": "a@example.com"}, ["channel"]),
        ({"channel": "fax", "message_id": "SM1"}, ["channel"]),
        ({"channel": "email", "address": "nobody"}, ["address"]),
        ({"channel": "email", "address": ""}, ["address"]),
        ({"channel": "email", "address": "a" * 321}, ["address"]),
        ({"channel": "email", "address": "a\x00@example.com"}, ["address"]),
        ({"channel": "sms", "address": "+1415"}, ["address"]),
        ({"tag": "team"}, ["tag"]),
        ({"tag": ":infra"}, ["tag"]),
        ({"tag": ""}, ["tag"]),
        ({"tag": "team:\x00"}, ["tag"]),
        ({"tag": "t:" + "x" * 320}, ["tag"]),
        ({"caller": "billing"}, ["caller"]),
        ({"caller": "0" * 17}, ["caller"]),
        ({"template": "a/b"}, ["template"]),
        ({"template": ""}, ["template"]),
        ({"version": "1"}, ["version"]),
        ({"template": "shipped", "version": "0"}, ["version"]),
        ({"template": "shipped", "version": "one"}, ["version"]),
        ({"message_id": ""}, ["message_id"]),
        ({"message_id": "a\nb"}, ["message_id"]),
        ({"message_id": "x" * 513}, ["message_id"]),
        ({"status": "gone"}, ["status"]),
        ({"from": "yesterday"}, ["from"]),
        ({"from": "2026-01-01T00:00:00"}, ["from"]),
        ({"to": "2026-13-01T00:00:00Z"}, ["to"]),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-02T01:00:00+01:00"}, ["from"]),
        ({"from_": "2026-01-02T00:00:00Z"}, ["from_"]),
        ({"subject": "Deploy"}, ["subject"]),
        ({"tags": "team:infra"}, ["tags"]),
    ],
)
async def test_a_value_that_is_wrong_is_named(
    client: httpx.AsyncClient, query: dict[str, str], fields: list[str]
) -> None:
    problem(await client.get(PATH, params=query), 422, *fields)


GOOD = {
    "recipient": "alice",
    "status": "sent",
    "caller": "0" * 16,
    "tag": "team:infra",
    "template": "shipped",
    "message_id": "SM1",
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-01-02T00:00:00Z",
    **BY_EMAIL,
}


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ("address channel recipient", "recipient"),
        ("address channel status", "status"),
        ("address channel tag", "tag"),
        ("address channel template version", "template version"),
        ("address channel message_id", "message_id"),
        ("tag status recipient", "status recipient"),
        ("tag template", "template"),
        ("tag message_id", "message_id"),
        ("tag channel", "channel"),
        ("template status", "status"),
        ("template message_id", "message_id"),
        ("message_id status", "status"),
        ("message_id caller from to", "caller from to"),
        ("recipient version", "version"),
    ],
)
async def test_what_does_not_go_together_is_named(client: httpx.AsyncClient, given: str, refused: str) -> None:
    query = {name: (GOOD | {"version": "1"})[name] for name in given.split()}
    problem(await client.get(PATH, params=query), 422, *refused.split())


@pytest.mark.parametrize(
    "given",
    [
        "recipient status caller from to",
        "address channel caller from to",
        "tag caller from to",
        "template version caller from to",
        "message_id channel",
        "message_id",
    ],
)
async def test_what_goes_together_is_taken(client: httpx.AsyncClient, given: str) -> None:
    query = {name: (GOOD | {"version": "1"})[name] for name in given.split()}
    assert await found(client, **query) == []


async def test_a_refused_search_asks_the_store_nothing(api: Api, client: httpx.AsyncClient) -> None:
    await client.get(PATH, params={"tag": "team:infra", "status": "sent"})
    await client.get(PATH, params={"channel": "email", "address": "nobody"})
    assert api.store.calls["notifications"] == 0


async def test_tags_are_part_of_what_a_key_is_for(client: httpx.AsyncClient) -> None:
    body = {"to": EMAIL, "message": "x", "tags": {"team": "infra"}}
    key = {"Idempotency-Key": "k"}
    first, again = [await client.post(PATH, json=body, headers=key) for _ in range(2)]
    assert first.json()["id"] == again.json()["id"]
    other = await client.post(PATH, json=body | {"tags": {"team": "shop"}}, headers=key)
    problem(other, 422, "Idempotency-Key")
