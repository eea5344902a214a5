"""What the gateway says of itself: channels, health, OpenAPI and its page."""

import base64
import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from html.parser import HTMLParser
from typing import Any

import pytest

from functions.gateway.channels.schemas import ChannelsJson
from functions.gateway.web.common_fields import NOTIFICATION_ID, ONE_LINE, PRINTABLE
from functions.gateway.web.problem_details import MEDIA_TYPE
from shared.channels.text_checks import one_line, printable
from tests.integration.gateway import Hark, declared

OPEN = {
    ("post", "/v1/receipts/twilio"): {"204", "400", "403", "404", "408", "413", "503"},
    ("post", "/v1/receipts/sendgrid"): {"204", "400", "403", "404", "408", "413", "503"},
    ("get", "/healthz"): {"200"},
}
SCOPED = {
    ("post", "/v1/notifications"): {"202", "400", "408", "413", "422"},
    ("get", "/v1/notifications"): {"200", "422"},
    ("get", "/v1/notifications/{notification_id}"): {"200", "404"},
    ("put", "/v1/recipients/{name}"): {"200", "201", "400", "408", "413", "422"},
    ("get", "/v1/recipients/{name}"): {"200", "404", "422"},
    ("get", "/v1/recipients"): {"200", "422"},
    ("delete", "/v1/recipients/{name}"): {"204", "404", "422"},
    ("get", "/v1/dead-letters"): {"200", "422"},
    ("post", "/v1/dead-letters/{notification_id}/{channel}/replay"): {"202", "404", "409"},
    ("delete", "/v1/dead-letters/{notification_id}/{channel}"): {"204", "404", "409"},
    ("post", "/v1/callers"): {"201", "400", "408", "409", "413", "422"},
    ("get", "/v1/callers"): {"200", "422"},
    ("get", "/v1/callers/{caller_id}"): {"200", "404"},
    ("put", "/v1/callers/{caller_id}"): {"200", "400", "404", "408", "413", "422"},
    ("delete", "/v1/callers/{caller_id}"): {"202", "204", "404", "422"},
    ("post", "/v1/callers/{caller_id}/keys"): {"201", "404", "409"},
    ("delete", "/v1/callers/{caller_id}/keys/{key_id}"): {"204", "404"},
    ("get", "/v1/channels"): {"200"},
}
ROUTES = OPEN | {
    (method, path): answers | {"401", "403", "429", "503"} | ({"415"} if "413" in answers else set())
    for (method, path), answers in SCOPED.items()
}
QUERIES = {
    ("get", "/v1/notifications"): {"recipient", "status", "limit", "cursor"},
    ("get", "/v1/recipients"): {"limit", "cursor"},
    ("get", "/v1/dead-letters"): {"channel", "limit", "cursor"},
    ("get", "/v1/callers"): {"limit", "cursor"},
    ("delete", "/v1/callers/{caller_id}"): {"cascade", "stop"},
}


@pytest.fixture
async def openapi(hark: Hark) -> Any:
    answer = await hark.client.get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return answer.json()


def within(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from within(item)


async def test_the_channels_are_listed_with_what_they_take(hark: Hark) -> None:
    answer = await hark.client.get("/v1/channels")
    assert answer.status_code == 200
    items = declared(ChannelsJson, answer)["items"]
    assert [item["name"] for item in items] == ["email", "sms", "slack"]
    assert {item["name"]: item["max_length"] for item in items} == {"email": 100_000, "sms": 1600, "slack": 40_000}
    measures = {channel.name: channel.measure.name for channel in hark.gateway.channels.values()}
    assert {item["name"]: item["measure"] for item in items} == measures
    assert [measures[name] for name in ("email", "sms", "slack")] == [
        *("bytes of UTF-8", "UTF-16 units", "characters after escaping"),
    ]
    assert all(item["address"] for item in items)


async def test_health_asks_nothing_of_others(hark: Hark) -> None:
    assert (await hark.client.get("/healthz")).status_code == 200
    assert hark.calls.taken() == {}


async def test_openapi_has_each_route_and_each_answer(openapi: Any) -> None:
    assert re.fullmatch(r"3\.1\.\d+", openapi["openapi"])
    assert openapi["info"]["title"]
    assert openapi["info"]["version"]
    said = {
        (method, path): set(operation["responses"])
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }
    assert said == ROUTES


async def test_every_reference_resolves_and_no_schema_is_idle(openapi: Any) -> None:
    schemas = openapi["components"]["schemas"]
    references = {found["$ref"] for found in within(openapi) if "$ref" in found}
    assert references == {f"#/components/schemas/{name}" for name in schemas}


async def test_operations_are_told_apart_and_paths_declare_their_parameters(openapi: Any) -> None:
    ids: list[str] = []
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            ids.append(operation["operationId"])
            parameters = operation.get("parameters", [])
            in_path = {p["name"] for p in parameters if p["in"] == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path))
            assert all(p["required"] for p in parameters if p["in"] == "path")
            assert {p["name"] for p in parameters if p["in"] == "query"} == QUERIES.get((method, path), set())
            assert all("schema" in p for p in parameters)
    assert len(set(ids)) == len(ids)


async def test_bodies_and_the_key_are_declared(openapi: Any) -> None:
    post = openapi["paths"]["/v1/notifications"]["post"]
    assert [(p["name"], p["in"], p.get("required", False)) for p in post["parameters"]] == [
        ("Idempotency-Key", "header", False)
    ]
    for operation, model in ((post, "Notification"), (openapi["paths"]["/v1/recipients/{name}"]["put"], "Recipient")):
        body = operation["requestBody"]
        assert body["required"]
        assert body["content"]["application/json"]["schema"]["$ref"].endswith(f"/{model}Request")
        assert openapi["components"]["schemas"][f"{model}Request"]["additionalProperties"] is False


async def test_a_request_has_exactly_one_target(openapi: Any) -> None:
    one, other = openapi["components"]["schemas"]["NotificationRequest"]["oneOf"]
    assert (one["required"], other["required"]) == (["recipient"], ["to"])


async def test_the_channels_that_there_are_stand_wherever_one_is_named(openapi: Any) -> None:
    schemas = openapi["components"]["schemas"]
    assert schemas["ChannelName"]["enum"] == ["email", "sms", "slack"]
    assert list(schemas["Addresses"]["properties"]) == ["email", "sms", "slack"]
    assert (schemas["Addresses"]["minProperties"], schemas["Addresses"]["additionalProperties"]) == (1, False)


async def test_no_parameter_of_a_path_or_query_can_be_null(openapi: Any) -> None:
    parameters = [p for found in within(openapi) for p in found.get("parameters", []) if isinstance(p, dict)]
    assert {p["in"] for p in parameters} == {"path", "query", "header"}
    assert not [p for p in parameters if {"type": "null"} in within(p)]
    assert all("pattern" in p["schema"] for p in parameters if p["in"] == "path")


@pytest.mark.parametrize(("pattern", "check"), [(PRINTABLE, printable), (ONE_LINE, one_line)])
def test_the_patterns_of_texts_are_what_the_code_checks(pattern: str, check: Callable[[str], str]) -> None:
    for character in map(chr, range(0x3000)):
        with pytest.raises(ValueError, match="must not") if not re.search(pattern, f"a{character}b") else nullcontext():
            check(f"a{character}b")


def test_the_pattern_of_an_id_takes_those_that_we_give_out() -> None:
    for made in (uuid.uuid4(), uuid.uuid5(uuid.NAMESPACE_URL, "x")):
        assert re.search(NOTIFICATION_ID, str(made))
        assert not re.search(NOTIFICATION_ID, str(made).upper())


async def test_each_link_leads_to_an_operation_and_gives_it_all_its_parameters(openapi: Any) -> None:
    operations = {o["operationId"]: o for methods in openapi["paths"].values() for o in methods.values()}
    links = [link for found in within(openapi) for link in found.get("links", {}).values()]
    assert links
    for link in links:
        parameters = operations[link["operationId"]]["parameters"]
        assert set(link["parameters"]) == {p["name"] for p in parameters if p["in"] == "path"}


async def test_who_is_refused_is_told_how_to_ask_and_when(openapi: Any) -> None:
    headers = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}
    for operation in (o for methods in openapi["paths"].values() for o in methods.values()):
        for status in headers.keys() & operation["responses"].keys():
            assert operation["responses"][status]["headers"][headers[status]]["required"]


async def test_every_error_is_declared_as_problem_details(openapi: Any) -> None:
    for path, methods in openapi["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                assert answer["description"]
                if status >= "400":
                    assert list(answer["content"]) == [MEDIA_TYPE], (path, status)
                    assert answer["content"][MEDIA_TYPE]["schema"]["$ref"].endswith("/ProblemDetails")
                elif status == "204":
                    assert "content" not in answer
                elif path != "/healthz":
                    assert "$ref" in answer["content"]["application/json"]["schema"]


class Page(HTMLParser):
    """The tags of a page, with their attributes, and the text of its styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.styles = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags[-1][0] == "style":
            self.styles += data


async def test_the_page_runs_nothing_and_loads_nothing(hark: Hark) -> None:
    answer = await hark.client.get("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    page = Page(answer.text)
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed", "link", "img", "form", "base"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]
    assert "//" not in answer.text
    assert "javascript:" not in answer.text


async def test_the_pages_policy_lets_its_one_style_through(hark: Hark) -> None:
    answer = await hark.client.get("/docs")
    page = Page(answer.text)
    digest = base64.b64encode(hashlib.sha256(page.styles.partition("</style>")[0].encode()).digest()).decode()
    assert [tag for tag, _ in page.tags].count("style") == 1
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]


async def test_the_page_shows_each_route_and_its_links_lead_somewhere(hark: Hark) -> None:
    html = (await hark.client.get("/docs")).text
    page = Page(html)
    for _, path in ROUTES:
        assert f"<code>{path}</code>" in html
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for _, attributes in page.tags:
        target = attributes.get("href")
        assert target is None or target == "/openapi.json" or target.removeprefix("#") in ids
