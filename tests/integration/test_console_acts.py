"""What is done from the console: each button acts, is shown before with the command line that does the same, and is not
there for whom a scope forbids it."""

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from hark_client.models.words import Scope
from tests.chromium import Tab, chromium
from tests.integration.console import Console, console_of, is_command
from tests.integration.test_console_pages import caller, dead, person, template

pytestmark = pytest.mark.asyncio(loop_scope="module")

EMAIL = {"email": "a@example.com"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab() -> AsyncIterator[Tab]:
    async with chromium() as tab:
        yield tab


@pytest_asyncio.fixture(loop_scope="module")
async def console(tab: Tab) -> AsyncIterator[Console]:
    async with console_of(tab) as console:
        yield console


async def test_signing_in_and_out(console: Console) -> None:
    await console.open("#/channels")
    await console.write("key", "hark_live_0123456789abcdef_wrong", ".sign-in")  # pragma: allowlist secret
    await console.press("Sign in", ".sign-in")
    await console.until_text("The gateway does not know this key.", ".sign-in")
    assert await console.violations() == []
    console.tab.complaints.clear()  # Chromium's own line about the 401
    await console.write("key", "no key, since it has blanks", ".sign-in")
    await console.press("Sign in", ".sign-in")
    await console.until_text("must be an API key", ".sign-in")
    assert await console.tab.run("document.activeElement.getAttribute('aria-invalid')") == "true"
    await console.write("key", f" {console.hark.api_key} ", ".sign-in")
    await console.press("Sign in", ".sign-in")
    await console.settled()
    assert await console.text("main h1") == "Channels"
    kept = (
        "[{...localStorage}, {...sessionStorage}, document.cookie, location.href, document.documentElement.outerHTML]"
    )
    assert console.hark.api_key not in await console.tab.run(f"JSON.stringify({kept})")
    await console.press("Sign out", "header")
    await console.tab.until("document.querySelector('.sign-in input') !== null")
    assert await console.tab.run("document.querySelector('.sign-in input').value") == ""
    assert await console.tab.run("location.hash") == ""
    assert all(console.hark.api_key not in url for url in console.tab.requested)


async def test_without_a_key_as_whom_the_proxy_says(console: Console) -> None:
    await console.open()
    await console.press("Continue without a key", ".sign-in")
    await console.until_text("Nobody in front of this gateway says who you are.", ".sign-in")
    console.tab.complaints.clear()
    everything = next(iter(console.hark.client.callers.list())).scopes
    operator = {"id": "0123456789abcdef", "name": "night@example.com", "kind": "token", "scopes": everything}
    console.answers.by_path["GET", "/v1/callers/self"] = 200, operator
    console.answers.by_path["GET", "/v1/channels"] = 200, {"items": []}
    await console.press("Continue without a key", ".sign-in")
    await console.until_text("night@example.com", "header")
    assert {authorization for _, _, authorization in console.answers.asked[-4:]} == {b""}


async def test_a_key_that_is_revoked_meanwhile_leads_back(console: Console) -> None:
    made = console.hark.client.callers.create(name="support", kind="live", scopes=["templates:read"])
    await console.sign_in("#/templates", made.key)
    console.answers.by_path["GET", "/v1/templates"] = 401, {"title": "Unauthorized", "status": 401}
    await console.tab.run("location.hash = '#/overview', 0")
    await console.settled()
    await console.go("#/templates")
    await console.press("Sign in again")
    await console.tab.until("document.querySelector('.sign-in input') !== null")
    del console.answers.by_path["GET", "/v1/templates"]
    console.tab.complaints.clear()
    await console.write("key", made.key or "", ".sign-in")
    await console.press("Sign in", ".sign-in")
    await console.until_text("There is no template.", "main")


MENU = {
    "Overview": (),
    "Notifications": ("notifications:read",),
    "Dead letters": ("dead-letters:manage",),
    "Duplicates": ("notifications:read",),
    "Channels": ("notifications:send",),
    "Operations": ("notifications:read",),
    "Templates": ("templates:read",),
    "Recipients": ("recipients:read",),
    "Suppressions": ("suppressions:read",),
    "Callers": ("callers:manage",),
    "Audit": ("audit:read",),
}


async def test_what_a_scope_forbids_is_not_in_the_menu(console: Console) -> None:
    entries = "[...document.querySelectorAll('nav.side a')].map((each) => each.textContent)"
    for scopes in (
        ("categories:read",),
        ("templates:read",),
        ("notifications:read",),
        ("notifications:send", "audit:read"),
    ):
        key = console.key(*scopes)
        await console.sign_in(key=key)
        allowed = [text for text, needed in MENU.items() if {*needed} <= {*scopes}]
        assert await console.tab.run(entries) == allowed
        assert "The page failed" not in await console.text()
        asked = [query for _, query, sent in console.answers.asked if sent == f"Bearer {key}".encode()]
        assert not [query for query in asked if query.startswith("/v1/statistics")]


BARRED: Mapping[str, tuple[tuple[Scope, ...], list[str]]] = {
    "#/notifications/{}": (("notifications:read", "notifications:read:all"), ["Cancel it…", "Send it again…"]),
    "#/channels": (("notifications:send",), ["Pause email…"]),
    "#/recipients/alice": (("recipients:read",), ["Erase…", "Their notifications"]),
    "#/suppressions": (("suppressions:read",), ["Stop messages…"]),
    "#/operations": (("notifications:read",), ["Plan a broadcast"]),
}


@pytest.mark.parametrize("address", BARRED)
async def test_what_a_scope_forbids_is_no_button(console: Console, address: str) -> None:
    person(console.hark)
    made = dead(console.hark)
    scopes, buttons = BARRED[address]
    shown = "[...document.querySelectorAll('main button, main a')].map((each) => each.textContent)"
    await console.sign_in(address.format(made), console.key(*scopes))
    assert not {*buttons} & {*await console.tab.run(shown)}
    await console.sign_in(address.format(made))
    there = {*buttons} - ({"Cancel it…"} if "{}" in address else set())  # of what is dead there is nothing to cancel
    assert there <= {*await console.tab.run(shown)}


@pytest.mark.parametrize("address", ["#/callers", "#/audit", "#/dead-letters", "#/broadcasts/new"])
async def test_a_page_that_a_scope_forbids_is_not_there(console: Console, address: str) -> None:
    await console.sign_in(address, console.key("notifications:read"))
    assert "There is nothing here." in await console.text()


async def test_cancelling(console: Console) -> None:
    hark = console.hark
    hark.client.channels.pause("email", reason="it waits")
    sent = hark.client.notifications.send(to=EMAIL, message="It waits")
    await console.sign_in(f"#/notifications/{sent.id}")
    await console.press("Cancel it…")
    assert await console.violations() == []
    await console.press("Do nothing", "dialog")
    assert hark.client.notifications.get(sent.id).status != "cancelled"
    await console.press("Cancel it…")
    assert is_command(command := await console.in_dialog("Cancel it"))
    assert command == f"hark cancel {sent.id}"
    await console.until_text("The cancel was told to 1 delivery", "main")
    assert hark.client.notifications.get(sent.id).status == "cancelled"


async def test_one_dead_letter_is_sent_again_and_another_given_up(console: Console) -> None:
    first, second = dead(console.hark), dead(console.hark)
    await console.sign_in(f"#/notifications/{first}")
    await console.press("Send it again…")
    assert is_command(command := await console.in_dialog("Send it again"))
    assert command == f"hark dead-letters replay {first} email"
    assert console.hark.client.notifications.get(first).status == "sent"
    await console.go("#/dead-letters")
    await console.press("Give it up…")
    assert await console.violations() == []
    assert is_command(command := await console.in_dialog("Give it up"))
    assert command == f"hark dead-letters discard {second} email"
    await console.until_text("Nothing is dead.", "main")


async def test_dead_letters_are_planned_and_sent_again(console: Console) -> None:
    made = [dead(console.hark) for _ in range(3)]
    await console.sign_in("#/dead-letters")
    await console.choose("channel", "email")
    await console.write("error", "used up")
    await console.write("per_second", "7")
    await console.press("Plan it…")
    await console.tab.until("document.querySelector('dialog button[type=submit]') !== null")
    assert await console.violations() == []
    plan = await console.text("dialog")
    assert "7 a second" in plan
    commands = await console.tab.run("[...document.querySelectorAll('dialog .command code')].map((c) => c.textContent)")
    assert all(map(is_command, commands))
    assert commands[0] == "hark dead-letters plan --channel email --error 'used up' --per-second 7"
    await console.press("Send 3 deliveries again", "dialog")
    await console.tab.until("location.hash.startsWith('#/operations/')")
    await console.settled()
    console.hark.advance("1m")
    await console.until_text("3 of 3", "main")
    assert {console.hark.client.notifications.get(each).status for each in made} == {"sent"}


async def test_a_plan_of_nothing_begins_nothing(console: Console) -> None:
    await console.sign_in("#/dead-letters")
    await console.press("Plan it…")
    await console.until_text("Would be sent again", "dialog")
    assert not await console.tab.run("document.querySelector('dialog button[type=submit]')")
    await console.press("Close", "dialog")


async def test_a_wrong_field_is_named_where_it_is(console: Console) -> None:
    await console.sign_in("#/dead-letters")
    await console.write("per_second", "5000")
    await console.press("Plan it…")
    await console.tab.until("document.activeElement.name === 'per_second'")
    described = "document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent"
    assert "less than or equal to 1000" in await console.tab.run(described)
    assert "422" in await console.text(".problem-title")
    assert await console.violations() == []
    console.tab.complaints.clear()


async def test_a_channel_is_paused_and_resumed(console: Console) -> None:
    channels = console.hark.client.channels
    await console.sign_in("#/channels")
    await console.press("Pause sms…")
    await console.until_text("pending over it would wait", "dialog")
    assert await console.violations() == []
    await console.write("reason", "Twilio's bill", "dialog")
    assert is_command(command := await console.in_dialog("Pause sms"))
    assert command == """hark channels pause sms --reason 'Twilio'\\''s bill'"""
    assert {each.name: each.reason for each in channels.list() if each.state == "paused"} == {"sms": "Twilio's bill"}
    await console.press("Resume sms…")
    assert is_command(command := await console.in_dialog("Resume sms"))
    assert command == "hark channels resume sms"
    assert [each for each in channels.list() if each.state == "paused"] == []


async def test_a_problem_in_a_dialog_keeps_it_open(console: Console) -> None:
    await console.sign_in("#/channels")
    await console.press("Pause sms…")
    await console.press("Pause sms", "dialog")
    await console.until_text("reason", "dialog .problem")
    assert await console.violations() == []
    await console.press("Do nothing", "dialog")
    console.tab.complaints.clear()


async def test_a_broadcast_is_planned_begun_paused_resumed_and_cancelled(console: Console) -> None:
    client = console.hark.client
    for number in range(3):
        client.recipients.put(f"r{number}", addresses={"email": f"r{number}@example.com"})
    client.lists.put("friends")
    client.lists.add_members("friends", ["r0", "r1", "r2"])
    await console.sign_in("#/operations")
    await console.press("Plan a broadcast")
    await console.settled()
    await console.write("list", "friends")
    await console.write("message", "Hello all")
    await console.press("Plan it…")
    await console.until_text("For example", "dialog")
    assert await console.violations() == []
    commands = await console.tab.run("[...document.querySelectorAll('dialog .command code')].map((c) => c.textContent)")
    assert all(map(is_command, commands))
    assert commands[0] == "hark broadcast friends --message 'Hello all' --dry-run"
    await console.press("Send to 3 recipients", "dialog")
    await console.tab.until("location.hash.startsWith('#/operations/')")
    for opened, button, word in (
        ("Pause it…", "Pause it", "pause"),
        ("Resume it…", "Resume it", "resume"),
        ("Cancel it…", "Cancel it", "cancel"),
    ):
        await console.press(opened)
        command = await console.in_dialog(button)
        assert is_command(command)
        assert command.startswith(f"hark operations {word} ")
    await console.until_text("cancelled", "main")
    [operation] = client.operations.list()
    assert operation.state == "cancelled"


async def test_a_template_is_previewed_beside_its_source(console: Console) -> None:
    name = template(console.hark)
    await console.sign_in(f"#/templates/{name}")
    assert (await console.tab.run("document.querySelector('textarea').value")).split() == ["{", '"order":', "0", "}"]
    await console.write("data", '{"order": 42}')
    await console.press("Preview")
    await console.until_text("Order 42", ".halves > div:last-child")
    assert "Order {{ order }}" in await console.text(".halves > div:first-child")
    assert await console.violations() == []
    assert all(map(is_command, await console.commands()))
    await console.write("data", "{")
    await console.press("Preview")
    await console.until_text("must be JSON", "form")


async def test_a_person_is_erased(console: Console) -> None:
    name = person(console.hark)
    await console.sign_in(f"#/recipients/{name}")
    await console.press("Erase…")
    assert is_command(command := await console.in_dialog("Erase for good"))
    assert command == "hark recipients erase alice"
    await console.tab.until("location.hash.startsWith('#/operations/')")
    console.hark.advance("1m")
    await console.until_text("done", "main")


async def test_messages_to_an_address_are_stopped_and_let_go(console: Console) -> None:
    suppressions = console.hark.client.suppressions
    await console.sign_in("#/suppressions")
    form = "form[aria-label='Stop messages to an address']"
    await console.choose("channel", "sms", form)
    await console.write("address", "+14155552671", form)
    await console.write("evidence", "asked by phone", form)
    await console.press("Stop messages…")
    assert is_command(command := await console.in_dialog("Stop messages"))
    assert command == "hark suppressions put sms +14155552671 --reason manual --evidence 'asked by phone'"
    await console.until_text("asked by phone", ".results")
    look = "form[aria-label='Look an address up']"
    await console.choose("channel", "sms", look)
    await console.write("address", "+14155552671", look)
    await console.press("Look it up")
    await console.press("Let messages go again…")
    assert is_command(command := await console.in_dialog("Let messages go"))
    assert command == "hark suppressions delete sms +14155552671"
    await console.until_text("Nothing stops messages to it.", ".results")
    assert list(suppressions.list()) == []
    assert "4155552671" not in await console.tab.run("location.href")


async def test_a_caller_is_made_and_its_key_is_shown_once(console: Console) -> None:
    await console.sign_in("#/callers")
    await console.write("name", "billing")
    await console.choose("notifications:send", "true")
    await console.press("Make it…")
    assert await console.violations() == []
    await console.tab.until("document.querySelector('dialog .command code') !== null")
    command = await console.text("dialog .command code")
    assert is_command(command)
    assert command == "hark callers create --name billing --scope notifications:send"
    await console.press("Make it", "dialog")
    await console.tab.until("document.querySelector('.new-key') !== null")
    assert await console.violations() == []
    key = await console.text(".new-key")
    assert key.startswith("hark_live_")
    await console.press("Close", "dialog")
    await console.tab.until("location.hash.startsWith('#/callers/')")
    await console.settled()
    assert key not in await console.tab.run("document.documentElement.outerHTML")
    await console.press("Make a further key…")
    await console.press("Make it", "dialog")
    await console.tab.until("document.querySelector('.new-key') !== null")
    await console.press("Close", "dialog")
    await console.tab.until("document.querySelectorAll('main tbody tr').length === 2")
    await console.press("Revoke it…", "main table")
    command = await console.in_dialog("Revoke it")
    assert is_command(command)
    assert command.startswith("hark callers revoke-key ")


async def test_a_caller_is_revoked_as_was_shown(console: Console) -> None:
    made = caller(console.hark)
    await console.sign_in(f"#/callers/{made}")
    await console.press("Revoke it…", "main .summary")
    await console.until_text("Would be revoked", "dialog")
    await console.choose("stop", "true", "dialog")
    await console.until_text("Would be cancelled", "dialog")
    assert await console.violations() == []
    assert is_command(command := await console.in_dialog("Revoke it for good"))
    assert command == f"hark callers revoke {made} --stop"
    assert console.hark.client.callers.get(made).revoked_at is not None


async def test_what_is_searched_for_is_found_and_no_address_is_kept(console: Console) -> None:
    sent = console.hark.client.notifications.send(to=EMAIL, message="Build 42", tags={"team": "infra"})
    await console.sign_in("#/notifications")
    await console.choose("by", "tag")
    await console.write("tag", "team:infra")
    await console.press("Search")
    await console.until_text("hark search --tag team:infra", ".results")  # and not what the page showed before
    await console.until_text("Build 42", ".results")
    await console.choose("by", "address")
    await console.choose("channel", "email")
    await console.write("address", "A@example.com")
    await console.press("Search")
    await console.until_text("hark search --channel email --address A@example.com", ".results")
    assert sent.id[:8] in await console.text(".results")
    await console.write("address", "b@example.com")
    await console.press("Search")
    await console.until_text("Nothing is found.", ".results")
    await console.write("address", "a@example.com")
    await console.press("Search")
    await console.until_text(sent.id[:8], ".results")
    assert "example" not in await console.tab.run("location.href")
    assert all(map(is_command, await console.commands()))
    await console.choose("by", "id")
    await console.write("id", sent.id)
    await console.press("Search")
    await console.until_text(f"Notification {sent.id[:8]}", "main h1")
