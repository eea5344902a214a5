"""/docs in a real browser: one puts the API key in, sends a notification, and sees the 202."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn

from functions.gateway.application import application
from tests.chromium import Tab, chromium, need_chromium
from tests.contract.providers import until
from tests.integration.gateway import Hark

SEND = "#operations-Notifications-send_notification"
STATUS = ".live-responses-table tbody .response-col_status"


@pytest.fixture
async def url(hark: Hark) -> AsyncIterator[str]:
    """Where a gateway listens."""
    need_chromium()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(application(hark.gateway), log_config=None, lifespan="off", server_header=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture
async def tab(url: str) -> AsyncIterator[Tab]:
    """The page, once it shows its operations. Whatever it does, it complains of nothing and calls nobody else."""
    async with chromium() as tab:
        await tab.call("Page.navigate", url=f"{url}/docs")
        await tab.until("document.querySelectorAll('.opblock').length > 0")
        yield tab
        assert tab.complaints == []
        assert [asked for asked in tab.requested if not asked.startswith((f"{url}/", "data:"))] == []


async def test_the_page_shows_every_operation(tab: Tab, hark: Hark) -> None:
    document = (await hark.client.get("/openapi.json")).json()
    wanted = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    shown = await tab.run(
        "[...document.querySelectorAll('.opblock')].map(o => o.querySelector('.opblock-summary-method').innerText"
        " + ' ' + o.querySelector('.opblock-summary-path').dataset.path)"
    )
    assert set(shown) == wanted
    assert await tab.run("document.title") == "Hark: the API"


async def test_one_puts_the_key_in_sends_and_sees_the_202(tab: Tab, hark: Hark) -> None:
    await tab.click("button.authorize")
    await tab.fill(".auth-container input", hark.key)
    await tab.click(".auth-btn-wrapper button[type=submit]")
    await tab.click(".btn-done")
    await tab.click(f"{SEND} .opblock-summary-control")
    await tab.click(f"{SEND} button.execute")
    assert await tab.until(f"document.querySelector('{SEND} {STATUS}')?.innerText") == "202"
    said = await tab.run(f"document.querySelector('{SEND} .live-responses-table .microlight').innerText")
    notification = json.loads(said)
    read = await hark.client.get(f"/v1/notifications/{notification['id']}")
    assert (read.status_code, read.json()["message"]) == (200, "Build 42 is live")


async def test_a_wrong_key_is_shown_as_a_401(tab: Tab, url: str) -> None:
    await tab.click("#operations-Channels-list_channels .opblock-summary-control")
    await tab.click("#operations-Channels-list_channels button.execute")
    assert (await tab.until(f"document.querySelector('{STATUS}')?.innerText")).startswith("401")
    assert (f"{url}/v1/channels", 401) in tab.answered
    [refused] = tab.complaints  # Chromium's own line about the 401
    assert "401" in refused
    tab.complaints.clear()


async def test_the_watch_sees_what_the_policy_forbids(tab: Tab) -> None:
    """That no complaint means something."""
    await tab.run("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">'), 0")
    await until(lambda: bool(tab.complaints))
    assert "Content Security Policy" in tab.complaints[0]
    tab.complaints.clear()
