"""Line ends in paths: what a parameter holds is its route's to answer, and what is behind the path makes it another."""

import httpx
import pytest

from tests.fakes.api import Api
from tests.integration.gateway import problem

LINE_ENDS = ["a%0A", "a%0A%0A", "a%0Ab", "%0A", "%0Aa", "a%0D%0A", "a/%0A"]


@pytest.mark.parametrize("name", LINE_ENDS)
async def test_a_recipients_name_with_a_line_end_is_refused_by_its_name(
    api: Api, client: httpx.AsyncClient, name: str
) -> None:
    await client.put("/v1/recipients/a", json={"addresses": {"email": "a@example.com"}})
    before = await client.get("/v1/recipients/a")
    for method in ("PUT", "GET", "DELETE"):
        answer = await client.request(method, f"/v1/recipients/{name}", json={"addresses": {"email": "b@example.com"}})
        problem(answer, 422, "name")
    problem(await client.post(f"/v1/recipients/{name}/erase"), 422, "name")
    assert (await client.get("/v1/recipients/a")).json() == before.json()


@pytest.mark.parametrize("address", LINE_ENDS)
async def test_a_suppressed_address_with_a_line_end_is_refused_by_its_name(
    api: Api, client: httpx.AsyncClient, address: str
) -> None:
    for method in ("PUT", "GET", "DELETE"):
        answer = await client.request(method, f"/v1/suppressions/email/{address}", json={"reason": "manual"})
        problem(answer, 422, "address")
    assert not api.people.suppressed


@pytest.mark.parametrize("token", LINE_ENDS)
async def test_a_token_with_a_line_end_is_answered_by_the_page(client: httpx.AsyncClient, token: str) -> None:
    for method in ("GET", "POST"):
        answer = await client.request(method, f"/u/{token}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    "path",
    ["/v1/channels/email/pause%0A", "/v1/channels/email%0A/pause", "/v1/channels/email/pause/%0A", "/v1/channels/%0A"],
)
async def test_a_line_end_makes_it_another_path(api: Api, client: httpx.AsyncClient, path: str) -> None:
    problem(await client.post(path, json={"reason": "any"}), 404)
    assert not await api.channel_states.states()
