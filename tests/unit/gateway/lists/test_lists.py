"""Lists and their members on fakes: who may, what is refused, and what is answered."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import Scope
from functions.gateway.lists import member_routes
from shared.delivery.errors import Conflict
from shared.delivery.model import Recipient
from shared.people.lists import Member, RecipientList
from shared.sending.operations import OperationState
from tests.fakes.api import Api
from tests.fakes.clock import START, Clock
from tests.fakes.operations import MemoryOperations
from tests.integration.gateway import problem

NEWS = "/v1/lists/news"
NOBODY = "no recipient has this name"


@pytest.fixture
def clock(api: Api) -> Clock:
    clock = Clock()
    api.gateway = replace(api.gateway, now=clock.now)
    return clock


async def registered(api: Api, *names: str) -> None:
    for name in names:
        await api.store.create_recipient(Recipient(name, {"sms": "+14155552671"}, START, START))


async def news(client: httpx.AsyncClient, *members: str) -> None:
    assert (await client.put(NEWS, json={})).status_code == 201
    if members:
        answer = await client.post(f"{NEWS}/members", json={"recipients": members})
        assert answer.json() == {"added": len(members), "problems": []}


async def members(client: httpx.AsyncClient, limit: int = 100) -> list[str]:
    """Of all pages, none of which is empty but the last."""
    found, cursor = list[str](), dict[str, str]()
    while True:
        answer = await client.get(f"{NEWS}/members", params={"limit": limit, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [item["recipient"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        assert page["items"]
        cursor = {"cursor": page["next_cursor"]}


async def test_a_list_is_made_changed_and_deleted(api: Api, clock: Clock) -> None:
    client = await api.client()
    made = await client.put(NEWS, json={"description": "Once a month"})
    at = "2026-01-02T03:04:05.678901Z"
    assert (made.status_code, made.json()) == (
        201,
        {"name": "news", "description": "Once a month", "created_at": at, "updated_at": at},
    )
    clock.advance(60)
    changed = await client.put(NEWS, json={})
    assert (changed.status_code, changed.json()["description"], changed.json()["created_at"]) == (200, "", at)
    assert changed.json()["updated_at"] > at
    assert (await client.get(NEWS)).json() == changed.json()
    assert (await client.get("/v1/lists")).json() == {"items": [changed.json()], "next_cursor": None}
    assert (await client.delete(NEWS)).status_code == 204
    for call in (client.get(NEWS), client.delete(NEWS), client.get(f"{NEWS}/members")):
        assert problem(await call, 404).get("detail") == "no list has this name"
    assert (await client.get("/v1/lists")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"description": "x" * 501}, "description"),
        ({"description": None}, "description"),
        ({"name": "news"}, "name"),
        ([], "body"),
    ],
)
async def test_a_body_that_is_none_of_a_list_is_refused(api: Api, body: Any, field: str) -> None:
    problem(await (await api.client()).put(NEWS, json=body), 422, field)
    assert api.lists.records == {}


@pytest.mark.parametrize("name", ["-a", "a%20b", "a" * 129, "%C3%A4"])
async def test_a_name_that_is_none_is_refused(api: Api, name: str) -> None:
    client = await api.client()
    problem(await client.put(f"/v1/lists/{name}", json={}), 422, "name")
    await news(client)
    problem(await client.put(f"{NEWS}/members/{name}"), 422, "recipient")
    problem(await client.post(f"{NEWS}/members", json={"recipients": ["alice", name]}), 422, "recipients.1")
    assert api.lists.by_list == {}


async def test_who_is_added_is_in_it_and_who_is_removed_is_not(api: Api, clock: Clock) -> None:
    client = await api.client()
    await registered(api, "alice", "bob")
    await news(client)
    for name in ("bob", "alice", "alice"):
        assert (await client.put(f"{NEWS}/members/{name}")).status_code == 204
    assert await members(client) == ["alice", "bob"]
    clock.advance(60)
    before = clock.now()
    clock.advance(60)
    assert (await client.delete(f"{NEWS}/members/alice")).status_code == 204
    assert await members(client) == ["bob"]
    problem(await client.delete(f"{NEWS}/members/alice"), 404)
    problem(await client.delete(f"{NEWS}/members/nobody"), 404)
    (list_id,) = api.lists.by_list
    assert list_id == api.lists.records["news"].id
    alice = api.lists.by_list[list_id]["alice"]
    assert (alice.in_audience(before), alice.in_audience(clock.now())) == (True, False)
    assert (await client.put(f"{NEWS}/members/alice")).status_code == 204
    (first, _) = (await client.get(f"{NEWS}/members")).json()["items"]
    assert first == {"recipient": "alice", "added_at": clock.now().isoformat().replace("+00:00", "Z")}


async def test_only_recipients_can_be_added_and_whoever_is_no_more_can_be_removed(api: Api) -> None:
    client = await api.client()
    await registered(api, "alice")
    await news(client, "alice")
    await api.store.delete_recipient("alice")
    answer = problem(await client.put(f"{NEWS}/members/bob"), 422, "recipient")
    assert answer["errors"] == [{"field": "recipient", "message": NOBODY}]
    assert await members(client) == ["alice"]
    assert (await client.delete(f"{NEWS}/members/alice")).status_code == 204
    assert await members(client) == []


async def test_a_member_of_a_list_that_is_gone(api: Api) -> None:
    client = await api.client()
    await registered(api, "alice")
    for call in (
        client.put(f"{NEWS}/members/alice"),
        client.delete(f"{NEWS}/members/alice"),
        client.post(f"{NEWS}/members", json={"recipients": ["alice"]}),
        client.get(f"{NEWS}/members"),
    ):
        assert problem(await call, 404).get("detail") == "no list has this name"
    assert api.lists.by_list == {}


async def test_many_are_added_each_by_itself(api: Api) -> None:
    client = await api.client()
    names = [f"r{number:03}" for number in range(498)]
    await registered(api, *names)
    await news(client, "r007")
    body = {"recipients": ["nobody", *names, "r001"]}
    answer = await client.post(f"{NEWS}/members", json=body)
    assert answer.status_code == 200
    assert answer.json() == {"added": 497, "problems": [{"field": "recipients.0", "message": NOBODY}]}
    assert await members(client) == names
    assert (await client.post(f"{NEWS}/members", json=body)).json()["added"] == 0
    for wrong in ([], ["a"] * 501):
        problem(await client.post(f"{NEWS}/members", json={"recipients": wrong}), 422, "recipients")


async def test_pages_leave_none_out_and_show_none_who_has_left(api: Api) -> None:
    client = await api.client()
    names = [f"r{number:03}" for number in range(60)]
    await registered(api, *names)
    await news(client, *names)
    for name in names[::3] + names[20:45]:
        await client.delete(f"{NEWS}/members/{name}")
    left = [name for name in names if name not in names[::3] + names[20:45]]
    for limit in (1, 2, 7, 100):
        assert await members(client, limit) == left


async def test_a_list_made_anew_has_none_of_the_members_before(api: Api, clock: Clock) -> None:
    client = await api.client()
    await registered(api, "alice")
    await news(client, "alice")
    before = api.lists.records["news"]
    await client.delete(NEWS)
    await news(client)
    assert await members(client) == []
    assert api.lists.by_list[before.id]["alice"].in_audience(START), "a broadcast may be under way"
    operations = api.gateway.operations
    assert isinstance(operations, MemoryOperations)
    (clearing,) = operations.records.values()
    assert (clearing.kind, clearing.about) == ("clear_list", {"list": "news", "list_id": before.id})
    assert clearing.state is OperationState.RUNNING


async def test_a_caller_with_prefixes_has_lists_and_members_of_such_names(api: Api) -> None:
    everybody, few = await api.client(), await api.client(recipients=("team-", "bob"))
    await registered(api, "alice", "bob", "team-a", "team-b")
    await news(everybody, "alice", "bob", "team-a")
    for call in (
        few.put(NEWS, json={}),
        few.get(NEWS),
        few.get(f"{NEWS}/members"),
        few.put(f"{NEWS}/members/bob"),
        few.post(f"{NEWS}/members", json={"recipients": ["bob"]}),
        few.delete(f"{NEWS}/members/bob"),
        few.delete(NEWS),
    ):
        problem(await call, 403)
    path = "/v1/lists/team-news"
    assert (await few.put(path, json={})).status_code == 201
    assert [each["name"] for each in (await few.get("/v1/lists")).json()["items"]] == ["team-news"]
    problem(await few.put(f"{path}/members/alice"), 403)
    answer = (await few.post(f"{path}/members", json={"recipients": ["alice", "team-b", "bob"]})).json()
    other = "this caller is limited to recipients with other names"
    assert answer == {"added": 2, "problems": [{"field": "recipients.0", "message": other}]}
    assert (await everybody.put(f"{path}/members/alice")).status_code == 204
    problem(await few.delete(f"{path}/members/alice"), 403)
    for client, seen in ((few, ["bob", "team-b"]), (everybody, ["alice", "bob", "team-b"])):
        assert [m["recipient"] for m in (await client.get(f"{path}/members")).json()["items"]] == seen


async def test_each_scope_is_for_its_routes(api: Api) -> None:
    reader = await api.client(scopes=frozenset({Scope.LISTS_READ}))
    writer = await api.client(scopes=frozenset({Scope.LISTS_WRITE}))
    await registered(api, "alice")
    await news(writer, "alice")
    for path in ("/v1/lists", NEWS, f"{NEWS}/members"):
        assert (await reader.get(path)).status_code == 200
        problem(await writer.get(path), 403)
    for call in (
        reader.put(NEWS, json={}),
        reader.delete(NEWS),
        reader.put(f"{NEWS}/members/alice"),
        reader.delete(f"{NEWS}/members/alice"),
        reader.post(f"{NEWS}/members", json={"recipients": ["alice"]}),
    ):
        problem(await call, 403)


async def test_of_two_at_a_member_both_are_heard(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await api.client()
    await registered(api, "alice", "bob")
    await news(client)
    real, faster = api.lists.put_members, iter([True])

    async def put(list_id: str, members: Sequence[Member]) -> Sequence[bool]:
        if next(faster, False):
            await client.put(f"{NEWS}/members/alice")
        return await real(list_id, members)

    monkeypatch.setattr(api.lists, "put_members", put)
    answer = await client.post(f"{NEWS}/members", json={"recipients": ["alice", "bob"]})
    assert answer.json() == {"added": 1, "problems": []}
    assert await members(client) == ["alice", "bob"]


async def test_others_that_are_always_faster_are_a_503_or_a_problem(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await api.client()
    await registered(api, "alice", "bob")
    await news(client, "bob")

    async def too_late(_: str, members: Sequence[Member]) -> Sequence[bool]:
        return [False] * len(members)

    async def changed(_: RecipientList) -> None:
        raise Conflict("news")

    monkeypatch.setattr(api.lists, "put_members", too_late)
    monkeypatch.setattr(api.lists, "put_list", changed)
    monkeypatch.setattr(api.lists, "delete_list", changed)
    for call in (
        client.put(f"{NEWS}/members/alice"),
        client.delete(f"{NEWS}/members/bob"),
        client.put(NEWS, json={}),
        client.delete(NEWS),
    ):
        answer = await call
        assert (problem(answer, 503)["status"], answer.headers["retry-after"]) == (503, "1")
    answer = await client.post(f"{NEWS}/members", json={"recipients": ["bob", "alice"]})
    (late,) = answer.json()["problems"]
    assert (answer.json()["added"], late["field"]) == (0, "recipients.1")
    assert "try again" in late["message"]


async def test_a_cursor_of_another_listing_is_refused(api: Api) -> None:
    client = await api.client()
    await registered(api, "alice", "bob")
    await news(client, "alice", "bob")
    cursor = (await client.get(f"{NEWS}/members", params={"limit": 1})).json()["next_cursor"]
    problem(await client.get("/v1/lists", params={"cursor": cursor}), 422, "cursor")
    problem(await client.get("/v1/recipients", params={"cursor": cursor}), 422, "cursor")


async def test_a_page_after_very_many_who_have_left_is_empty_and_goes_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_routes, "_AT_ONCE", 1)
    client = await api.client()
    names = [f"r{number:03}" for number in range(13)]
    await registered(api, *names)
    await news(client, *names)
    for name in names[:-1]:
        await client.delete(f"{NEWS}/members/{name}")
    page = (await client.get(f"{NEWS}/members")).json()
    assert page["items"] == []
    page = (await client.get(f"{NEWS}/members", params={"cursor": page["next_cursor"]})).json()
    assert ([item["recipient"] for item in page["items"]], page["next_cursor"]) == (names[-1:], None)
