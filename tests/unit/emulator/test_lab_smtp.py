"""The lab's SMTP dialogue: where each fault strikes, and what survives the way."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx
import pytest

from emulator.lab.running import Addresses, Settings, running

MAIL = b"From: hark@example.com\r\nTo: a@example.com\r\nSubject: Deploy\r\n\r\nBuild 42 is live\r\n"


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Addresses]:
    async with running(Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")) as addresses:
        yield addresses


@pytest.fixture
async def http(lab: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=lab.url, timeout=5) as client:
        yield client


async def inbox(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await http.get("/inbox.json")).json()["items"]
    return items


@pytest.mark.parametrize(
    ("mode", "command", "code"),
    [("503", "data", 451), ("429", "data", 450), ("400", "rcpt", 550), ("401", "mail", 530)],
)
async def test_smtp_refuses_where_a_real_server_would(
    lab: Addresses, http: httpx.AsyncClient, mode: str, command: str, code: int
) -> None:
    await http.put("/faults", json={"channel": "email", "mode": mode})

    def replies() -> dict[str, int]:
        with smtplib.SMTP(lab.smtp_host, lab.smtp_port, timeout=5) as client:
            client.ehlo("client.test")
            found = {"mail": client.mail("hark@example.com")[0]}
            if found["mail"] == 250:
                found["rcpt"] = client.rcpt("a@example.com")[0]
            if found.get("rcpt") == 250:
                found["data"] = client.data(MAIL)[0]
            return found

    assert list((await asyncio.to_thread(replies)).items())[-1] == (command, code)
    assert await inbox(http) == []


@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login", "auth_xoauth2"])
async def test_smtp_takes_any_credentials_unless_401_is_set(
    lab: Addresses, http: httpx.AsyncClient, mechanism: str
) -> None:
    async def log_in() -> None:
        client = aiosmtplib.SMTP(hostname=lab.smtp_host, port=lab.smtp_port, timeout=5)
        async with client:
            await getattr(client, mechanism)("anyone", "anything")

    await log_in()
    await http.put("/faults", json={"channel": "email", "mode": "401"})
    with pytest.raises(aiosmtplib.SMTPAuthenticationError) as refused:
        await log_in()
    assert refused.value.code == 535


@pytest.mark.parametrize(
    ("mode", "expected", "accepted"),
    [
        ("timeout", TimeoutError, 0),
        ("accept-then-timeout", TimeoutError, 1),
        ("reset", ConnectionResetError, 0),
        ("accept-then-reset", ConnectionResetError, 1),
        ("html", b"<!DOCTYPE html>", 0),
        ("truncated", b"25", 1),
    ],
)
async def test_smtp_breaks_after_the_data(
    lab: Addresses, http: httpx.AsyncClient, mode: str, expected: type[Exception] | bytes, accepted: int
) -> None:
    await http.put("/faults", json={"channel": "email", "mode": mode})
    reader, writer = await asyncio.open_connection(lab.smtp_host, lab.smtp_port)
    commands = ["EHLO c.test", "MAIL FROM:<h@example.com>", "RCPT TO:<a@example.com>", "DATA"]
    await reader.readline()
    for command in commands:
        writer.write(f"{command}\r\n".encode())
        while (await reader.readline())[3:4] == b"-":
            pass
    writer.write(MAIL + b".\r\n")
    if isinstance(expected, bytes):
        assert (await reader.readline()).startswith(expected)
    else:
        with pytest.raises(expected):
            # Only a hanging lab is waited for in vain, so only there is the time short.
            await asyncio.wait_for(reader.readline(), 0.3 if expected is TimeoutError else 10)
    writer.close()
    assert len(await inbox(http)) == accepted


async def test_smtp_carries_unicode_in_addresses_subject_and_text(lab: Addresses, http: httpx.AsyncClient) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "hark@example.com", "jörg@bücher.example", "Grüße ✓"
    mail.set_content("Schöne Grüße\n")
    mail.add_alternative("<p>Schöne Grüße</p>", subtype="html")
    await aiosmtplib.send(mail, hostname=lab.smtp_host, port=lab.smtp_port, timeout=5)
    (item,) = await inbox(http)
    assert (item["to"], item["subject"]) == ("jörg@bücher.example", "Grüße ✓")
    assert item["text"] == "Schöne Grüße"
    assert item["message_id"].startswith("<")
    assert item["notification_id"] is None


async def test_smtp_shows_the_headers_of_a_mail(lab: Addresses, http: httpx.AsyncClient) -> None:
    mail = EmailMessage()
    mail["From"], mail["Message-ID"], mail["Auto-Submitted"] = "Größe <hark@example.com>", "<1@x>", "auto-generated"
    await aiosmtplib.send(
        mail, sender="hark@example.com", recipients=["a@example.com"], hostname=lab.smtp_host, port=lab.smtp_port
    )
    (item,) = await inbox(http)
    expected = {"From": "Größe <hark@example.com>", "Message-ID": "<1@x>", "Auto-Submitted": "auto-generated"}
    assert expected.items() <= item["headers"].items()


async def test_smtp_takes_an_address_beyond_ascii_only_with_the_extension(lab: Addresses) -> None:
    async with aiosmtplib.SMTP(hostname=lab.smtp_host, port=lab.smtp_port, timeout=5) as client:
        await client.mail("hark@example.com")
        with pytest.raises(aiosmtplib.SMTPRecipientRefused) as refused:
            await client.rcpt("größe@example.com", encoding="utf-8")
        assert refused.value.code == 553


async def test_one_connection_carries_several_mails_and_a_fault_strikes_each_anew(
    lab: Addresses, http: httpx.AsyncClient
) -> None:
    await http.put("/faults", json={"channel": "email", "mode": "503", "count": 1})
    async with aiosmtplib.SMTP(hostname=lab.smtp_host, port=lab.smtp_port, timeout=5) as client:
        with pytest.raises(aiosmtplib.SMTPDataError):
            await client.sendmail("hark@example.com", "a@example.com", MAIL)
        await client.sendmail("hark@example.com", "a@example.com", MAIL)
    assert len(await inbox(http)) == 1


@pytest.mark.parametrize(
    "mail",
    [
        b"Content-Type: text/plain; charset=no-such-charset\r\n\r\nhi\r\n",
        b"Content-Type: image/png\r\n\r\nhi\r\n",
        b"Subject: =?utf-8?q?=FF=FE?=\r\nMessage-ID: <\xff\r\n\r\n\xff\xfe\r\n",
        b"\r\n",
    ],
)
async def test_a_strange_mail_is_accepted_and_can_be_shown(
    lab: Addresses, http: httpx.AsyncClient, mail: bytes
) -> None:
    async with aiosmtplib.SMTP(hostname=lab.smtp_host, port=lab.smtp_port, timeout=5) as client:
        await client.sendmail("hark@example.com", "a@example.com", mail)
    (item,) = await inbox(http)
    assert item["to"] == "a@example.com"
