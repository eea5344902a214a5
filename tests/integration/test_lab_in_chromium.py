"""The lab's page in a browser: what it shows of rich messages, and that none of them runs or loads anything."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.lab.running import Settings, running
from tests.chromium import Tab, chromium
from tests.contract.scripted import answer, say, serving
from tests.contract.scripted import http as one_request

PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
HTML = """<html><head><style>@media all { h1 { font-style: italic } }</style></head>
<body style="background: #eef"><h1 style="color: rgb(1, 2, 3)">Build 42</h1>
<img src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"><img src="http://ELSEWHERE/pixel.gif">
<script>parent.document.title = "taken"; document.title = "taken"</script>
<img src=x onerror="parent.document.title = 'taken'">
<a href="http://elsewhere.invalid/">a link</a></body></html>"""
BLOCKS = [
    {"type": "header", "text": {"type": "plain_text", "text": "Deploy <b>"}},
    {"type": "section", "fields": [{"type": "mrkdwn", "text": "*one*"}, {"type": "mrkdwn", "text": "two"}]},
    {
        "type": "actions",
        "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://a.test"}],
    },
]
FRAME = ".message iframe"


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")
    headers = {"Authorization": "Bearer x"}
    async with (
        running(settings) as lab,
        httpx.AsyncClient(base_url=lab.url, headers=headers, trust_env=False, timeout=30) as client,
    ):
        yield client


@pytest.fixture
async def tab(http: httpx.AsyncClient) -> AsyncIterator[Tab]:
    async with chromium() as tab:
        await tab.call("Page.navigate", url=str(http.base_url))
        yield tab
        assert await tab.run("document.title") == "Hark lab"


async def mail(http: httpx.AsyncClient, html: str = HTML) -> None:
    body: dict[str, Any] = {
        "personalizations": [{"to": [{"email": "a@example.com"}]}],
        "from": {"email": "hark@example.com"},
        "subject": "Deploy",
        "content": [{"type": "text/plain", "value": "the text part"}, {"type": "text/html", "value": html}],
        "attachments": [
            {
                "filename": "<b>Größe</b>.pdf",
                "type": "application/pdf",
                "content": base64.b64encode(bytes(2048)).decode(),
            }
        ],
    }
    assert (await http.post("/v3/mail/send", json=body)).status_code == 202


async def slack(http: httpx.AsyncClient, method: str = "chat.postMessage", **arguments: Any) -> dict[str, Any]:
    said: dict[str, Any] = (await http.post(f"/api/{method}", json={"channel": "#ops", **arguments})).json()
    assert said["ok"], said
    return said


async def test_a_mails_html_is_shown_and_can_do_nothing(tab: Tab, http: httpx.AsyncClient) -> None:
    heard: list[bytes] = []
    async with serving(one_request(say(answer(200, base64.b64decode(PIXEL), "image/gif")), heard)) as elsewhere:
        await shown_alone_and_in_its_frame(tab, http, HTML.replace("ELSEWHERE", f"127.0.0.1:{elsewhere.port}"))
    assert heard == []


async def shown_alone_and_in_its_frame(tab: Tab, http: httpx.AsyncClient, html: str) -> None:
    await mail(http, html)
    await tab.until(f"document.querySelector('{FRAME}')?.getAttribute('sandbox') === ''")
    (item,) = (await http.get("/inbox.json")).json()["items"]
    source = await tab.run(f"document.querySelector('{FRAME}').src")
    page = await http.get(source)
    assert page.text == item["html"] == html
    policy = page.headers["content-security-policy"]
    assert {"sandbox", "default-src 'none'", "frame-ancestors 'self'"} <= {each.strip() for each in policy.split(";")}
    await tab.until(f"performance.getEntriesByName({source!r}).length > 0")
    # What it is shown as, from outside: its own world is closed to the page.
    await tab.call("Page.navigate", url=source)
    await tab.until("document.querySelector('h1') !== null")
    assert await tab.run("getComputedStyle(document.querySelector('h1')).color") == "rgb(1, 2, 3)"
    assert await tab.run("getComputedStyle(document.querySelector('h1')).fontStyle") == "italic"
    assert await tab.run("document.title") == ""
    loaded = "[...document.images].map(image => image.naturalWidth)"
    assert await tab.until(f"[...document.images].every(image => image.complete) && {loaded}") == [1, 0, 0]
    await tab.call("Page.navigate", url=str(http.base_url))
    await tab.until(f"document.querySelector('{FRAME}') !== null")
    blocked = [said for said in tab.complaints if "Content Security Policy" not in said and "sandbox" not in said]
    assert blocked == []


async def test_attachments_are_shown_by_name_and_size_and_the_text_beside_the_html(
    tab: Tab, http: httpx.AsyncClient
) -> None:
    await mail(http)
    shown = await tab.until("document.querySelector('.attachments li')?.textContent")
    assert shown == "<b>Größe</b>.pdf · application/pdf · 2.0 KiB"
    assert await tab.run("document.querySelector('.part .text').textContent") == "the text part"


async def test_blocks_are_shown_as_text(tab: Tab, http: httpx.AsyncClient) -> None:
    await slack(http, text="Deploy", blocks=BLOCKS)
    shown = "[...document.querySelectorAll('.blocks li')].map(line => line.textContent)"
    assert await tab.until(f"{shown}.length && {shown}") == [
        "[header] Deploy <b>",
        "[section] *one* two",
        "[actions] Open → https://a.test",
    ]
    assert tab.complaints == []


async def test_an_update_takes_the_place_of_its_message_and_the_old_text_can_be_seen(
    tab: Tab, http: httpx.AsyncClient
) -> None:
    first = await slack(http, text="Building")
    await tab.until("document.querySelectorAll('.message').length === 1")
    await slack(http, text="ok", thread_ts=first["ts"])
    await slack(http, "chat.update", channel=first["channel"], ts=first["ts"], text="Built")
    await tab.until("document.querySelector('.message .old')?.textContent === 'Building'")
    assert await tab.run("[...document.querySelectorAll('.message .app > .text')].map(p => p.textContent)") == [
        "Built",
        "ok",
    ]
    ids = await tab.run("[...document.querySelectorAll('.ids')].map(p => p.textContent)")
    assert [f"reply to {first['ts']}" in each for each in ids] == [False, True]
    assert tab.complaints == []


async def test_it_shows_those_of_one_notification_where_it_is_asked_to(tab: Tab, http: httpx.AsyncClient) -> None:
    one, other = "6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4", "1b4e28ba-2fa1-41d2-883f-b7a1d1d3c4a5"
    for id_ in (one, other):
        await slack(http, text="Deploy", metadata={"event_type": "hark", "event_payload": {"notification_id": id_}})
    await tab.until("document.querySelectorAll('.message').length === 2")
    assert await tab.run("document.getElementById('only').hidden && document.getElementById('console').hidden")
    assert await tab.run("document.querySelectorAll('.ids a').length") == 0  # it stands alone: there is no console
    await tab.call("Page.navigate", url=f"{http.base_url}/?notification_id={other}")
    await tab.until("document.querySelectorAll('.message').length === 1")
    assert other in await tab.run("document.querySelector('.ids').textContent")
    assert not await tab.run("document.getElementById('only').hidden")
    assert tab.complaints == []


async def test_html_that_is_not_there_is_a_404(http: httpx.AsyncClient) -> None:
    for at in ("", "x", "2026-01-01T00:00:00.000000Z"):
        assert (await http.get("/mail.html", params={"at": at})).status_code == 404


async def test_what_an_app_shows_besides_is_shown_and_runs_nothing(tab: Tab, http: httpx.AsyncClient) -> None:
    said = {"chat_id": "@ops_room", "text": "Build 42", "disable_notification": True}
    assert (await http.post("/bot1:lab/sendMessage", json=said)).json()["ok"]
    hostile = {"content": "x", "username": "<img src=x onerror=\"document.title = 'taken'\">"}
    assert (await http.post("/api/webhooks/ops/lab?wait=true", json=hostile)).status_code == 200
    await tab.until("document.querySelectorAll('.message').length === 2")
    shown = "[...document.querySelectorAll('.message[data-channel={}] .more > *')].map((each) => each.textContent)"
    assert await tab.run(shown.format("telegram")) == ["without a sound", "true"]
    assert await tab.run(shown.format("discord")) == ["username", hostile["username"]]
    bubble = "getComputedStyle(document.querySelector('.message[data-channel=telegram] .app')).borderTopLeftRadius"
    assert float((await tab.run(bubble)).removesuffix("px")) > 10
