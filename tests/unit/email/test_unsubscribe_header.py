"""The headers to unsubscribe by, as they arrive in the lab over both providers: RFC 8058, 3.1."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from emulator.lab.running import Addresses, Settings, running
from functions.email.mime import as_bytes, mail_of
from functions.email.sender import Sender
from functions.email.sendgrid_provider import SendGridProvider, SendGridSettings
from functions.email.smtp_provider import SmtpProvider, SmtpSettings
from functions.email.unsubscribe_header import UnsubscribeLinks, UnsubscribeLinkSettings
from shared.delivery.errors import Refused
from shared.delivery.model import CategoryClass
from shared.people.suppression import AddressHash
from shared.people.unsubscribe_tokens import Unsubscribe, UnsubscribeTokens
from shared.sending.provider import Outgoing, Provider

BASE = "https://hark.example.com"
TOKENS, HASH = UnsubscribeTokens(["k" * 32]), AddressHash("of a test")
LINKS = UnsubscribeLinks(BASE, TOKENS, HASH)
POST = "List-Unsubscribe=One-Click"
PLAIN = Outgoing("5b3c9cde-0001-4000-8000-000000000001", "Alice@example.com", "Deploy", "Build 42 is live", 5)
SERVICE = replace(PLAIN, category="orders", category_class=CategoryClass.SERVICE, recipient="alice", locale="de")
MARKETING = replace(PLAIN, category="newsletter", category_class=CategoryClass.MARKETING)
TRANSACTIONAL = replace(SERVICE, category="receipts", category_class=CategoryClass.TRANSACTIONAL)
ALL_TRACKING: dict[str, Any] = {f"sendgrid_{kind}_tracking": True for kind in ("click", "open", "subscription")}


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Addresses]:
    async with running(Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")) as addresses:
        yield addresses


def provider(name: str, lab: Addresses, links: UnsubscribeLinks | None) -> Provider:
    if name == "smtp":
        url = SecretStr(f"smtp://{lab.smtp_host}:{lab.smtp_port}")
        return SmtpProvider(SmtpSettings(smtp_url=url, email_from="hark@example.com"), links)
    key = SecretStr("SG.x")
    settings = SendGridSettings(sendgrid_api_key=key, sendgrid_base_url=lab.url, email_from="hark@example.com")
    return SendGridProvider(settings, links)


async def headers_in_the_inbox(
    name: str, lab: Addresses, outgoing: Outgoing, links: UnsubscribeLinks | None = LINKS
) -> dict[str, str]:
    async with aclosing(provider(name, lab, links)) as sends, httpx.AsyncClient(base_url=lab.url) as http:
        await sends.send(outgoing)
        (item,) = (await http.get("/inbox.json")).json()["items"]
        headers: dict[str, str] = item["headers"]
        return headers


def token_in(headers: dict[str, str]) -> str:
    link = headers["List-Unsubscribe"]
    assert link.startswith(f"<{BASE}/u/")
    assert link.endswith(">")
    return link[len(f"<{BASE}/u/") : -1]


@pytest.mark.parametrize("name", ["smtp", "sendgrid"])
@pytest.mark.parametrize("outgoing", [SERVICE, MARKETING], ids=["service", "marketing"])
async def test_what_people_may_refuse_says_how(lab: Addresses, name: str, outgoing: Outgoing) -> None:
    headers = await headers_in_the_inbox(name, lab, outgoing)
    assert headers["List-Unsubscribe-Post"] == POST
    assert outgoing.category
    assert outgoing.category_class
    assert TOKENS.opened(token_in(headers)) == Unsubscribe(
        "email",
        HASH("email", "alice@example.com"),
        outgoing.recipient,
        outgoing.category,
        outgoing.category_class,
        outgoing.locale,
    )


@pytest.mark.parametrize("name", ["smtp", "sendgrid"])
@pytest.mark.parametrize("outgoing", [PLAIN, TRANSACTIONAL], ids=["no category", "transactional"])
async def test_what_nobody_may_refuse_does_not(lab: Addresses, name: str, outgoing: Outgoing) -> None:
    assert not {header for header in await headers_in_the_inbox(name, lab, outgoing) if header.startswith("List-")}


@pytest.mark.parametrize("name", ["smtp", "sendgrid"])
async def test_without_its_settings_service_goes_without_and_marketing_not_at_all(lab: Addresses, name: str) -> None:
    assert "List-Unsubscribe" not in await headers_in_the_inbox(name, lab, SERVICE, None)
    async with aclosing(provider(name, lab, None)) as sends, httpx.AsyncClient(base_url=lab.url) as http:
        with pytest.raises(Refused, match="set PUBLIC_URL and UNSUBSCRIBE_KEYS, then replay"):
            await sends.send(MARKETING)
        assert len((await http.get("/inbox.json")).json()["items"]) == 1


def test_the_link_is_on_the_line_of_its_header_in_one_piece() -> None:
    """What is folded within a URL, or made an encoded word, no mail program reads as one."""
    longest = replace(MARKETING, recipient="r" * 128, category="c" * 128, locale="l" * 35)
    links = replace(LINKS, base=f"https://{'h' * 60}.example.com/{'p' * 200}")
    mail = as_bytes(mail_of(longest, Sender(None, "hark@example.com"), longest.address, links), utf8=False)
    lines = [line for line in mail.split(b"\r\n") if line.startswith(b"List-Unsubscribe")]
    url = links.link(longest, "c" * 128, CategoryClass.MARKETING)
    assert [len(line) for line in lines] == [len(f"List-Unsubscribe: <{url}>"), len(f"List-Unsubscribe-Post: {POST}")]
    assert max(len(line) for line in lines) <= 998  # RFC 5322, 2.1.1
    assert lines[0].startswith(b"List-Unsubscribe: <https://")
    assert lines[0].endswith(b">")


@pytest.mark.parametrize("settings", [{}, ALL_TRACKING])
async def test_sendgrids_own_ways_to_unsubscribe_are_off_where_there_is_ours(settings: dict[str, Any]) -> None:
    made = SendGridSettings(sendgrid_api_key=SecretStr("SG.x"), email_from="hark@example.com", **settings)
    async with aclosing(SendGridProvider(made, LINKS)) as sends:
        for outgoing in (SERVICE, MARKETING):
            body = sends._mail(outgoing).get()
            assert body["tracking_settings"]["subscription_tracking"] == {"enable": False}
            assert "asm" not in body
        without = sends._mail(PLAIN).get()["tracking_settings"]["subscription_tracking"]
        assert without == {"enable": bool(settings)}


@pytest.mark.parametrize("base", [BASE, BASE + "/", BASE + "/hark/"])
def test_the_link_is_below_the_url_that_is_set(base: str) -> None:
    settings = UnsubscribeLinkSettings(
        public_url=base, unsubscribe_keys=SecretStr("k" * 32), address_hash_key=SecretStr("h" * 32)
    )
    links = settings.links()
    assert links is not None
    link = links.link(SERVICE, "orders", CategoryClass.SERVICE)
    assert link.rpartition("/u/")[0] == base.rstrip("/")
    assert TOKENS.opened(link.rpartition("/u/")[2])


@pytest.mark.parametrize("missing", ["public_url", "unsubscribe_keys"])
def test_both_settings_make_the_link(missing: str) -> None:
    key = SecretStr("k" * 32)
    given = {"public_url": BASE, "unsubscribe_keys": key, "address_hash_key": key}
    assert UnsubscribeLinkSettings.model_validate({n: v for n, v in given.items() if n != missing}).links() is None


def test_a_url_that_no_line_has_room_for_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="public_url"):
        UnsubscribeLinkSettings(public_url=f"https://{'h' * 300}.example.com", address_hash_key=SecretStr("k" * 32))
