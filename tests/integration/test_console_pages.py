"""Each page of the console: what it shows, that axe finds nothing wrong with it, on a phone and in dark, too."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from functions.gateway.console.console_files import FOLDER
from hark_client.testing.hark import Hark
from tests.chromium import Tab, chromium
from tests.e2e.stack import until
from tests.integration.console import PHONE, STATISTICS, WIDE, Console, console_of, is_command

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab() -> AsyncIterator[Tab]:
    async with chromium() as tab:
        yield tab


@pytest_asyncio.fixture(loop_scope="module")
async def console(tab: Tab) -> AsyncIterator[Console]:
    async with console_of(tab) as console:
        yield console


def nothing(_: Hark) -> str:
    return ""


def sent(hark: Hark) -> str:
    """Over two channels, with a text that would script."""
    hark.fail_next("email", "503")
    sent = hark.client.notifications.send(
        to={"email": "a@example.com", "sms": "+14155552671"},
        subject="Order <b>42</b>",
        message="<script>document.title = 'taken'</script>",
        tags={"team": "shop"},
    )
    hark.advance("1m")
    hark.receipt(sent.id, "delivered", channel="sms")
    return sent.id


def dead(hark: Hark) -> str:
    for _ in range(5):
        hark.fail_next("email", "503")
    sent = hark.client.notifications.send(to={"email": "dead@example.com"}, message="Never")
    hark.advance("2h")
    return sent.id


def twice(hark: Hark) -> str:
    hark.fail_next("email", "accept-then-timeout")
    sent = hark.client.notifications.send(to={"email": "twice@example.com"}, message="Once or twice")
    hark.advance("5m")
    return sent.id


def paused(hark: Hark) -> str:
    hark.client.channels.pause("slack", reason="maintenance <i>until noon</i>")
    return ""


def broadcast(hark: Hark) -> str:
    hark.client.recipients.put("alice", addresses={"email": "alice@example.com"})
    hark.client.lists.put("friends", description="All friends")
    hark.client.lists.add_members("friends", ["alice"])
    begun = hark.client.broadcasts.begin(hark.client.broadcasts.plan("friends", message="Hello all").plan)
    hark.advance("2m")
    return begun.id


def template(hark: Hark) -> str:
    hark.client.templates.publish(
        "order-shipped",
        default_locale="en",
        schema={"type": "object", "properties": {"order": {"type": "integer"}}},
        locales={"en": {"email": {"subject": "Order {{ order }}", "message": "It is on its way."}}},
    )
    return "order-shipped"


def person(hark: Hark) -> str:
    hark.client.categories.put("news", class_="marketing", description="Our news")
    hark.client.recipients.put(
        "alice",
        addresses={"email": "alice@example.com"},
        time_zone="Europe/Vienna",
        quiet_hours=[{"days": ["mon"], "from": "22:00", "to": "07:00"}],
        preferences={"news": {"email": False}},
    )
    hark.client.suppressions.put("email", "alice@example.com", reason="unsubscribed", evidence="told us by phone")
    return "alice"


def caller(hark: Hark) -> str:
    return hark.client.callers.create(name="billing", kind="live", scopes=["notifications:send"]).id


# By the page's module: what is on record, its address, and what it shows of that.
CASES: Mapping[str, tuple[Callable[[Hark], str], str, list[str]]] = {
    "overview": (dead, "#/overview", ["Accepted", "oldest pending", "Dead letters", "attempts used up", "twilio"]),
    "search": (
        sent,
        "#/notifications?by=tag&tag=team:shop",
        ["Order <b>42</b>", "delivered", "hark search --tag team:shop"],
    ),
    "notification": (
        sent,
        "#/notifications/{}",
        ["<script>document.title", "retryable", "HTTP 503", "delivered", "hark explain", "It has ended."],
    ),
    "dead_letters": (dead, "#/dead-letters", ["Send many again", "attempts used up", "hark dead-letters list"]),
    "duplicates": (twice, "#/duplicates", ["unknown_outcome", "over email", "hark duplicates"]),
    "channels": (paused, "#/channels", ["maintenance <i>until noon</i>", "paused", "twilio", "hark channels list"]),
    "operations": (broadcast, "#/operations", ["broadcast", "list friends", "1 of 1", "Plan a broadcast"]),
    "operation": (broadcast, "#/operations/{}", ["done", "list friends", "1 of 1", "hark operations get"]),
    "broadcast": (nothing, "#/broadcasts/new", ["List", "Message", "Plan it…"]),
    "templates": (template, "#/templates", ["order-shipped", "active", "hark templates list"]),
    "template": (template, "#/templates/{}", ["Order {{ order }}", "Preview", "hark templates pull order-shipped"]),
    "recipients": (person, "#/recipients", ["alice", "alice@example.com", "Europe/Vienna", "hark recipients list"]),
    "recipient": (person, "#/recipients/{}", ["mon 22:00–07:00", "news", "unsubscribed", "hark recipients get alice"]),
    "suppressions": (person, "#/suppressions", ["unsubscribed", "told us by phone", "hark suppressions list"]),
    "callers": (caller, "#/callers", ["billing", "notifications:send", "hark callers list", "Make a caller"]),
    "caller": (caller, "#/callers/{}", ["billing", "Requests a minute", "hark callers get"]),
    "audit": (paused, "#/audit", ["pause_channel", "channels/slack", "done", "hark audit list", "hark audit verify"]),
}
NO_PAGES = {"sign_in", "dead_letter_acts"}


async def test_each_page_has_a_case() -> None:
    assert {path.stem for path in (FOLDER / "pages").glob("*.js")} - NO_PAGES == {*CASES}


@pytest.mark.parametrize("page", CASES)
async def test_a_page_shows_what_is_on_record_to_everybody(console: Console, page: str) -> None:
    put_on_record, address, words = CASES[page]
    made = put_on_record(console.hark)
    await console.sign_in(address.format(made))
    shown = (await console.text()).lower()
    assert [word for word in words if word.lower() not in shown] == []
    heading = await console.text("main h1")
    assert await console.tab.run("document.title") == f"{heading} · Hark console"
    assert await console.tab.run("document.activeElement === document.querySelector('main h1')")
    current = await console.tab.run("document.querySelectorAll('nav.side a[aria-current=page]').length")
    assert current == 1
    assert all(map(is_command, await console.commands()))
    await fits_everywhere(console)


async def fits_everywhere(console: Console) -> None:
    for size, dark, rules in ((WIDE, False, ()), (WIDE, True, ("color-contrast",)), (PHONE, False, ())):
        await console.size(size, dark=dark)
        assert await console.fits()
        assert await console.violations(*rules) == []


async def test_signing_in_is_clean_too(console: Console) -> None:
    await console.open()
    await fits_everywhere(console)


EMPTY = {
    "#/notifications": "Nothing is found.",
    "#/dead-letters": "Nothing is dead.",
    "#/duplicates": "Nothing may have arrived twice.",
    "#/operations": "There is no operation.",
    "#/templates": "There is no template.",
    "#/recipients": "There is no recipient.",
    "#/suppressions": "Nothing is suppressed.",
    "#/audit": "Nothing is on record.",
    "#/nowhere": "There is nothing here.",
    "#/templates/%E0%A4%A": "There is nothing here.",
}


async def test_what_is_empty_says_so(console: Console) -> None:
    await console.sign_in()
    for address, words in EMPTY.items():
        await console.go(address)
        await console.until_text(words, "main")
        assert await console.violations() == []


async def test_a_list_is_shown_a_page_at_a_time(console: Console) -> None:
    for number in range(30):
        console.hark.client.recipients.put(f"r{number:02}", addresses={"email": "a@example.com"})
    await console.sign_in("#/recipients")
    assert "r24" in await console.text()
    assert "r25" not in await console.text()
    await console.press("Next page")
    await console.until_text("r29", "main")
    assert "r24" not in await console.text()
    assert "This is the last page." in await console.text()
    assert any("--cursor" in command for command in await console.commands())
    await console.tab.run("history.back(), 0")
    await console.until_text("r00", "main")
    limits = {re.search(r"limit=(\d+)", query) for _, query, _ in console.answers.asked if "/v1/recipients?" in query}
    assert {found.group(1) for found in limits if found} == {"25"}


async def test_the_figures_have_a_table(console: Console) -> None:
    console.answers.by_path["GET", "/v1/statistics"] = 200, STATISTICS
    await console.sign_in()
    await console.press("As a table: Accepted")
    cells = "[...document.querySelector('.chart table').querySelectorAll('td.numeric')].map((each) => each.textContent)"
    assert await console.tab.run(cells) == ["12", "9", "14", "30", "22", "8", "11", "13", "40", "21", "16", "9"]
    drawn = await console.tab.run("document.querySelectorAll('.chart svg')[0].querySelectorAll('rect').length")
    assert drawn == 12
    rows = (
        "[...document.querySelectorAll('main table tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    table = await console.tab.run(rows)
    assert ["Channel", "State", "Sent", "Failed", "Pending", "Oldest pending", "Dead", "Providers"] in table
    assert [row[2:5] + row[6:7] for row in table if row[0] == "email"] == [["104", "4", "4", "1"]]
    assert ["sendgrid", "4"] in table
    leads = await console.tab.run("[...document.querySelectorAll('.failing')].map((each) => each.getAttribute('href'))")
    assert {*leads} == {"#/notifications?by=newest&status=failed", "#/dead-letters?channel=email"}
    assert await console.violations() == []
    await console.press("6 h")
    await console.tab.until("location.hash === '#/overview?hours=6'")
    await console.settled()

    async def the_last_look_is_of_six_hours() -> bool:
        looks = [query for _, query, _ in console.answers.asked if query.startswith("/v1/statistics")]
        return looks[-1].endswith("hours=6")

    await until(the_last_look_is_of_six_hours)


async def test_without_figures_the_overview_shows_the_rest(console: Console) -> None:
    console.answers.by_path["GET", "/v1/statistics"] = 404, {"title": "Not Found", "status": 404}
    await console.sign_in()
    shown = await console.text()
    assert "Figures are not available." in shown
    assert "twilio" in shown
    [complaint] = console.tab.complaints  # Chromium's own line about the 404
    assert "404" in complaint
    console.tab.complaints.clear()


async def test_a_failure_says_what_failed_and_can_be_tried_again(console: Console) -> None:
    problem = {"title": "Service Unavailable", "status": 503, "detail": "the records do not answer"}
    console.answers.by_path["GET", "/v1/templates"] = 503, problem
    await console.sign_in("#/templates")
    assert await console.text(".problem-title") == "503 Service Unavailable"
    assert "the records do not answer" in await console.text(".problem")
    assert await console.violations() == []
    del console.answers.by_path["GET", "/v1/templates"]
    await console.press("Try again")
    await console.until_text("There is no template.", "main")
    console.tab.complaints.clear()


async def test_it_is_alive_while_something_is_pending(console: Console) -> None:
    console.hark.fail_next("email", "503")
    found = console.hark.client.notifications.send(to={"email": "a@example.com"}, message="Soon")
    await console.sign_in(f"#/notifications/{found.id}")
    assert "Live: looks again by itself." in await console.text()
    assert "It is tried again then." in await console.text()
    console.hark.advance(timedelta(minutes=1))
    await console.until_text("It has ended.", "main")
    assert await console.text("#announcements") == "It is sent now"
    asked = len(console.answers.asked)
    await console.tab.run("new Promise((done) => setTimeout(done, 2500))")
    assert len(console.answers.asked) == asked


async def test_no_one_asks_while_the_tab_is_hidden(console: Console) -> None:
    console.hark.client.channels.pause("email", reason="it waits")
    found = console.hark.client.notifications.send(to={"email": "a@example.com"}, message="Later")
    await console.sign_in(f"#/notifications/{found.id}")
    hidden = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true})"
    await console.tab.run(f"{hidden % 'true'}; document.dispatchEvent(new Event('visibilitychange'))")
    asked = len(console.answers.asked)
    await console.tab.run("new Promise((done) => setTimeout(done, 2500))")
    assert len(console.answers.asked) == asked
    await console.tab.run(f"{hidden % 'false'}; document.dispatchEvent(new Event('visibilitychange'))")
    await console.settled()
    assert len(console.answers.asked) > asked


async def test_it_links_to_the_lab_where_there_is_one(tab: Tab) -> None:
    lab = "http://127.0.0.1:8090"
    links = f"[...document.querySelectorAll('a')].map((each) => each.href).filter((each) => each.startsWith('{lab}'))"
    for lab_url, wanted in ((None, []), (lab, [f"{lab}/", lab + "/?notification_id={}"])):
        async with console_of(tab, lab_url) as console:
            made = sent(console.hark)
            await console.sign_in(f"#/notifications/{made}")
            assert await tab.run(links) == [link.format(made) for link in wanted]
            assert await console.violations() == []


async def test_by_keyboard_alone(console: Console) -> None:
    async def key(name: str, code: int) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            await console.tab.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)
        if name == "Enter":
            await console.tab.call("Input.dispatchKeyEvent", type="char", key=name, text="\r")

    await console.sign_in("#/channels")
    await console.tab.run("document.querySelector('.skip').focus(), 0")
    assert await console.tab.run("document.querySelector('.skip').getBoundingClientRect().left >= 0")
    await console.tab.run("document.querySelector('.skip').click(), 0")
    assert await console.tab.run("document.activeElement.textContent") == "Channels"
    await key("Tab", 9)
    assert await console.tab.run("document.activeElement.textContent") == "Pause email…"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert await console.tab.run(outline) == "solid"
    await console.tab.run("document.activeElement.click(), 0")
    await console.tab.until("document.activeElement.name === 'reason'")
    await key("Escape", 27)
    await console.tab.until("document.querySelector('dialog') === null")
    assert await console.tab.run("document.activeElement.textContent") == "Pause email…"


async def test_nothing_that_comes_from_the_api_can_become_markup() -> None:
    """The modules name none of the ways to make elements from a text, and none to keep one."""
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|eval\(|new Function|"
        r"localStorage|sessionStorage|indexedDB|document\.cookie|createContextualFragment|setHTML"
    )
    wrong: dict[Path, Any] = {path: forbidden.findall(path.read_text()) for path in FOLDER.rglob("*.js")}
    assert {path: found for path, found in wrong.items() if found} == {}
