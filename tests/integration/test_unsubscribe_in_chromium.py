"""The page to unsubscribe in a real browser, which holds it to its Content-Security-Policy."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import uvicorn

from functions.gateway.application import application
from tests.chromium import Tab, chromium, need_chromium
from tests.unit.gateway.unsubscribe.visitor import Visitor, visiting

STATUS = "document.querySelector('[role=status]')?.innerText"


@dataclass
class Opened:
    visitor: Visitor
    tab: Tab


@pytest.fixture
async def page() -> AsyncIterator[Opened]:
    """Whatever it does, it complains of nothing, and asks for nothing but itself."""
    need_chromium()
    async with visiting(locale="en") as visitor, chromium() as tab:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            app = application(visitor.api.gateway)
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", server_header=False))
            serving = asyncio.create_task(server.serve([listening]))
            url = f"http://127.0.0.1:{listening.getsockname()[1]}{visitor.path}"
            await tab.call("Page.navigate", url=url)
            await tab.until("document.querySelectorAll('form').length")
            yield Opened(visitor, tab)
            assert tab.complaints == []
            assert {asked for asked in tab.requested if not asked.endswith("/favicon.ico")} == {url}
            server.should_exit = True
            await serving


async def test_its_buttons_unsubscribe_choose_and_subscribe_again(page: Opened) -> None:
    visitor, tab = page.visitor, page.tab
    assert await tab.run("getComputedStyle(document.querySelector('button')).backgroundColor") == "rgb(26, 86, 176)"
    assert await tab.run("document.documentElement.scrollWidth <= innerWidth")
    await tab.click("form button")
    assert "unsubscribed" in await tab.until(STATUS)
    assert not await visitor.gets("newsletter")

    await tab.click("input[type=checkbox][value='email/offers']")
    await tab.click("input[type=checkbox][value='email/orders']")
    await tab.click("form:last-of-type button")
    await tab.until(f"{STATUS}.includes('saved')")
    wanted = [await visitor.gets(category) for category in ("newsletter", "offers", "orders")]
    assert wanted == [False, True, False]

    await tab.click("button.second")
    await tab.until(f"{STATUS}.includes('taken back')")
    assert await visitor.gets("newsletter")
