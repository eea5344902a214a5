"""Reading and writing suppressions, one by one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from functions.gateway.access.caller import CallerKind, Scope
from functions.gateway.suppressions.schemas import SuppressionJson, SuppressionsJson
from shared.delivery.model import SuppressionReason
from shared.people.suppression import CLASS_BY_REASON, Entry, Suppression, SuppressionClass
from shared.runtime import logs
from tests.fakes.api import Api
from tests.fakes.clock import START
from tests.integration.canaries import Output
from tests.integration.gateway import declared, problem

ADDRESS = "alice@example.com"
ALICE = f"/v1/suppressions/email/{ADDRESS}"
ALL = "/v1/suppressions"


async def put_all(api: Api, channel: str, *addresses: str) -> list[str]:
    """Their hashes, in the order of a listing."""
    ids = [api.people.suppression_id(channel, address) for address in addresses]
    entry = Entry(SuppressionReason.INVALID, SuppressionClass.ALL, START, "a receipt")
    for known in ids:
        await api.people.put_suppression(Suppression(known, channel, {entry.reason: entry}))
    return sorted(ids)


async def test_by_hand_it_is_of_marketing_and_says_who(api: Api) -> None:
    caller, client = await api.caller()
    answer = await client.put(ALICE, json={})
    assert answer.status_code == 201
    made = declared(SuppressionJson, answer)
    assert made == {
        "channel": "email",
        "address_hash": api.people.suppression_id("email", ADDRESS),
        "reason": "manual",
        "class": "marketing",
        "at": made["at"],
        "evidence": f"by caller {caller.id}",
        "categories": [],
        "except_for": [],
        "others": [],
    }
    assert declared(SuppressionJson, await client.get(ALICE)) == made


@pytest.mark.parametrize("reason", SuppressionReason)
async def test_each_reason_has_its_class_unless_one_is_named(client: httpx.AsyncClient, reason: str) -> None:
    made = (await client.put(ALICE, json={"reason": reason})).json()
    assert (made["reason"], made["class"]) == (reason, CLASS_BY_REASON[SuppressionReason(reason)])
    for class_ in ("all", "marketing"):
        other = await client.put(
            f"/v1/suppressions/email/{class_}@example.com", json={"reason": reason, "class": class_}
        )
        assert other.json()["class"] == class_


async def test_a_further_reason_takes_nothing_back(api: Api) -> None:
    caller, client = await api.caller()
    await client.put(ALICE, json={"class": "all", "evidence": "ticket 1"})
    again = await client.put(ALICE, json={"class": "marketing", "evidence": "ticket 2"})
    assert (again.status_code, again.json()["class"]) == (200, "all")
    assert again.json()["evidence"] == f"by caller {caller.id}: ticket 1"
    two = (await client.put(ALICE, json={"reason": "stop"})).json()
    assert (two["reason"], two["class"]) == ("manual", "all")
    assert [(other["reason"], other["class"]) for other in two["others"]] == [("stop", "marketing")]
    assert declared(SuppressionJson, await client.get(ALICE)) == two


async def test_the_same_again_writes_nothing(api: Api, client: httpx.AsyncClient) -> None:
    first = await client.put(ALICE, json={})
    writes = api.people.calls["put_suppression"]
    again = await client.put(ALICE, json={})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert api.people.calls["put_suppression"] == writes


async def test_a_category_s_choice_is_shown(api: Api, client: httpx.AsyncClient) -> None:
    left = Entry(SuppressionReason.UNSUBSCRIBED, SuppressionClass.CATEGORY, START, "a page", ("news", "offers"))
    known = api.people.suppression_id("email", ADDRESS)
    await api.people.put_suppression(Suppression(known, "email", {left.reason: left}))
    read = declared(SuppressionJson, await client.get(ALICE))
    assert (read["class"], read["categories"]) == ("category", ["news", "offers"])


async def test_lifted_it_is_gone_with_all_reasons(client: httpx.AsyncClient) -> None:
    for reason in ("manual", "stop"):
        await client.put(ALICE, json={"reason": reason})
    answer = await client.delete(ALICE)
    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("GET", "DELETE"):
        problem(await client.request(method, ALICE), 404)


@pytest.mark.parametrize(
    ("channel", "spellings"),
    [
        ("email", ["Alice@EXAMPLE.com", "alice@example.com", " alice@example.com"]),
        ("sms", ["+14155552671", "+1 (415) 555-2671"]),
        ("slack", ["#Ops", "#ops"]),
        ("email", ["a/b@example.com", "A/b@example.com"]),
        ("email", ["a%41@example.com"]),
        ("email", ["jürgen@müller.example"]),
    ],
)
async def test_an_address_is_one_in_all_of_its_spellings(
    api: Api, client: httpx.AsyncClient, channel: str, spellings: list[str]
) -> None:
    await client.put(f"/v1/suppressions/{channel}/{quote(spellings[0], safe='')}", json={})
    assert len(api.people.suppressed) == 1
    for spelling in spellings:
        read = await client.get(f"/v1/suppressions/{channel}/{quote(spelling, safe='')}")
        assert read.status_code == 200, spelling
        listed = declared(SuppressionsJson, await client.get(ALL, params={"channel": channel, "address": spelling}))
        assert listed == {"items": [read.json()], "next_cursor": None}


async def test_of_an_address_that_may_get_all_the_list_is_empty(client: httpx.AsyncClient) -> None:
    none = declared(SuppressionsJson, await client.get(ALL, params={"channel": "email", "address": ADDRESS}))
    assert none == {"items": [], "next_cursor": None}


async def test_they_are_listed_by_channel_or_all_page_by_page(api: Api, client: httpx.AsyncClient) -> None:
    email = await put_all(api, "email", *(f"a{n}@example.com" for n in range(3)))
    sms = await put_all(api, "sms", "+14155552671", "+14155552672")
    for params, expected in (({}, [*email, *sms]), ({"channel": "email"}, email), ({"channel": "slack"}, [])):
        found: list[str] = []
        query: dict[str, Any] = {**params, "limit": 2}
        while "cursor" not in query or query["cursor"] is not None:
            page = declared(SuppressionsJson, await client.get(ALL, params=query))
            found += [item["address_hash"] for item in page["items"]]
            query["cursor"] = page["next_cursor"]
        assert found == expected


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"address": ADDRESS}, "channel"),
        ({"channel": "fax"}, "channel"),
        ({"channel": "fax", "address": "1"}, "channel"),
        ({"channel": "email", "address": "nobody"}, "address"),
        ({"channel": "email", "address": "x" * 321}, "address"),
        ({"channel": "email", "address": ""}, "address"),
        ({"reason": "stop"}, "reason"),
        ({"cursor": "x"}, "cursor"),
    ],
)
async def test_a_bad_query_is_named(client: httpx.AsyncClient, params: Any, field: str) -> None:
    problem(await client.get(ALL, params=params), 422, field)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("fax/1", "channel"),
        ("email/", "address"),
        ("email/nobody", "address"),
        ("email/%00@example.com", "address"),
        ("email/%FF@example.com", "address"),
        ("email/%ED%A0%80@example.com", "address"),
        (f"email/{'x' * 400}@example.com", "address"),
        ("sms/12", "address"),
        ("slack/%20", "address"),
    ],
)
async def test_what_is_no_address_is_refused_for_each_method(
    api: Api, client: httpx.AsyncClient, path: str, field: str
) -> None:
    for method in ("PUT", "GET", "DELETE"):
        problem(await client.request(method, f"/v1/suppressions/{path}", json={}), 422, field)
    assert api.people.suppressed == {}
    assert not api.people.calls


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": "boredom"}, "reason"),
        ({"reason": None}, "reason"),
        ({"class": "category"}, "class"),
        ({"class": "transactional"}, "class"),
        ({"evidence": ""}, "evidence"),
        ({"evidence": "x" * 501}, "evidence"),
        ({"evidence": "a\nb"}, "evidence"),
        ({"evidence": 1}, "evidence"),
        ({"at": "yesterday"}, "at"),
        ({"address": ADDRESS}, "address"),
    ],
)
async def test_what_is_wrong_in_a_body_is_named_and_changes_nothing(
    api: Api, client: httpx.AsyncClient, body: Any, field: str
) -> None:
    problem(await client.put(ALICE, json=body), 422, field)
    assert api.people.suppressed == {}


SMS = "/v1/suppressions/sms/%2B14155552671"


async def test_a_caller_limited_to_channels_has_those_alone(api: Api, client: httpx.AsyncClient) -> None:
    for path in (ALICE, SMS):
        await client.put(path, json={})
    limited = await api.client(channels=frozenset({"sms"}))
    before = dict(api.people.suppressed)
    for method in ("PUT", "GET", "DELETE"):
        refused = await limited.request(method, ALICE, json={})
        problem(refused, 403)
        assert ADDRESS not in refused.text
    for params in ({}, {"channel": "email"}, {"channel": "email", "address": ADDRESS}):
        problem(await limited.get(ALL, params=params), 403)
        problem(await limited.get(f"{ALL}.csv", params=params), 403 if "address" not in params else 422)
    assert api.people.suppressed == before
    assert (await limited.get(SMS)).status_code == 200
    assert len((await limited.get(ALL, params={"channel": "sms"})).json()["items"]) == 1
    assert (await limited.put(SMS, json={"class": "all"})).status_code == 200
    assert (await limited.delete(SMS)).status_code == 204


@pytest.mark.parametrize(
    "limits",
    [
        {"kind": CallerKind.TEAM, "addresses": {"email": (ADDRESS,)}},
        {"recipients": ("al",)},
        {"recipients": ("al",), "channels": frozenset({"email"})},
    ],
)
async def test_who_reaches_some_people_alone_has_nothing_to_do_with_it(api: Api, limits: Mapping[str, Any]) -> None:
    client = await api.client(**limits)
    for method in ("PUT", "GET", "DELETE"):
        problem(await client.request(method, ALICE, json={}), 403)
    for path in (ALL, f"{ALL}.csv", f"{ALL}?channel=email", f"{ALL}?channel=email&address={ADDRESS}"):
        problem(await client.get(path), 403)
    problem(await client.post(f"{ALL}/import", content="channel,address\r\n"), 403)
    assert not api.people.calls


async def test_each_route_needs_its_scope(api: Api) -> None:
    reader = await api.client(scopes=frozenset({Scope.SUPPRESSIONS_READ}))
    writer = await api.client(scopes=frozenset({Scope.SUPPRESSIONS_WRITE}))
    header = "channel,address\r\n"
    assert (await writer.put(ALICE, json={})).status_code == 201
    assert (await writer.post(f"{ALL}/import", content=header)).status_code == 200
    problem(await reader.put(ALICE, json={}), 403)
    problem(await reader.delete(ALICE), 403)
    problem(await reader.post(f"{ALL}/import", content=header), 403)
    for path in (ALICE, ALL, f"{ALL}.csv"):
        assert (await reader.get(path)).status_code == 200
        problem(await writer.get(path), 403)
    assert (await writer.delete(ALICE)).status_code == 204


async def test_who_is_overtaken_writes_again_and_loses_nothing(api: Api, client: httpx.AsyncClient) -> None:
    read = api.people.suppression
    others = [SuppressionReason.STOP, SuppressionReason.COMPLAINT]

    async def read_and_write(channel: str, suppression_id: str) -> Suppression | None:
        found = await read(channel, suppression_id)
        if others:
            entry = Entry(others.pop(), SuppressionClass.MARKETING, START, "a receipt")
            await api.people.put_suppression((found or Suppression(suppression_id, channel)).with_entry(entry))
        return found

    api.people.suppression = read_and_write  # type: ignore[method-assign]
    answer = await client.put(ALICE, json={"class": "all"})
    assert answer.status_code == 200
    assert [answer.json()["reason"], *(o["reason"] for o in answer.json()["others"])] == ["manual", "complaint", "stop"]


@pytest.mark.parametrize("landed", [False, True])
async def test_a_write_without_an_answer_is_a_503_and_can_be_sent_again(
    api: Api, client: httpx.AsyncClient, landed: bool
) -> None:
    api.people.fail("put_suppression", landed=landed)
    problem(await client.put(ALICE, json={}), 503)
    assert (await client.put(ALICE, json={})).status_code == (200 if landed else 201)
    api.people.fail("put_suppression", landed=landed)
    problem(await client.delete(ALICE), 503)
    assert (await client.delete(ALICE)).status_code == (404 if landed else 204)


async def test_a_record_that_cannot_be_read_is_a_500_and_left_out_of_lists(api: Api, client: httpx.AsyncClient) -> None:
    (known,) = await put_all(api, "email", ADDRESS)
    api.people.spoil(f"suppressions/email.{known}")
    for method in ("PUT", "GET", "DELETE"):
        problem(await client.request(method, ALICE, json={}), 500)
    assert (await client.get(ALL)).json()["items"] == []


async def test_by_its_address_a_record_of_a_wrong_channel_is_set_right(api: Api, client: httpx.AsyncClient) -> None:
    (known,) = await put_all(api, "email", ADDRESS)
    api.people.suppressed[known] = replace(api.people.suppressed[known], channel="sms")
    assert (await client.put(ALICE, json={})).json()["channel"] == "email"
    assert [s["channel"] for s in (await client.get(ALL)).json()["items"]] == ["email"]


async def test_who_changed_what_is_logged_by_hash(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    caller, client = await api.caller()
    await client.put(ALICE, json={"reason": "stop"})
    await client.put(ALICE, json={"reason": "stop"})
    await client.delete(ALICE)
    lines = Output(capsys).lines(ADDRESS)
    assert [line["message"] for line in lines] == ["suppression written", "suppression deleted"]
    for line in lines:
        assert (line["by"], line["channel"], line["reasons"]) == (caller.id, "email", ["stop"])
        assert line["address_hash"] == api.people.suppression_id("email", ADDRESS)


async def test_it_may_be_said_since_when(client: httpx.AsyncClient) -> None:
    path = f"/v1/suppressions/email/{ADDRESS}"
    long_ago = "2020-01-02T03:04:05Z"
    made = await client.put(path, json={"reason": "complaint", "at": long_ago})
    assert (made.status_code, made.json()["at"]) == (201, long_ago)
    answer = await client.put(path, json={"at": "2999-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "at")
