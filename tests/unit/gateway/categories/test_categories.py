"""Making, reading, replacing and deleting categories."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import Scope
from functions.gateway.categories.schemas import CategoriesJson, CategoryJson
from shared.delivery.model import CategoryClass
from shared.people.category import Category
from shared.runtime import logs
from tests.fakes.api import Api
from tests.integration.canaries import Output
from tests.integration.gateway import declared, problem

NEWS = "/v1/categories/news"
MARKETING = {"class": "marketing"}


async def test_a_new_category_is_created_and_read(client: httpx.AsyncClient) -> None:
    body = {**MARKETING, "description": "What is new", "max_per_day": 2}
    answer = await client.put(NEWS, json=body)
    assert answer.status_code == 201
    made = declared(CategoryJson, answer)
    assert made == {"name": "news", **body, "created_at": made["created_at"], "updated_at": made["created_at"]}
    assert declared(CategoryJson, await client.get(NEWS)) == made


async def test_the_least_is_a_class(client: httpx.AsyncClient) -> None:
    for class_ in CategoryClass:
        made = (await client.put(f"/v1/categories/{class_}", json={"class": class_})).json()
        assert (made["class"], made["description"], made["max_per_day"]) == (class_, "", None)


async def test_a_replaced_one_keeps_its_birthday_alone(api: Api, client: httpx.AsyncClient) -> None:
    first = (await client.put(NEWS, json={**MARKETING, "description": "x", "max_per_day": 1})).json()
    caller, other = await api.caller()
    answer = await other.put(NEWS, json={"class": "service"})
    assert answer.status_code == 200
    second = answer.json()
    assert (second["class"], second["description"], second["max_per_day"]) == ("service", "", None)
    assert second["created_at"] == first["created_at"]
    assert second["updated_at"] > first["updated_at"]
    stored = await api.people.category("news")
    assert stored is not None
    assert stored.updated_by == caller.id


async def test_a_deleted_one_is_gone(client: httpx.AsyncClient) -> None:
    await client.put(NEWS, json=MARKETING)
    answer = await client.delete(NEWS)
    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("GET", "DELETE"):
        problem(await client.request(method, NEWS), 404)
    assert (await client.put(NEWS, json=MARKETING)).status_code == 201


async def test_they_are_listed_by_name_page_by_page(client: httpx.AsyncClient) -> None:
    for name in ("c", "a", "b"):
        await client.put(f"/v1/categories/{name}", json=MARKETING)
    page = declared(CategoriesJson, await client.get("/v1/categories", params={"limit": 2}))
    assert [c["name"] for c in page["items"]] == ["a", "b"]
    rest = declared(CategoriesJson, await client.get("/v1/categories", params={"cursor": page["next_cursor"]}))
    assert ([c["name"] for c in rest["items"]], rest["next_cursor"]) == (["c"], None)
    problem(await client.get("/v1/templates", params={"cursor": page["next_cursor"]}), 422, "cursor")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "class"),
        ({"class": None}, "class"),
        ({"class": "urgent"}, "class"),
        ({**MARKETING, "description": None}, "description"),
        ({**MARKETING, "description": "x" * 501}, "description"),
        ({**MARKETING, "description": "\x1b[2J"}, "description"),
        ({**MARKETING, "max_per_day": 0}, "max_per_day"),
        ({**MARKETING, "max_per_day": 1001}, "max_per_day"),
        ({**MARKETING, "max_per_day": "2"}, "max_per_day"),
        ({**MARKETING, "max_per_day": True}, "max_per_day"),
        ({**MARKETING, "name": "news"}, "name"),
        ({**MARKETING, "class_": "service"}, "class_"),
    ],
)
async def test_what_is_wrong_is_named_and_changes_nothing(
    api: Api, client: httpx.AsyncClient, body: Any, field: str
) -> None:
    await client.put(NEWS, json=MARKETING)
    before = await api.people.category("news")
    problem(await client.put(NEWS, json=body), 422, field)
    assert await api.people.category("news") == before


@pytest.mark.parametrize("name", ["-a", "a@b", "a%20b", "x" * 129, "%00", "__x__", "%C3%BC"])
async def test_a_bad_name_is_refused_for_each_method(client: httpx.AsyncClient, name: str) -> None:
    for method in ("PUT", "GET", "DELETE"):
        problem(await client.request(method, f"/v1/categories/{name}", json=MARKETING), 422, "name")


async def test_each_route_needs_its_scope(api: Api) -> None:
    reader = await api.client(scopes=frozenset({Scope.CATEGORIES_READ}))
    writer = await api.client(scopes=frozenset({Scope.CATEGORIES_WRITE}))
    assert (await writer.put(NEWS, json=MARKETING)).status_code == 201
    problem(await reader.put(NEWS, json=MARKETING), 403)
    problem(await reader.delete(NEWS), 403)
    for path in (NEWS, "/v1/categories"):
        assert (await reader.get(path)).status_code == 200
        problem(await writer.get(path), 403)
    assert (await writer.delete(NEWS)).status_code == 204


async def overtake(api: Api, times: int) -> None:
    """So many times, another writes between a read of a category and what follows it."""
    read, left = api.people.category, [times]

    async def read_and_write(name: str) -> Category | None:
        found = await read(name)
        if found is not None and left[0]:
            left[0] -= 1
            await api.people.put_category(replace(found, description="another's"))
        return found

    api.people.category = read_and_write  # type: ignore[method-assign]


async def test_who_is_overtaken_writes_again(api: Api, client: httpx.AsyncClient) -> None:
    await client.put(NEWS, json=MARKETING)
    await overtake(api, 9)
    answer = await client.put(NEWS, json={**MARKETING, "description": "ours"})
    assert (answer.status_code, answer.json()["description"]) == (200, "ours")
    assert (await client.get(NEWS)).json()["description"] == "ours"


async def test_when_others_are_always_faster_it_is_a_503(api: Api, client: httpx.AsyncClient) -> None:
    await client.put(NEWS, json=MARKETING)
    await overtake(api, 99)
    answer = await client.put(NEWS, json=MARKETING)
    problem(answer, 503)
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("landed", [False, True])
async def test_a_write_without_an_answer_is_a_503_and_can_be_sent_again(
    api: Api, client: httpx.AsyncClient, landed: bool
) -> None:
    api.people.fail("put_category", landed=landed)
    problem(await client.put(NEWS, json=MARKETING), 503)
    assert (await client.put(NEWS, json=MARKETING)).status_code == (200 if landed else 201)


async def test_a_category_that_cannot_be_read_is_a_500_and_can_be_deleted(api: Api, client: httpx.AsyncClient) -> None:
    await client.put(NEWS, json=MARKETING)
    api.people.spoil("categories/news")
    problem(await client.get(NEWS), 500)
    problem(await client.put(NEWS, json=MARKETING), 500)
    assert (await client.delete(NEWS)).status_code == 204


async def test_who_changed_it_is_logged(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    caller, client = await api.caller()
    await client.put(NEWS, json=MARKETING)
    await client.delete(NEWS)
    written, deleted = Output(capsys).lines()
    assert (written["message"], written["category"], written["by"]) == ("category written", "news", caller.id)
    assert (deleted["message"], deleted["category"], deleted["by"]) == ("category deleted", "news", caller.id)
