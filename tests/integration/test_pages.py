"""The pages for people: they run nothing from elsewhere, load nothing from elsewhere and stand in nobody's frame."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from emulator.lab.running import Settings, running
from functions.gateway.console.console_files import names
from tests.integration.gateway import client_of, gateway_over

NAMES = {"http://www.w3.org/2000/svg"}
"""Of XML's vocabularies: nobody loads them."""
LOADING = {"src", "srcset", "href", "action", "formaction", "data", "poster", "background", "ping", "xlink:href"}


class Page:
    """A page with everything that it loads."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.assets: list[httpx.Response] = []
        self.tags = Tags(answer.text)

    @property
    def policy(self) -> dict[str, list[str]]:
        """The Content-Security-Policy, by directive."""
        directives = [directive.split() for directive in self.answer.headers["content-security-policy"].split(";")]
        policy = {name: sources for name, *sources in directives}
        assert len(policy) == len(directives)  # of two alike, browsers take the first
        return policy


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self._tag = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag == "script":
            self.inline += data

    @property
    def links(self) -> list[str]:
        return [value or "" for _, attributes in self.found for name, value in attributes.items() if name in LOADING]


@pytest.fixture(params=["docs", "console", "lab"])
async def page(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Page]:
    nothing: Any = None
    async with AsyncExitStack() as stack:
        if request.param != "lab":
            gateway = gateway_over(nothing, nothing, cast(Any, None), nothing)
            client, path = await stack.enter_async_context(client_of(gateway, None)), f"/{request.param}"
        else:
            settings = Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")
            lab = await stack.enter_async_context(running(settings))
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=lab.url, trust_env=False))
            path = "/"
        page = Page(await client.get(path))
        assert page.answer.headers["content-type"].startswith("text/html")
        for link in page.tags.links:
            if not link.startswith("#") and not link.endswith(".json"):
                page.assets.append((await client.get(link)).raise_for_status())
        if request.param == "console":  # its modules load each other
            page.assets += [await client.get(f"/console/{name}") for name in names()]
        yield page


def test_nothing_is_allowed_that_is_not_named(page: Page) -> None:
    for directive in ("default-src", "frame-ancestors", "base-uri", "form-action"):
        assert page.policy[directive] == ["'none'"]


def test_only_the_page_itself_is_named(page: Page) -> None:
    """No host, nothing inline but by its hash, no eval; and no scheme but that of images which stand in a style."""
    for directive, sources in page.policy.items():
        for source in sources:
            assert (
                (directive, source) == ("img-src", "data:")
                or source in {"'none'", "'self'"}
                or re.fullmatch("'sha256-[A-Za-z0-9+/]{43}='", source)
            )


def test_nothing_is_sniffed_and_no_address_is_passed_on(page: Page) -> None:
    for answer in (page.answer, *page.assets):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_what_it_loads_is_its_own(page: Page) -> None:
    assert all(re.fullmatch(r"#[\w-]*|/(?!/)[\w./-]*", link) for link in page.tags.links)
    assert not page.tags.inline.strip()
    attributes = {name for _, each in page.tags.found for name in each}
    assert not [name for name in attributes if name.startswith("on") or name in {"style", "srcdoc"}]
    assert not {tag for tag, _ in page.tags.found} & {"base", "iframe", "object", "embed", "frame", "applet"}


def test_no_other_origin_is_mentioned(page: Page) -> None:
    for answer in (page.answer, *page.assets):
        if str(answer.url.path).startswith("/docs/swagger-ui"):
            continue  # it names many, and may call none: tests/integration/test_docs_in_chromium.py watches it
        text = answer.text
        for name in NAMES:
            text = text.replace(f'xmlns="{name}"', "").replace(f'SVG = "{name}"', "")
        assert not re.findall(r"(?i)\b[a-z][a-z+.-]*://[^\s\"'`<>)]+", text)
        assert not re.findall(r"""(?i)(?:src|href)\s*=\s*["']?//|url\(\s*["']?//""", text)
        assert "@import" not in text
        assert "javascript:" not in text.lower()
