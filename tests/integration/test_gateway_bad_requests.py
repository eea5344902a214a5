"""Queries, cursors, ids, paths and methods that are wrong: each answer is a problem that says which."""

import base64
import json
from urllib.parse import quote

import pytest

from tests.integration.gateway import Hark, nothing_done, problem

LISTINGS = ["/v1/notifications", "/v1/recipients", "/v1/dead-letters"]
EMAIL = {"addresses": {"email": "a@example.com"}}
UNKNOWN = "6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4"


def encoded(*parts: object) -> str:
    """A cursor made by hand."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


@pytest.mark.parametrize("path", LISTINGS)
async def test_a_limit_out_of_range_or_no_number_is_refused(hark: Hark, path: str) -> None:
    for limit in (
        "0",
        "-1",
        "101",
        "10000",
        "9" * 30,
        "9" * 5000,
        "abc",
        "1.5",
        "",
        "1e2",
        "NaN",
        "0x10",
        "1;2",
        "null",
    ):
        problem(await hark.client.get(path, params={"limit": limit}), 422, "limit")
    for limit in ("1", "100"):
        assert (await hark.client.get(path, params={"limit": limit})).status_code == 200


@pytest.mark.parametrize("path", LISTINGS)
async def test_an_unknown_query_parameter_is_refused_and_named(hark: Hark, path: str) -> None:
    problem(await hark.client.get(path, params={"page": "2"}), 422, "page")
    problem(await hark.client.get(path, params={"Limit": "2", "query": "x"}), 422, "Limit", "query")


async def test_filters_with_words_that_cannot_be_are_refused(hark: Hark) -> None:
    for status in ("", "SENT", "partial", "sent,dead", "x" * 1000, "\x00"):
        answer = await hark.client.get("/v1/notifications", params={"status": status})
        (error,) = problem(answer, 422, "status")["errors"]
        assert "'undelivered'" in error["message"]
    for channel in ("", "fax", "EMAIL", "x" * 1000, "__x__", "email/.."):
        answer = await hark.client.get("/v1/dead-letters", params={"channel": channel})
        (error,) = problem(answer, 422, "channel")["errors"]
        assert "email, sms, slack" in error["message"]
    for name in ("", "a/b", "..", "__x__", "a\x00", "a\n", "x" * 129, "x" * 10_000, "ü"):
        problem(await hark.client.get("/v1/notifications", params={"recipient": name}), 422, "recipient")


@pytest.fixture
async def cursors(hark: Hark) -> dict[str, str]:
    """A good cursor of each listing."""
    for name in ("a", "b"):
        await hark.dead()
        await hark.client.put(f"/v1/recipients/{name}", json=EMAIL)
    pages = {path: await hark.client.get(path, params={"limit": 1}) for path in LISTINGS}
    return {path: page.json()["next_cursor"] for path, page in pages.items()}


async def test_a_cursor_is_good_for_its_own_listing_only(hark: Hark, cursors: dict[str, str]) -> None:
    for path in LISTINGS:
        for of, cursor in cursors.items():
            answer = await hark.client.get(path, params={"cursor": cursor})
            if of == path:
                assert len(answer.json()["items"]) == 1
            else:
                problem(answer, 422, "cursor")


async def test_a_cursor_with_any_character_taken_out_or_added_is_refused(hark: Hark, cursors: dict[str, str]) -> None:
    for path, cursor in cursors.items():
        wrong = [
            cursor[1:],
            cursor[:-1],
            cursor[:10] + cursor[11:],
            f"{cursor}A",
            f"A{cursor}",
            f" {cursor}",
            cursor * 2,
        ]
        for tampered in wrong:
            problem(await hark.client.get(path, params={"cursor": tampered}), 422, "cursor")


@pytest.mark.parametrize("path", LISTINGS)
async def test_a_made_up_cursor_is_refused(hark: Hark, path: str) -> None:
    kind = path.removeprefix("/v1/")
    ids = [
        "",
        "x",
        "..",
        UNKNOWN.upper(),
        UNKNOWN + "x",
        f"{UNKNOWN}/x",
        f"{UNKNOWN}/deliveries/",
        f"{UNKNOWN}/deliveries/a/b/c",
        1,
    ]
    ids += [f"{UNKNOWN}/deliveries/email"] if kind == "notifications" else [UNKNOWN]
    for cursor in (
        "",
        "0",
        "AAAA",
        "====",
        "é",
        "\x00",
        "alice",
        "../x",
        "x" * 10_240,
        "W" * 512,
        base64.b64encode(b"[" * 300).decode(),
        base64.b64encode(b"\xff" * 9).decode(),
        encoded(),
        encoded(kind),
        encoded(kind, None),
        encoded(kind, None, None),
        encoded(kind, 1.5, UNKNOWN),
        encoded(kind, True, UNKNOWN),
        encoded(kind, float("nan"), UNKNOWN),
        encoded(kind, 10**18, UNKNOWN),
        encoded(kind, -(10**30), UNKNOWN),
        encoded(kind, {}, UNKNOWN),
        encoded("other", 1, UNKNOWN),
        encoded(["notifications"], 1, UNKNOWN),
        *(encoded(kind, 1, last) for last in ids),
        *(encoded("recipients", name) for name in ("", "a/b", "..", "__x__", "x" * 129)),
    ):
        problem(await hark.client.get(path, params={"cursor": cursor}), 422, "cursor")


@pytest.mark.parametrize(
    "notification_id",
    [
        "x",
        "1",
        UNKNOWN,
        UNKNOWN.upper(),
        f"{{{UNKNOWN}}}",
        f"urn:uuid:{UNKNOWN}",
        UNKNOWN.replace("-", ""),
        UNKNOWN + "\n",
        UNKNOWN + "\x00",
        "__x__",
        "%",
        "ü",
        "\x00",
        "\n",
        " ",
        "x" * 10_240,
        "a/b",
        "%2e%2e",
    ],
)
async def test_an_id_that_is_none_of_ours_is_not_found(hark: Hark, notification_id: str) -> None:
    known = (await hark.sent())["id"]
    async with nothing_done(hark):
        escaped = quote(notification_id, safe="")
        problem(await hark.client.get(f"/v1/notifications/{escaped}"), 404)
        problem(await hark.client.get(f"/v1/notifications/{known.upper()}"), 404)
        problem(await hark.client.get(f"/v1/notifications/{known}%0A"), 404)
        problem(await hark.client.post(f"/v1/dead-letters/{escaped}/email/replay"), 404)
        problem(await hark.client.delete(f"/v1/dead-letters/{escaped}/email"), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v2/notifications",
        "/v1/notifications/",
        "/v1//notifications",
        "//v1/notifications",
        "/V1/notifications",
        "/v1/channels/",
        "/v1/channels/email",
        "/v1/dead-letters/x",
        "/v1/notifications/x/deliveries",
        "/healthz/",
        "/docs/",
        "/redoc",
        "/docs/oauth2-redirect",
        "/favicon.ico",
        "/.env",
        "/%00",
        "/%FF",
        "/" + "x" * 10_000,
    ],
)
async def test_a_route_that_is_not_there_is_a_404_and_no_redirect(hark: Hark, path: str) -> None:
    async with nothing_done(hark):
        for method in ("GET", "POST"):
            answer = await hark.client.request(method, path, headers={"Host": "evil.example.com"})
            problem(answer, 404)
            assert "evil" not in str(answer.headers)


@pytest.mark.parametrize("path", ["/v1/channels", "/v1/notifications", "/healthz", "/docs", "/console"])
async def test_a_line_end_behind_a_path_makes_it_another(hark: Hark, path: str) -> None:
    problem(await hark.client.get(f"{path}%0A"), 404)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/notifications", {"GET", "HEAD", "POST"}),
        (f"/v1/notifications/{UNKNOWN}", {"GET", "HEAD"}),
        ("/v1/recipients", {"GET", "HEAD"}),
        ("/v1/recipients/alice", {"PUT", "GET", "HEAD", "DELETE"}),
        ("/v1/recipients/alice/erase", {"POST"}),
        ("/v1/dead-letters", {"GET", "HEAD"}),
        (f"/v1/dead-letters/{UNKNOWN}/email/replay", {"POST"}),
        (f"/v1/dead-letters/{UNKNOWN}/email", {"DELETE"}),
        ("/v1/channels", {"GET", "HEAD"}),
        ("/healthz", {"GET", "HEAD"}),
        ("/openapi.json", {"GET", "HEAD"}),
        ("/docs", {"GET", "HEAD"}),
        ("/console", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_is_a_405_that_names_the_right_ones(hark: Hark, path: str, allowed: set[str]) -> None:
    async with nothing_done(hark):
        for method in {
            "GET",
            "POST",
            "PUT",
            "PATCH",
            "DELETE",
            "OPTIONS",
            "TRACE",
            "CONNECT",
            "get",
            "NONSENSE",
        } - allowed:
            answer = await hark.client.request(method, path) if method != "get" else await hark.client.patch(path)
            problem(answer, 405)
            assert set(answer.headers["allow"].split(", ")) == allowed
