"""What the gateway says of itself: channels, health, OpenAPI and its page."""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from functions.gateway.channels.schemas import ChannelsJson
from functions.gateway.web.common_fields import NOTIFICATION_ID
from functions.gateway.web.problem_details import MEDIA_TYPE
from shared.channels.content import ONE_LINE, PRINTABLE
from shared.channels.text_checks import one_line, printable
from tests.integration.gateway import Hark, client_of, declared, problem

OPEN = {
    ("post", "/v1/receipts/twilio"): {"204", "400", "403", "404", "408", "413", "503"},
    ("post", "/v1/receipts/vonage"): {"204", "400", "403", "404", "408", "413", "503"},
    ("post", "/v1/receipts/sendgrid"): {"204", "400", "403", "404", "408", "413", "503"},
    ("post", "/v1/inbound/twilio"): {"204", "400", "403", "404", "408", "413", "503"},
    ("get", "/healthz"): {"200"},
}
SCOPED = {
    ("post", "/v1/notifications"): {"202", "400", "408", "413", "422"},
    ("get", "/v1/notifications"): {"200", "422"},
    ("get", "/v1/notifications/{notification_id}"): {"200", "404"},
    ("post", "/v1/notifications/{notification_id}/cancel"): {"200", "404"},
    ("post", "/v1/notifications/explain"): {"200", "400", "408", "413", "422"},
    ("get", "/v1/notifications/{notification_id}/explain"): {"200", "404"},
    ("put", "/v1/recipients/{name}"): {"200", "201", "400", "408", "409", "413", "422"},
    ("get", "/v1/recipients/{name}"): {"200", "404", "422"},
    ("get", "/v1/recipients"): {"200", "422"},
    ("delete", "/v1/recipients/{name}"): {"204", "404", "422"},
    ("post", "/v1/recipients/{name}/erase"): {"202", "404", "422"},
    ("put", "/v1/categories/{name}"): {"200", "201", "400", "408", "413", "422"},
    ("get", "/v1/categories/{name}"): {"200", "404", "422"},
    ("get", "/v1/categories"): {"200", "422"},
    ("delete", "/v1/categories/{name}"): {"204", "404", "422"},
    ("get", "/v1/suppressions"): {"200", "422"},
    ("get", "/v1/suppressions.csv"): {"200", "422"},
    ("post", "/v1/suppressions/import"): {"200", "408", "413", "422"},
    ("put", "/v1/suppressions/{channel}/{address}"): {"200", "201", "400", "408", "413", "422"},
    ("get", "/v1/suppressions/{channel}/{address}"): {"200", "404", "422"},
    ("delete", "/v1/suppressions/{channel}/{address}"): {"204", "404", "422"},
    ("get", "/v1/dead-letters"): {"200", "422"},
    ("get", "/v1/duplicates"): {"200", "422"},
    ("get", "/v1/audit"): {"200", "422"},
    ("post", "/v1/dead-letters/replay"): {"200", "202", "400", "408", "413", "422"},
    ("post", "/v1/dead-letters/{notification_id}/{channel}/replay"): {"202", "404", "409"},
    ("delete", "/v1/dead-letters/{notification_id}/{channel}"): {"204", "404", "409"},
    ("post", "/v1/callers"): {"201", "400", "408", "409", "413", "422"},
    ("get", "/v1/callers"): {"200", "422"},
    ("get", "/v1/callers/{caller_id}"): {"200", "404"},
    ("get", "/v1/statistics"): {"200", "422"},
    ("put", "/v1/callers/{caller_id}"): {"200", "400", "404", "408", "413", "422"},
    ("delete", "/v1/callers/{caller_id}"): {"200", "202", "204", "404", "422"},
    ("post", "/v1/callers/{caller_id}/keys"): {"201", "404", "409"},
    ("delete", "/v1/callers/{caller_id}/keys/{key_id}"): {"204", "404"},
    ("get", "/v1/channels"): {"200"},
    ("get", "/v1/system"): {"200"},
    ("post", "/v1/channels/{name}/pause"): {"200", "400", "404", "408", "413", "422"},
    ("post", "/v1/channels/{name}/resume"): {"200", "404"},
    ("post", "/v1/batches"): {"200", "400", "408", "413", "422"},
    ("post", "/v1/broadcasts"): {"200", "202", "400", "408", "413", "422"},
    ("put", "/v1/lists/{name}"): {"200", "201", "400", "408", "413", "422"},
    ("get", "/v1/lists"): {"200", "422"},
    ("get", "/v1/lists/{name}"): {"200", "404", "422"},
    ("delete", "/v1/lists/{name}"): {"204", "404", "422"},
    ("get", "/v1/lists/{name}/members"): {"200", "404", "422"},
    ("post", "/v1/lists/{name}/members"): {"200", "400", "404", "408", "413", "422"},
    ("put", "/v1/lists/{name}/members/{recipient}"): {"204", "404", "422"},
    ("delete", "/v1/lists/{name}/members/{recipient}"): {"204", "404", "422"},
    ("put", "/v1/templates/{name}"): {"200", "201", "400", "408", "413", "422"},
    ("get", "/v1/templates"): {"200", "422"},
    ("get", "/v1/templates/{name}"): {"200", "404"},
    ("get", "/v1/templates/{name}/versions/{version}"): {"200", "404"},
    ("delete", "/v1/templates/{name}"): {"204", "404"},
    ("post", "/v1/templates/{name}/recall"): {"200", "202", "400", "404", "408", "413", "422"},
    ("get", "/v1/operations"): {"200", "422"},
    ("get", "/v1/operations/{operation_id}"): {"200", "404"},
    ("post", "/v1/operations/{operation_id}/pause"): {"200", "404", "409"},
    ("post", "/v1/operations/{operation_id}/resume"): {"200", "404", "409"},
    ("post", "/v1/operations/{operation_id}/cancel"): {"200", "404", "409"},
    ("post", "/v1/templates/{name}/preview"): {"200", "400", "404", "408", "413", "422"},
    ("put", "/v1/endpoints/{name}"): {"200", "201", "400", "408", "409", "413", "422"},
    ("get", "/v1/endpoints"): {"200", "409", "422"},
    ("get", "/v1/endpoints/{name}"): {"200", "404", "409", "422"},
    ("delete", "/v1/endpoints/{name}"): {"204", "404", "409", "422"},
    ("post", "/v1/endpoints/{name}/rotate"): {"200", "400", "404", "408", "409", "413", "422"},
    ("post", "/v1/endpoints/{name}/test"): {"202", "404", "409", "422"},
    ("get", "/v1/endpoints/{name}/deliveries"): {"200", "409", "422"},
    ("post", "/v1/endpoints/{name}/replay"): {"202", "400", "404", "408", "409", "413", "422"},
}
ROUTES = OPEN | {("get", "/v1/callers/self"): {"200", "401", "429", "503"}}
ROUTES |= {
    (method, path): answers | {"401", "403", "429", "503"} | ({"415"} if "413" in answers else set())
    for (method, path), answers in SCOPED.items()
}
QUERIES = {
    ("get", "/v1/notifications"): {
        *("recipient", "status", "caller", "channel", "address", "tag", "template", "version", "message_id"),
        *("from", "to", "limit", "cursor"),
    },
    ("get", "/v1/recipients"): {"limit", "cursor"},
    ("get", "/v1/categories"): {"limit", "cursor"},
    ("get", "/v1/suppressions"): {"channel", "address", "limit", "cursor"},
    ("get", "/v1/suppressions.csv"): {"channel", "cursor"},
    ("get", "/v1/dead-letters"): {"channel", "limit", "cursor"},
    ("get", "/v1/duplicates"): {"from", "to", "limit", "cursor"},
    ("get", "/v1/audit"): {"actor", "action", "from", "to", "limit", "cursor"},
    ("get", "/v1/lists"): {"limit", "cursor"},
    ("get", "/v1/lists/{name}/members"): {"limit", "cursor"},
    ("get", "/v1/templates"): {"limit", "cursor"},
    ("get", "/v1/operations"): {"limit", "cursor"},
    ("get", "/v1/callers"): {"limit", "cursor"},
    ("get", "/v1/statistics"): {"hours"},
    ("get", "/v1/endpoints"): {"limit", "cursor"},
    ("get", "/v1/endpoints/{name}/deliveries"): {"limit", "cursor"},
    ("delete", "/v1/callers/{caller_id}"): {"cascade", "stop", "dry_run"},
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
    longest = {"email": 100_000, "sms": 1600, "slack": 40_000, "webhook": 20_000}
    assert [(item["name"], item["max_length"]) for item in items] == [*longest.items()]
    measures = {channel.name: channel.measure.name for channel in hark.gateway.every_channel.values()}
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
                elif path.endswith(".csv"):
                    assert list(answer["content"]) == ["text/csv"]
                elif path != "/healthz":
                    assert "$ref" in answer["content"]["application/json"]["schema"]


async def test_each_operation_has_a_title_a_group_and_a_sentence(openapi: Any) -> None:
    for methods in openapi["paths"].values():
        for operation in methods.values():
            assert re.fullmatch(r"[A-Z][a-z ]+", operation["summary"])
            assert len(operation["tags"]) == 1
            assert re.search(r"[a-z0-9]\.\s*$", operation["description"]), operation["operationId"]


SCRIPT = "/docs/swagger-ui-bundle.js"


async def test_the_page_needs_no_credentials_and_asks_nothing_of_others(hark: Hark) -> None:
    async with client_of(hark.gateway, None) as nobody:
        for path in ("/docs", SCRIPT):
            assert (await nobody.get(path)).status_code == 200
    assert hark.calls.taken() == {}


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("start.js", "text/javascript; charset=utf-8"),
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("favicon-32x32.png", "image/png"),
    ],
)
async def test_a_file_of_the_page_says_what_it_is_and_is_loaded_once(hark: Hark, name: str, media_type: str) -> None:
    answer = await hark.client.get(f"/docs/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; base-uri")
    again = await hark.client.get(f"/docs/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    changed = await hark.client.get(f"/docs/{name}", headers={"If-None-Match": '"x"'})
    assert changed.content == answer.content


@pytest.mark.parametrize(
    "name",
    ["__init__.py", "..%2Fmain.py", "%2e%2e/main.py", "..\\main.py", "start.js/", "START.JS", "start.js%0A", "x"],
)
async def test_nothing_else_is_served_beside_the_page(hark: Hark, name: str) -> None:
    problem(await hark.client.get(f"/docs/{name}"), 404)


async def test_the_page_may_run_its_own_files_and_call_its_own_host(hark: Hark) -> None:
    policy = (await hark.client.get("/docs")).headers["content-security-policy"]
    directives = {name: sources for name, *sources in (each.split() for each in policy.split(";"))}
    assert directives == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'none'"],
    }


async def test_the_page_leaves_no_key_behind_and_asks_no_validator(hark: Hark) -> None:
    """By default Swagger UI sends the document's address to a validator of its makers."""
    start = (await hark.client.get("/docs/start.js")).text
    assert "validatorUrl: null" in start
    assert "persistAuthorization: false" in start
