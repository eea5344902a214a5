"""The console's files as they are served: to anybody, from memory, checked by their tags, and read by no start."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from functions.gateway.access.caller import Scope
from functions.gateway.console import console_files
from functions.gateway.console.console_files import FOLDER, PAGE, ConsoleFiles, load, names
from shared.delivery.model import DeliveryStatus, SuppressionReason
from tests.fakes.api import Api
from tests.integration.gateway import client_of
from tests.unit.test_cold_start import said


@pytest.fixture
async def anybody(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(api.gateway, None) as client:
        yield client


def test_all_files_are_served() -> None:
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert {*names(), PAGE} == there


async def test_the_page_may_run_and_load_its_own_alone(anybody: httpx.AsyncClient) -> None:
    answer = await anybody.get("/console")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert {policy[name] for name in ("base-uri", "frame-ancestors", "form-action")} == {"'none'"}
    assert answer.headers["x-frame-options"] == "DENY"
    assert (await anybody.head("/console")).status_code == 200


@pytest.mark.parametrize("name", names())
async def test_a_file_is_compressed_and_loaded_again_when_it_has_changed(anybody: httpx.AsyncClient, name: str) -> None:
    answer = await anybody.get(f"/console/{name}")
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")
    assert answer.content == (FOLDER / name).read_bytes()  # httpx has unpacked it
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = await anybody.get(f"/console/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await anybody.get(f"/console/{name}", headers={"If-None-Match": '"x"'})).status_code == 200


@pytest.mark.parametrize(
    "name", ["", "nothing.js", PAGE, "../routes.py", "%2e%2e/routes.py", "pages", "pages/", "main.js%0A"]
)
async def test_nothing_else_is_there(anybody: httpx.AsyncClient, name: str) -> None:
    answer = await anybody.get(f"/console/{name}")
    assert answer.status_code == 404
    assert answer.json()["title"] == "Not Found"


async def test_it_takes_reading_alone(anybody: httpx.AsyncClient) -> None:
    for method, path in itertools.product(("POST", "DELETE"), ("/console", "/console/main.js")):
        answer = await anybody.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_it_is_no_part_of_the_api(anybody: httpx.AsyncClient) -> None:
    assert "console" not in (await anybody.get("/openapi.json")).text


async def test_it_asks_nothing_of_the_records(api: Api, anybody: httpx.AsyncClient) -> None:
    for name in ("", "/main.js", "/nothing.js"):
        await anybody.get(f"/console{name}")
    assert api.order == []


async def test_the_files_are_read_once(anybody: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str | None] = []

    def watched(lab_url: str | None) -> ConsoleFiles:
        loads.append(lab_url)
        return load(lab_url)

    monkeypatch.setattr(console_files, "load", watched)
    await asyncio.gather(*(anybody.get(path) for path in ("/console", "/console/main.js", "/console/nothing.js") * 5))
    assert loads == [None]


@pytest.mark.parametrize(
    ("lab", "written"), [(None, ""), ('http://127.0.0.1:8090/?"<', "http://127.0.0.1:8090/?&quot;&lt;")]
)
async def test_the_page_knows_the_lab_beside_which_it_runs(api: Api, lab: str | None, written: str) -> None:
    async with client_of(replace(api.gateway, lab_url=lab), None) as client:
        page = (await client.get("/console")).text
    assert f'<meta name="lab" content="{written}">' in page


def test_neither_a_start_nor_the_making_of_all_routes_reads_a_file() -> None:
    script = """
import pathlib, sys
read = []
opened = lambda event, args: read.append(str(args[0])) if event == "open" and "console/static" in str(args[0]) else None
sys.addaudithook(opened)
import functions.gateway.main
print("functions.gateway.console.console_files" in sys.modules)
import functions.gateway.fastapi_app
print(read)
from functions.gateway.console.console_files import load
load(None)
print(bool(read))
"""
    assert said(script).splitlines() == ["False", "[]", "True"]


def test_its_modules_name_only_those_that_there_are() -> None:
    for path in FOLDER.rglob("*.js"):
        for named in re.findall(r'^import .* from "(.+)";$|^\} from "(.+)";$', path.read_text(), re.MULTILINE):
            assert (path.parent / "".join(named)).resolve().is_file(), f"{path}: {named}"


def test_its_words_are_the_apis() -> None:
    text = (FOLDER / "words.js").read_text()
    lists = {
        name: re.findall(r'"(.+?)"', values)
        for name, values in re.findall(r"const (\w+) = \[(.*?)\];", text, re.DOTALL)
    }
    assert lists["SCOPES"] == [*Scope]
    assert {*lists["SUPPRESSION_REASONS"]} == {*SuppressionReason}
    assert {*lists["PENDING"], *lists["DELIVERY_STATUSES"]} == {*DeliveryStatus}
