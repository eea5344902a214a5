"""HEAD answers wherever GET does, as GET does, without a body; and what every answer tells a browser."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from functions.gateway.application import application
from functions.gateway.console import console_files
from functions.gateway.web import docs_page
from shared.runtime import telemetry
from tests.fakes.telemetry import MemoryTelemetry
from tests.unit.gateway.test_application import GOOD, a_gateway
from tests.unit.gateway.test_strangers import ask

UNKNOWN = "6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4"
OPEN = ["/healthz", "/docs", "/docs/swagger-ui-bundle.js", "/docs/page.css", "/openapi.json", "/console"]
REFUSED = [
    "/v1/notifications?limit=0",
    f"/v1/notifications/{UNKNOWN}",
    "/v1/recipients/bob",
    "/v1/nothing",
    "/docs/x",
    "/%00",
]
TOLD = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Of a gateway with a notification, a recipient, a list and a template."""
    gateway, _, _, key = await a_gateway()
    transport = httpx.ASGITransport(application(gateway))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        assert (await client.put("/v1/recipients/alice", json={"addresses": GOOD["to"]})).status_code == 201
        assert (await client.put("/v1/lists/alice", json={})).status_code == 201
        texts = {"default_locale": "en", "locales": {"en": {"email": {"message": "x"}}}}
        assert (await client.put("/v1/categories/alice", json={"class": "service"})).status_code == 201
        assert (await client.put("/v1/suppressions/email/a@example.com", json={})).status_code == 201
        assert (await client.put("/v1/templates/alice", json=texts)).status_code == 201
        endpoint = {"url": "https://example.com/", "events": ["*"]}
        assert (await client.put("/v1/endpoints/alice", json=endpoint)).status_code == 201
        yield client


async def gets(client: httpx.AsyncClient) -> list[str]:
    """A path of each route that takes GET."""
    caller = (await client.get("/v1/callers")).json()["items"][0]["id"]
    recalled = await client.post("/v1/templates/alice/recall", json={"version": 1})
    operation = recalled.json()["id"]
    sent = (await client.post("/v1/notifications", json=GOOD)).json()["id"]
    filled = {
        "{notification_id}": sent,
        "{name}": "alice",
        "{caller_id}": caller,
        "{version}": "1",
        "{channel}": "email",
        "{address}": "a@example.com",
        "{operation_id}": operation,
    }
    paths = (await client.get("/openapi.json")).json()["paths"]
    found = [path for path, methods in paths.items() if "get" in methods]
    for name, value in filled.items():
        found = [path.replace(name, value) for path in found]
    assert len(found) >= 9
    assert not any("{" in path for path in found)
    return found


async def test_head_answers_as_get_does_without_a_body(client: httpx.AsyncClient) -> None:
    for path in [*await gets(client), *OPEN, *REFUSED]:
        for headers in ({}, {"Authorization": "Bearer x"}):
            got, head = [await client.request(method, path, headers=headers) for method in ("GET", "HEAD")]
            assert got.content, path
            assert head.content == b"", path
            assert (head.status_code, head.headers) == (got.status_code, got.headers), path
        assert path in REFUSED or (await client.head(path)).status_code == 200, path


async def test_where_get_is_not_head_is_not_either(client: httpx.AsyncClient) -> None:
    for path in (
        "/v1/receipts/twilio",
        "/v1/inbound/twilio",
        f"/v1/dead-letters/{UNKNOWN}/sms",
        "/v1/callers/0123456789abcdef/keys",
    ):
        head = await client.head(path)
        assert (head.status_code, head.content) == (405, b"")
        assert "HEAD" not in head.headers["allow"]
    wrong = await client.put("/v1/notifications")
    assert wrong.headers["allow"] == "GET, HEAD, POST"


async def test_head_changes_and_counts_what_get_does(client: httpx.AsyncClient) -> None:
    before = (await client.get("/v1/notifications")).content
    for path in ("/v1/notifications", "/v1/recipients/alice"):
        assert (await client.head(path, headers={"Content-Length": "0"})).status_code == 200
    assert (await client.get("/v1/notifications")).content == before


@pytest.fixture
def backend() -> Iterator[MemoryTelemetry]:
    backend = MemoryTelemetry()
    telemetry.configure(lambda: backend)
    yield backend
    telemetry.configure(None)


async def test_its_span_is_heads_and_names_the_route(client: httpx.AsyncClient, backend: MemoryTelemetry) -> None:
    backend.spans.clear()
    await client.head("/v1/recipients/alice")
    [span] = backend.spans
    assert span.title == "HEAD /v1/recipients/{name:path}"
    assert span.attributes["http.request.method"] == "HEAD"


async def test_every_answer_tells_a_browser_what_it_may_do(client: httpx.AsyncClient) -> None:
    asked = [("GET", path) for path in [*await gets(client), *OPEN, *REFUSED]]
    asked += [("POST", "/v1/notifications"), ("DELETE", "/v1/recipients/alice"), ("PUT", "/healthz"), ("HEAD", "/docs")]
    asked += [("POST", "/v1/receipts/twilio"), ("POST", "/v1/inbound/twilio"), ("GET", "/v1/channels?" + "a&" * 200)]
    policies = {"/docs": docs_page.POLICY, "/console": console_files.POLICY}
    for method, path in asked:
        answer = await client.request(method, path)
        told = {name: answer.headers.get_list(name) for name in TOLD}
        policy = policies.get(path, TOLD["content-security-policy"])
        assert told == {name: [value] for name, value in (TOLD | {"content-security-policy": policy}).items()}, path
        assert "server" not in answer.headers


async def test_a_fault_of_ours_tells_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, store, _, key = await a_gateway()

    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(store, "notifications", broken)
    answer = await ask(application(gateway), "GET", "/v1/notifications", [("Authorization", f"Bearer {key}")])
    assert answer.status == 500
    assert {name.decode(): value.decode() for name, value in answer.headers}.items() >= TOLD.items()


@pytest.mark.parametrize(
    "blanks", ["Bearer  {}", "Bearer    {}", "Bearer {} ", " Bearer {}", "bearer  {} \t", "Bearer {}\t"]
)
async def test_blanks_around_a_key_are_none_of_it(blanks: str) -> None:
    """RFC 9110, 11.4 and 5.5."""
    gateway, _, _, key = await a_gateway()
    app = application(gateway)
    assert (await ask(app, "GET", "/v1/channels", [("Authorization", blanks.format(key))])).status == 200
    for inside in (
        f"Bearer {key[:9]} {key[9:]}",
        f"Bearer\t{key}",
        f"Bearer{key}",
        f"Bearer {key} {key}",
        " ",
        "Bearer  ",
    ):
        assert (await ask(app, "GET", "/v1/channels", [("Authorization", inside)])).status == 401, inside


async def test_blanks_around_an_idempotency_key_are_none_of_it(client: httpx.AsyncClient) -> None:
    ids = {
        (await client.post("/v1/notifications", json=GOOD, headers={"Idempotency-Key": key})).json()["id"]
        for key in ("one", "one ", " one\t", "one \t ")
    }
    assert len(ids) == 1
    for key in ("", " ", "\t", "one two"):
        answer = await client.post("/v1/notifications", json=GOOD, headers={"Idempotency-Key": key})
        assert answer.status_code == 422
