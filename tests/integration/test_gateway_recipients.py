"""Registering, reading, replacing and deleting recipients over HTTP."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from functions.gateway.recipients.schemas import RecipientJson, RecipientsJson
from tests.integration.gateway import Hark, declared, nothing_done, problem

EMAIL = {"addresses": {"email": "a@example.com"}}


async def test_a_new_recipient_is_created_with_its_addresses_normalised(hark: Hark) -> None:
    addresses = {"email": "a@EXAMPLE.com", "sms": "+1 (415) 555-2671", "slack": "#Ops"}

    answer = await hark.client.put("/v1/recipients/alice", json={"addresses": addresses})

    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
    recipient = declared(RecipientJson, answer)
    assert recipient["name"] == "alice"
    assert recipient["addresses"] == {"email": "a@example.com", "sms": "+14155552671", "slack": "#ops"}
    assert recipient["created_at"] == recipient["updated_at"]
    read = await hark.client.get("/v1/recipients/alice")
    assert (read.status_code, declared(RecipientJson, read)) == (200, recipient)


async def test_the_name_may_stand_in_the_body_too(hark: Hark) -> None:
    for body in ({"name": "alice", **EMAIL}, {"name": None, **EMAIL}):
        assert (await hark.client.put("/v1/recipients/alice", json=body)).status_code in {200, 201}


async def test_what_was_read_can_be_put_back_as_it_is(hark: Hark) -> None:
    await hark.client.put("/v1/recipients/alice", json=EMAIL)
    read = (await hark.client.get("/v1/recipients/alice")).json()
    body = {"name": read["name"], "addresses": read["addresses"]}
    assert (await hark.client.put("/v1/recipients/alice", json=body)).json()["addresses"] == read["addresses"]


async def test_a_replaced_recipient_has_only_the_new_addresses_and_its_old_birthday(hark: Hark) -> None:
    first = (await hark.client.put("/v1/recipients/alice", json=EMAIL)).json()

    answer = await hark.client.put("/v1/recipients/alice", json={"addresses": {"sms": "+14155552671"}})

    assert answer.status_code == 200
    second = declared(RecipientJson, answer)
    assert second["addresses"] == {"sms": "+14155552671"}
    assert second["created_at"] == first["created_at"]
    assert second["updated_at"] > first["updated_at"]


async def test_a_deleted_recipient_is_gone_and_what_was_sent_to_it_stays(hark: Hark) -> None:
    await hark.client.put("/v1/recipients/alice", json=EMAIL)
    sent = await hark.sent(to=None, recipient="alice")

    answer = await hark.client.delete("/v1/recipients/alice")

    assert (answer.status_code, answer.content) == (204, b"")
    problem(await hark.client.get("/v1/recipients/alice"), 404)
    problem(await hark.client.delete("/v1/recipients/alice"), 404)
    problem(await hark.send(to=None, recipient="alice"), 422, "recipient")
    assert (await hark.client.get(f"/v1/notifications/{sent['id']}")).json() == sent


async def test_recipients_are_listed_by_name_page_by_page(hark: Hark) -> None:
    names = ["Zoe", "alice", "bob", "carol@example.com", "x" * 128]
    for name in reversed(names):
        await hark.client.put(f"/v1/recipients/{name}", json=EMAIL)
    listed: list[list[str]] = []
    query: dict[str, Any] = {"limit": 2}
    while "cursor" not in query or query["cursor"] is not None:
        page = declared(RecipientsJson, await hark.client.get("/v1/recipients", params=query))
        listed.append([r["name"] for r in page["items"]])
        query["cursor"] = page["next_cursor"]
    assert listed == [names[:2], names[2:4], names[4:]]
    whole = (await hark.client.get("/v1/recipients", params={"limit": 5})).json()
    assert (len(whole["items"]), whole["next_cursor"]) == (5, None)


async def test_a_cursor_holds_its_place_though_its_recipient_has_gone(hark: Hark) -> None:
    for name in ("a", "b", "c"):
        await hark.client.put(f"/v1/recipients/{name}", json=EMAIL)
    cursor = (await hark.client.get("/v1/recipients", params={"limit": 2})).json()["next_cursor"]
    await hark.client.delete("/v1/recipients/b")
    rest = (await hark.client.get("/v1/recipients", params={"cursor": cursor})).json()
    assert [r["name"] for r in rest["items"]] == ["c"]


@pytest.mark.parametrize("name", ["a", "A.b_c@d+e-f", "0", "x" * 128, "notifications", "a..b"])
async def test_an_odd_but_good_name_can_be_put_read_and_sent_to(hark: Hark, name: str) -> None:
    assert (await hark.client.put(f"/v1/recipients/{quote(name)}", json=EMAIL)).status_code == 201
    assert (await hark.client.get(f"/v1/recipients/{quote(name)}")).json()["name"] == name
    assert (await hark.sent(to=None, recipient=name))["recipient"] == name


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a/b",
        "a%2Fb",
        "a%252Fb",
        "%2E",
        "%2E%2E",
        "%2E%2E%2Fnotifications",
        "__x__",
        "-a",
        "a%00",
        "%00",
        "a%0D",
        "a%20b",
        "x" * 129,
        "x" * 200,
        "x" * 10_000,
        "%C3%BC",
        "%F0%9F%8E%89",
        "%FF",
        "%ED%A0%80",
        "a%E2%80%A8",
        "a/",
    ],
)
async def test_a_bad_name_in_the_path_is_refused_for_each_method(hark: Hark, path: str) -> None:
    async with nothing_done(hark):
        for answer in (
            await hark.client.put(f"/v1/recipients/{path}", json=EMAIL),
            await hark.client.get(f"/v1/recipients/{path}"),
            await hark.client.delete(f"/v1/recipients/{path}"),
        ):
            problem(answer, 422, "name")


@pytest.mark.parametrize("path", ["alice%0A", "alice%0A%0A", "alice%0Abob"])
async def test_a_line_end_behind_a_name_does_not_reach_the_recipient_of_that_name(hark: Hark, path: str) -> None:
    await hark.client.put("/v1/recipients/alice", json=EMAIL)
    async with nothing_done(hark):
        for method in ("PUT", "GET", "DELETE"):
            problem(await hark.client.request(method, f"/v1/recipients/{path}", json=EMAIL), 422, "name")


TOO_MANY = {f"c{i}": "a@example.com" for i in range(21)}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["addresses"]),
        ({"addresses": None}, ["addresses"]),
        ({"addresses": {}}, ["addresses"]),
        ({"addresses": []}, ["addresses"]),
        ({"addresses": "a@example.com"}, ["addresses"]),
        ({"addresses": {"email": None}}, ["addresses.email"]),
        ({"addresses": {"email": 1}}, ["addresses.email"]),
        ({"addresses": {"email": ["a@example.com"]}}, ["addresses.email"]),
        ({"addresses": {"email": ""}}, ["addresses.email"]),
        ({"addresses": {"email": "x" * 321}}, ["addresses.email"]),
        ({"addresses": {"email": "nobody"}}, ["addresses.email"]),
        (
            {"addresses": {"email": "nobody", "sms": "12", "slack": "?"}},
            [f"addresses.{c}" for c in ("email", "sms", "slack")],
        ),
        ({"addresses": {"fax": "1"}}, ["addresses.fax"]),
        ({"addresses": {"": "a@example.com"}}, ["addresses."]),
        ({"addresses": {"__x__": "a@example.com"}}, ["addresses.__x__"]),
        ({"addresses": {"../x": "a@example.com"}}, ["addresses.../x"]),
        ({"addresses": TOO_MANY}, ["addresses"]),
        ({"name": "bob", **EMAIL}, ["name"]),
        ({"name": 1, **EMAIL}, ["name"]),
        ({"name": "a/b", **EMAIL}, ["name"]),
        ({"created_at": "2026-01-01T00:00:00Z", **EMAIL}, ["created_at"]),
        ({"path": 1, "query": 2, **EMAIL}, ["path", "query"]),
        ([EMAIL], ["body"]),
        (None, ["body"]),
        ("alice", ["body"]),
        (1, ["body"]),
        (True, ["body"]),
    ],
)
async def test_a_bad_body_names_its_fields_and_changes_nothing(hark: Hark, body: Any, fields: list[str]) -> None:
    before = (await hark.client.put("/v1/recipients/alice", json=EMAIL)).json()
    content = json.dumps(body)
    async with nothing_done(hark):
        problem(await hark.client.put("/v1/recipients/alice", content=content), 422, *fields)
        problem(await hark.client.put("/v1/recipients/new", content=content), 422, *fields)
    assert (await hark.client.get("/v1/recipients/alice")).json() == before
