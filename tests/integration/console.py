"""The console in a browser, before a Hark in memory: what the tests of its pages have in their hands."""

import asyncio
import json
import shlex
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import uvicorn
from starlette import types
from starlette.types import ASGIApp, Message, Receive, Send

from functions.gateway.application import application
from hark_client.cli.app import app as command_line
from hark_client.models.words import Scope
from hark_client.testing.hark import Hark
from hark_client.testing.system import System
from tests.chromium import Tab

WIDE, PHONE = (1280, 900), (390, 844)

STATISTICS: Mapping[str, Any] = {
    "from": "2026-11-30T20:00:00Z",
    "to": "2026-11-30T21:00:00Z",
    "step_seconds": 300,
    "steps": [f"2026-11-30T20:{minute:02}:00Z" for minute in range(0, 60, 5)],
    "accepted": [12, 9, 14, 30, 22, 8, 11, 13, 40, 21, 16, 9],
    "channels": [
        {
            "channel": "email",
            "by_status": {"sent": 20, "delivered": 84, "failed": 3, "dead": 1},
            "steps": {
                "sent": [7, 7, 9, 18, 12, 5, 7, 7, 13, 9, 6, 4],
                "failed": [0, 0, 0, 1, 0, 0, 0, 0, 3, 0, 0, 0],
            },
            "pending": 4,
            "oldest_pending_at": "2026-11-30T20:58:12Z",
            "dead": 1,
        },
        {
            "channel": "sms",
            "by_status": {"delivered": 51, "undelivered": 2},
            "steps": {
                "sent": [4, 2, 5, 9, 6, 2, 3, 4, 7, 5, 3, 1],
                "failed": [0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0],
            },
            "pending": 0,
            "oldest_pending_at": None,
            "dead": 0,
        },
        {"channel": "slack", "by_status": {}, "steps": {}, "pending": 0, "oldest_pending_at": None, "dead": 0},
    ],
    "providers": [{"name": "sendgrid", "failed": 4}, {"name": "twilio", "failed": 2}],
    "failures_read": 6,
    "estimated": False,
}
"""As GET /v1/statistics has it."""


@dataclass
class Answers:
    """What the fake answers in the gateway's place, by method and path: for what a test cannot bring about."""

    by_path: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    """All requests: method, path with its query, the Authorization header."""


def settled(system: System, answers: Answers, lab_url: str | None) -> ASGIApp:
    """The gateway, whose every answer comes when all that the request set off has happened."""
    gateway = application(replace(system._gateway, lab_url=lab_url))

    async def app(scope: types.Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        authorization = dict(scope["headers"]).get(b"authorization", b"")
        answers.asked.append((scope["method"], scope["path"] + query, authorization))
        given = answers.by_path.get((scope["method"], scope["path"]))
        if given is not None:
            await _answer(send, *given)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await gateway(scope, receive, hold)
        await system.settle()
        for message in held:
            await send(message)

    return app


async def _answer(send: Send, status: int, body: Any) -> None:
    kind = b"application/json" if status < 400 else b"application/problem+json"
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@contextmanager
def serving(hark: Hark, answers: Answers, lab_url: str | None) -> Iterator[str]:
    """The gateway's address. It is served on the loop and the thread that everything of it is on."""
    loop: asyncio.AbstractEventLoop = hark._loop
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = settled(hark._system, answers, lab_url)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", server_header=False))
        done = asyncio.run_coroutine_threadsafe(server.serve([listening]), loop)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        done.result(30)


@dataclass
class Console:
    """tab: that shows it; hark: what it is about; url: of the gateway"""

    tab: Tab
    hark: Hark
    url: str
    answers: Answers

    def key(self, *scopes: Scope) -> str:
        """Of a new caller that may do this."""
        made = self.hark.client.callers.create(name="support", kind="live", scopes=list(scopes))
        assert made.key is not None
        return made.key

    async def open(self, fragment: str = "") -> None:
        await self.tab.call("Page.navigate", url="about:blank")
        await self.tab.call("Page.navigate", url=f"{self.url}/console{fragment}")
        await self.tab.until("document.querySelector('.sign-in input') !== null")

    async def sign_in(self, fragment: str = "#/overview", key: str | None = None) -> None:
        """As someone who may do everything, unless another key is given; then on the page of this fragment."""
        await self.open(fragment)
        await self.tab.fill(".sign-in input[name=key]", key or self.hark.api_key)
        await self.tab.click(".sign-in button.primary")
        await self.settled()

    async def go(self, fragment: str) -> None:
        await self.tab.run(f"location.hash = {json.dumps(fragment)}, 0")
        await self.settled()

    async def settled(self) -> None:
        """Once the page is there, and loads nothing."""
        await self.tab.until(
            "document.querySelector('main h1')?.textContent && document.querySelector('.page')?.hasChildNodes()"
            " && !document.querySelector('[aria-busy], .loading')"
        )

    async def text(self, selector: str = "main") -> str:
        found: str = await self.tab.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        return found

    async def until_text(self, text: str, selector: str = "body") -> None:
        await self.tab.until(f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})")

    async def press(self, text: str, within: str = "main") -> None:
        """The button or the link with this text, as a mouse does."""
        mark = f"""(() => {{
          document.querySelectorAll('[data-test]').forEach((each) => delete each.dataset.test);
          const all = [...document.querySelectorAll({json.dumps(f"{within} button, {within} a, {within} summary")})];
          const found = all.find((each) => each.textContent.trim() === {json.dumps(text)} && each.checkVisibility());
          if (found) found.dataset.test = '';
          return Boolean(found);
        }})()"""
        await self.tab.until(mark)
        await self.tab.click("[data-test]")

    async def write(self, name: str, text: str, within: str = "main") -> None:
        """Into the field of this name, in place of what it has."""
        selector = f"{within} [name={json.dumps(name)}]"
        await self.tab.until(f"document.querySelector({json.dumps(selector)}) !== null")
        await self.tab.run(
            f"(() => {{ const f = document.querySelector({json.dumps(selector)}); f.focus(); f.select?.(); }})()"
        )
        await self.tab.call("Input.insertText", text=text)

    async def choose(self, name: str, value: str, within: str = "main") -> None:
        """Of a select, or whether a checkbox is checked."""
        selector = f"{within} [name={json.dumps(name)}]"
        await self.tab.until(f"document.querySelector({json.dumps(selector)}) !== null")
        await self.tab.run(
            f"(() => {{ const f = document.querySelector({json.dumps(selector)});"
            f" if (f.type === 'checkbox') f.checked = {json.dumps(value == 'true')};"
            f" else f.value = {json.dumps(value)};"
            " for (const each of ['input', 'change']) f.dispatchEvent(new Event(each, {bubbles: true})); })()"
        )

    async def in_dialog(self, text: str) -> str:
        """Press the button with this text in the dialog, once it is there; afterwards the dialog is closed.

        Gives the command line that the dialog showed.
        """
        await self.tab.until("document.querySelector('dialog .buttons button[type=submit]') !== null")
        command = await self.text("dialog .command code")
        await self.press(text, "dialog")
        await self.tab.until("document.querySelector('dialog[open]') === null")
        await self.settled()
        return command

    async def commands(self) -> list[str]:
        """All command lines that the page shows."""
        found: list[str] = await self.tab.run(
            "[...document.querySelectorAll('.command code')].map((each) => each.textContent)"
        )
        return found

    async def size(self, size: tuple[int, int] = WIDE, *, dark: bool = False) -> None:
        width, height = size
        await self.tab.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=size == PHONE,
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.tab.call("Emulation.setEmulatedMedia", features=features)

    async def fits(self) -> bool:
        """Whether nothing is to be scrolled to the side."""
        wide: bool = await self.tab.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        return wide

    async def violations(self, *rules: str) -> list[str]:
        """What axe finds wrong on the page as it is. rules: these alone; none: all"""
        if not await self.tab.run("typeof axe === 'object'"):
            await self.tab.run(axe_source() + "\n;0")
        only = {"runOnly": rules} if rules else {}
        found: list[Mapping[str, Any]] = await self.tab.run(
            f"axe.run({json.dumps(only)}).then((found) => found.violations)"
        )
        return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found]


def axe_source() -> str:
    """axe-core as the package axe-playwright-python brings it: of that package nothing runs."""
    spec = find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.fail("axe-playwright-python is not installed: make installs it, as .ci/axe.txt has it")
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@asynccontextmanager
async def console_of(tab: Tab, lab_url: str | None = None) -> AsyncIterator[Console]:
    """Over an empty Hark. Whatever is done, the tab complains of nothing and asks nobody else."""
    answers = Answers()
    hark = Hark()
    try:
        with serving(hark, answers, lab_url) as url:
            tab.complaints.clear()
            tab.requested.clear()
            console = Console(tab, hark, url, answers)
            await console.size()
            yield console
            complaints = list(tab.complaints)
            await tab.call("Page.navigate", url="about:blank")
        assert complaints == [], complaints
        elsewhere = _elsewhere(tab.requested, url)
        assert elsewhere == [], elsewhere
    finally:
        await asyncio.to_thread(hark.close)  # it ends a loop, which cannot be done within another


def _elsewhere(requested: Iterable[str], url: str) -> list[str]:
    return [asked for asked in requested if not asked.startswith((f"{url}/", "about:", "data:"))]


def is_command(text: str) -> bool:
    """Whether `hark` takes it, as far as can be told without running it."""
    words = shlex.split(text)
    assert words.pop(0) == "hark"
    command: Any = typer.main.get_command(command_line)
    parent: Any = click.Context(command, info_name="hark")
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(parent, name)
        assert found is not None, f"there is no command {name}: {text}"
        command = found
    try:
        command.make_context(command.name, words, parent=parent)
    except click.ClickException as wrong:
        pytest.fail(f"{text}: {wrong.message}")
    return True
