"""SMTP over TLS as SMTP_TLS wants it, and the login by XOAUTH2, against servers that have both."""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from aiosmtpd import smtp as aiosmtpd

from emulator.lab.running import Settings as LabSettings
from emulator.lab.running import running
from functions.email.smtp_provider import SmtpProvider, SmtpSettings
from shared.delivery.errors import Refused, Retryable, SendError
from shared.sending.provider import Outgoing
from tests.contract.providers import SLACK_SECONDS
from tests.contract.scripted import Smtp, Talk, answer, drip, hang_up, http, pour, say, serving

OUTGOING = Outgoing("5b3c9cde-0001-4000-8000-000000000001", "canary@example.com", "Deploy", "canary-text", 5)
OFFERS_TLS = {"EHLO": say(b"250-s\r\n250 STARTTLS\r\n")}
OFFERS_XOAUTH2 = {"EHLO": say(b"250-s\r\n250 AUTH XOAUTH2\r\n")}


def provider(url: str, **settings: Any) -> SmtpProvider:
    return SmtpProvider(SmtpSettings.model_validate({"smtp_url": url, "email_from": "hark@example.com", **settings}))


async def sent(url: str, **settings: Any) -> str | None:
    async with aclosing(provider(url, **settings)) as made:
        return await made.send(OUTGOING)


async def refused(url: str, **settings: Any) -> SendError:
    with pytest.raises(SendError) as raised:
        await sent(url, **settings)
    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None
    return raised.value


class Inbox:
    """How each mail came: whether over TLS, and by which name it was greeted."""

    def __init__(self) -> None:
        self.mails: list[tuple[bool, str | None]] = []

    async def handle_DATA(self, server: aiosmtpd.SMTP, session: aiosmtpd.Session, envelope: aiosmtpd.Envelope) -> str:
        self.mails.append((session.ssl is not None, session.host_name))
        return "250 ok"


@asynccontextmanager
async def mail_server(context: ssl.SSLContext, *, implicit: bool = False) -> AsyncIterator[tuple[int, Inbox]]:
    inbox, loop = Inbox(), asyncio.get_running_loop()

    def connection() -> aiosmtpd.SMTP:
        tls = None if implicit else context
        return aiosmtpd.SMTP(inbox, hostname="mail.test", tls_context=tls, loop=loop, enable_SMTPUTF8=True)

    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=context if implicit else None)
    async with server:
        yield server.sockets[0].getsockname()[1], inbox


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority is one of this machine's."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def certified(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize("tls", [None, "opportunistic", "required"])
async def test_an_authority_that_nobody_knows_does_not_stop_the_mail(authority: trustme.CA, tls: str | None) -> None:
    """What nobody could read in between is better than what everybody could: RFC 7435."""
    async with mail_server(certified(authority)) as (port, inbox):
        assert await sent(f"smtp://localhost:{port}", smtp_tls=tls)
    assert inbox.mails == [(True, "example.com")]


async def test_a_setting_wants_a_certificate_that_is_trusted(authority: trustme.CA) -> None:
    async with mail_server(certified(authority)) as (port, inbox):
        error = await refused(f"smtp://localhost:{port}", smtp_tls="verified")
    assert type(error) is Retryable
    assert str(error) == "the mail server's certificate is from an authority that is not trusted"
    assert not inbox.mails


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_that_is_trusted_will_do(authority: trustme.CA) -> None:
    async with mail_server(certified(authority)) as (port, inbox):
        assert await sent(f"smtp://localhost:{port}", smtp_tls="verified")
    assert inbox.mails == [(True, "example.com")]


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_of_another_host_is_said_to_be_one(authority: trustme.CA) -> None:
    async with mail_server(certified(authority, "elsewhere.example")) as (port, inbox):
        error = await refused(f"smtp://localhost:{port}", smtp_tls="verified")
    assert str(error) == "the mail server's certificate is made out to another host"
    assert not inbox.mails


@pytest.mark.parametrize("trust", [True, False])
async def test_tls_from_the_first_byte_is_verified(
    authority: trustme.CA, trust: bool, request: pytest.FixtureRequest
) -> None:
    if trust:
        request.getfixturevalue("trusted")
    async with mail_server(certified(authority), implicit=True) as (port, inbox):
        if trust:
            assert await sent(f"smtps://localhost:{port}")
        else:
            assert "not trusted" in str(await refused(f"smtps://localhost:{port}"))
            assert await sent(f"smtps://localhost:{port}", smtp_tls="required")
    assert len(inbox.mails) == 1


@pytest.mark.parametrize("answered", [say(b"454 4.7.0 not now\r\n"), say(b"502 no\r\n"), hang_up])
async def test_where_tls_fails_the_mail_goes_in_the_clear_unless_a_setting_forbids_it(answered: Talk) -> None:
    smtp = Smtp({**OFFERS_TLS, "STARTTLS": answered})
    async with serving(smtp) as server:
        assert await sent(f"smtp://127.0.0.1:{server.port}")
        assert b"canary-text" in smtp.mail
        smtp.mail = b""
        for tls in ("required", "verified"):
            assert type(await refused(f"smtp://127.0.0.1:{server.port}", smtp_tls=tls)) is Retryable
    assert not smtp.mail


async def test_a_handshake_that_breaks_is_tried_again_without() -> None:
    async def no_tls(writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 go on\r\n")
        await writer.drain()
        raise ConnectionError

    smtp = Smtp({**OFFERS_TLS, "STARTTLS": no_tls})
    async with serving(smtp) as server:
        assert await sent(f"smtp://127.0.0.1:{server.port}")
        assert smtp.commands.count(b"STARTTLS") == 1
        assert type(await refused(f"smtp://127.0.0.1:{server.port}", smtp_tls="required")) is Retryable


@pytest.mark.parametrize("said", [b"", b"220 go on\r\n"], ids=["no reply", "no handshake"])
async def test_tls_that_hangs_leaves_time_to_try_without(said: bytes) -> None:
    """As what stands in between does that passes STARTTLS on and no handshake."""

    async def hang(writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        await asyncio.Event().wait()

    smtp = Smtp({**OFFERS_TLS, "STARTTLS": hang})
    async with serving(smtp) as server, aclosing(provider(f"smtp://127.0.0.1:{server.port}")) as made:
        assert await made.send(replace(OUTGOING, timeout=1))
        assert b"canary-text" in smtp.mail
        smtp.mail = b""
        async with aclosing(provider(f"smtp://127.0.0.1:{server.port}", smtp_tls="required")) as strict:
            with pytest.raises(Retryable):
                await strict.send(replace(OUTGOING, timeout=1))
    assert not smtp.mail


async def test_a_server_without_tls_gets_the_mail_in_the_clear_unless_a_setting_forbids_it() -> None:
    smtp = Smtp()
    async with serving(smtp) as server:
        assert await sent(f"smtp://127.0.0.1:{server.port}")
        for tls in ("required", "verified"):
            error = await refused(f"smtp://127.0.0.1:{server.port}", smtp_tls=tls)
            assert "SMTP_TLS" in str(error)


async def test_a_password_never_leaves_for_a_server_without_tls() -> None:
    smtp = Smtp({"EHLO": say(b"250-s\r\n250 AUTH PLAIN\r\n")})
    async with serving(smtp) as server:
        made = provider(f"smtp://user:canary@mail.example.com:{server.port}")
        made._server = replace(made._server, host="127.0.0.1")  # as if its name led there
        with pytest.raises(Retryable, match="SMTP_TLS"):
            await made.send(OUTGOING)
    assert not [line for line in smtp.commands if line.startswith(b"AUTH")]


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({"BANNER": hang_up}, "closed the connection"),
        ({"EHLO": hang_up}, "closed the connection at EHLO"),
        ({"RCPT": hang_up}, "closed the connection at RCPT"),
        ({"EHLO": say(b"421 4.7.0 Try again later, closing connection. (EHLO)\r\n")}, "SMTP_HELO"),
    ],
)
async def test_a_reason_says_what_broke(replies: Mapping[str, Talk], words: str) -> None:
    async with serving(Smtp(replies)) as server:
        error = await refused(f"smtp://127.0.0.1:{server.port}")
    assert type(error) is Retryable
    assert words in str(error)


async def test_a_reason_says_who_was_not_there() -> None:
    assert "does not resolve" in str(await refused("smtp://nowhere.invalid"))
    async with serving(Smtp()) as server:
        port = server.port
    assert "was refused" in str(await refused(f"smtp://127.0.0.1:{port}"))


@pytest.mark.parametrize("phase", ["BANNER", "EHLO", "MAIL", "RCPT"])
async def test_time_that_runs_out_before_the_mail_is_retryable(phase: str) -> None:
    async with (
        serving(Smtp({phase: drip(b"2")})) as server,
        aclosing(provider(f"smtp://127.0.0.1:{server.port}")) as made,
    ):
        began = time.monotonic()
        with pytest.raises(Retryable):
            await made.send(Outgoing("n-1", "canary@example.com", None, "x", 1))
        assert time.monotonic() - began < 1 + SLACK_SECONDS


# XOAUTH2


def token_answer(token: str = "token-1", **fields: Any) -> bytes:
    return answer(
        200, json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3599} | fields).encode()
    )


def oauth(port: int, **changes: Any) -> dict[str, Any]:
    return {
        "smtp_oauth_token_url": f"http://127.0.0.1:{port}/token",
        "smtp_oauth_client_id": "client",
        "smtp_oauth_client_secret": "secret-canary",  # pragma: allowlist secret
        "smtp_oauth_refresh_token": "refresh-canary",
    } | changes


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


class Tokens:
    """A token server that counts what it is asked."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.asked = 0

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self.answers[min(self.asked, len(self.answers) - 1)])
        self.asked += 1
        await writer.drain()


async def test_a_token_is_fetched_once_and_logs_every_mail_in() -> None:
    tokens, smtp = Tokens(token_answer()), Smtp(OFFERS_XOAUTH2)
    async with serving(http(tokens)) as token_server, serving(smtp) as server:
        made = provider(f"smtp://me%40example.com@127.0.0.1:{server.port}", **oauth(token_server.port))
        async with aclosing(made):
            await asyncio.gather(*(made.send(OUTGOING) for _ in range(5)))
    assert tokens.asked == 1
    told = [line.split()[2] for line in smtp.commands if line.startswith(b"AUTH XOAUTH2 ")]
    assert len(told) == 5
    assert {base64.b64decode(one) for one in told} == {b"user=me@example.com\x01auth=Bearer token-1\x01\x01"}


async def test_a_token_that_runs_out_is_fetched_again() -> None:
    tokens = Tokens(token_answer(expires_in=30), token_answer(expires_in="30"), token_answer("token-2"))
    async with serving(http(tokens)) as token_server, serving(Smtp(OFFERS_XOAUTH2)) as server:
        made = provider(f"smtp://me@127.0.0.1:{server.port}", **oauth(token_server.port))
        async with aclosing(made):
            for _ in range(5):
                await made.send(OUTGOING)
    assert tokens.asked == 3


async def test_a_token_that_the_mail_server_refuses_is_dropped_and_only_a_new_one_is_our_credentials_fault() -> None:
    tokens = Tokens(token_answer("token-1"), token_answer("token-2"))
    smtp = Smtp(OFFERS_XOAUTH2)
    async with serving(http(tokens)) as token_server, serving(smtp) as server:
        made = provider(f"smtp://me@127.0.0.1:{server.port}", **oauth(token_server.port))
        async with aclosing(made):
            await made.send(OUTGOING)
            smtp.replies = {**OFFERS_XOAUTH2, "AUTH": say(b"535 5.7.8 no\r\n")}
            outcomes = []
            for _ in range(2):
                with pytest.raises(Retryable) as raised:
                    await made.send(OUTGOING)
                outcomes.append(raised.value.credentials)
    assert outcomes == [False, True]
    assert tokens.asked == 2


@pytest.mark.parametrize(
    ("told", "kind", "credentials"),
    [
        (answer(400, b'{"error": "invalid_grant", "error_description": "canary"}'), Retryable, True),
        (answer(401, b'{"error": "invalid_client"}'), Retryable, True),
        (answer(400, b'{"error": "invalid_scope"}'), Refused, False),
        (answer(404, b"<html>"), Refused, False),
        (answer(429, b""), Retryable, False),
        (answer(500, b""), Retryable, False),
        (answer(302, b"", headers={"Location": "http://127.0.0.1:1/canary"}), Retryable, False),
        (answer(200, b"<html>canary"), Retryable, False),
        (answer(200, b'{"access_token": 5}'), Retryable, False),
        (answer(200, b'{"access_token": "a b\\r\\nMAIL FROM:<canary>"}'), Retryable, False),
        (b"canary", Retryable, False),
    ],
)
@pytest.mark.usefixtures("no_proxy")
async def test_without_a_token_nothing_has_left(told: bytes, kind: type[SendError], credentials: bool) -> None:
    smtp = Smtp(OFFERS_XOAUTH2)
    async with serving(http(say(told))) as token_server, serving(smtp) as server:
        error = await refused(f"smtp://me@127.0.0.1:{server.port}", **oauth(token_server.port))
    assert type(error) is kind
    assert getattr(error, "credentials", False) == credentials
    assert not smtp.commands


@pytest.mark.parametrize("talk", [drip(b"HTTP/1.1 200 OK\r\nX-Drip: "), pour(b"HTTP/1.1 200 OK\r\n\r\n", b"[" * 65536)])
async def test_a_token_server_without_an_end_takes_half_of_the_attempts_time_at_most(talk: Talk) -> None:
    async with serving(http(talk)) as token_server, serving(Smtp()) as server:
        made = provider(f"smtp://me@127.0.0.1:{server.port}", **oauth(token_server.port))
        async with aclosing(made):
            began = time.monotonic()
            with pytest.raises(Retryable):
                await made.send(Outgoing("n-1", "canary@example.com", None, "x", 2))
            assert time.monotonic() - began < 2 + SLACK_SECONDS


async def test_a_server_that_offers_no_such_login_says_so() -> None:
    async with serving(http(Tokens(token_answer()))) as token_server, serving(Smtp()) as server:
        error = await refused(f"smtp://me@127.0.0.1:{server.port}", **oauth(token_server.port))
        assert type(error) is Refused
        assert "XOAUTH2" in str(error)
        assert type(await refused(f"smtp://me:canary@127.0.0.1:{server.port}")) is Refused  # pragma: allowlist secret


async def test_the_lab_takes_it_and_its_401_refuses_it(tmp_path: Path) -> None:
    lab = LabSettings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")
    async with running(lab) as at, serving(http(Tokens(token_answer()))) as token_server:
        url = f"smtp://me@{at.smtp_host}:{at.smtp_port}"
        assert await sent(url, **oauth(token_server.port))
        async with httpx.AsyncClient(base_url=at.url, trust_env=False) as client:
            await client.put("/faults", json={"channel": "email", "mode": "401"})
        error = await refused(url, **oauth(token_server.port))
    assert isinstance(error, Retryable)
    assert error.credentials
