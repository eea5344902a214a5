"""The contract of every provider: `send` returns the message's id, or raises what the provider's answer means.

A provider inherits HttpContract, or Contract when it speaks something else, and says how it is made. The good
sends and the faults run against the lab; what no well-meaning server says comes from a scripted one.
"""

import asyncio
import gc
import gzip
import json
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

import httpx
import pytest

from emulator.lab.running import Settings, running
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.sending.pipeline import call
from shared.sending.provider import Outgoing, Provider
from tests.contract.scripted import Script, Talk, answer, drip, hang_up, http, pour, say, serving

TOKEN = "canary-token"
TEXT = "canary-text: Build 42 is live"
SLACK_SECONDS = 2.0  # what a busy machine may add to a deadline

TEXTS = {
    "plain": "Build 42 is live",
    "unicode": "Größe ✓ 日本語 🚀 e\u0301",
    "markup": "a < b && c > d <b>bold</b> &amp; &lt;",
    "mention": "<!channel> <@U012345> *now*",
    "lines": "one\n\n  two\n\tthree",
    "dots": "first\n.\n..\n.last\nend.",
    "long": "x" * 1024,
    "long unicode": "ü" * 1024,
}

MODES: Mapping[str, type[SendError]] = {
    "503": Retryable,
    "429": Throttled,
    "400": Permanent,
    "401": Retryable,
    "reset": Unknown,
    "accept-then-reset": Unknown,
    "html": Unknown,
}
ACCEPTED = {"accept-then-timeout", "accept-then-reset", "truncated"}

STATUSES: Mapping[int, type[SendError]] = {
    **dict.fromkeys([300, 301, 302, 303, 307, 308], Retryable),
    **dict.fromkeys([400, 402, 404, 405, 407, 409, 410, 413, 418, 421, 422, 425, 426, 451, 499], Refused),
    **dict.fromkeys([401, 403, 408, 503], Retryable),
    429: Throttled,
    **dict.fromkeys([500, 501, 502, 504, 507, 520, 599], Unknown),
}

BODIES = {
    "empty": b"",
    "null": b"null",
    "empty list": b"[]",
    "list": b'[{"sid": "SM1", "ok": true, "ts": "1.2"}]',
    "number": b"42",
    "text": b'"accepted"',
    "empty object": b"{}",
    "cut short": b'{"sid": "SM1',
    "two": b'{"ok": true, "ts": "1.2"} {"ok": true}',
    "invalid UTF-8": b'{"sid": "\xff\xfe\xfa", "ts": "\xff"}',
    "NUL": b"\0",
    "deep": b"[" * 100_000,
    "deep in an object": b'{"sid": ' + b'{"sid": ' * 100_000,
    "huge number": b'{"sid": 1' + b"0" * 5000 + b"}",
    "sid a number": b'{"sid": 5, "ok": true, "ts": 5}',
    "sid null": b'{"sid": null, "ok": true, "ts": null}',
    "sid a list": b'{"sid": ["SM1"], "ok": true, "ts": ["1.2"]}',
    "ok a text": b'{"ok": "yes"}',
    "ok null": b'{"ok": null}',
    "error a number": b'{"ok": false, "error": 5, "code": "x"}',
    "error a list": b'{"ok": false, "error": ["channel_not_found"], "code": [21211]}',
    "dates a number": b'{"sid": 5, "date_created": 5, "date_sent": [], "date_updated": {}}',
    "date beyond time": b'{"sid": 5, "date_created": "Mon, 01 Jan 99999 00:00:00 +9999"}',
    "a proxy's page": b"<html><body>Sign in</body></html>",
}

GARBAGE = {
    "nothing": b"",
    "empty lines": b"\r\n\r\n",
    "words": b"hello there\r\n\r\n",
    "binary": bytes(range(256)),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "half a status line": b"HTTP/1.1 20",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "status of five digits": b"HTTP/1.1 20200 Accepted\r\n\r\n",
    "negative status": b"HTTP/1.1 -202 Accepted\r\n\r\n",
    "unknown version": b"HTTP/9.9 202 Accepted\r\n\r\n",
    "half a header": b"HTTP/1.1 200 OK\r\nContent-Le",
    "header without colon": b"HTTP/1.1 200 OK\r\nContent\r\n\r\n",
    "endless continue, then nothing": b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
    "gzip of garbage": answer(200, b"garbage", headers={"Content-Encoding": "gzip"}),
    "gzip of far too much": answer(200, gzip.compress(bytes(2**25)), headers={"Content-Encoding": "gzip"}),
    "deflate of garbage": answer(200, b"garbage", headers={"Content-Encoding": "deflate"}),
    "unknown encoding": answer(200, b"garbage", headers={"Content-Encoding": "nonsense"}),
    "unknown charset": answer(200, b"garbage", "application/json; charset=nonsense"),
    "charset of no text": answer(200, b"garbage", "text/html; charset=hex"),
    "no content type": answer(200, b"garbage", ""),
    "chunks of garbage": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\ngarbage",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    "length too long": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{}",
    "length negative": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "length a word": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
}


@dataclass(frozen=True)
class Where:
    """What a provider is to talk to."""

    host: str
    port: int
    smtp_port: int


@dataclass(frozen=True)
class Lab:
    where: Where
    client: httpx.AsyncClient

    async def set_fault(self, channel: str, mode: str) -> None:
        assert (await self.client.put("/faults", json={"channel": channel, "mode": mode})).is_success

    async def inbox(self) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], (await self.client.get("/inbox.json")).json()["items"])


class AnyProvider:
    """What holds even for a provider that sends nothing."""

    address: ClassVar[str]
    gives_id: ClassVar[bool] = True

    def provider(self, where: Where) -> Provider:
        raise NotImplementedError

    def outgoing(self, text: str = TEXT, subject: str | None = "Deploy", timeout: float = 10) -> Outgoing:
        return Outgoing("5b3c9cde-0001-4000-8000-000000000001", self.address, subject, text, timeout)

    @pytest.fixture(autouse=True)
    def _no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)

    @pytest.fixture
    async def lab(self, tmp_path: Path) -> AsyncIterator[Lab]:
        settings = Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl", slow_seconds=0.3)
        async with running(settings) as at, httpx.AsyncClient(base_url=at.url, trust_env=False, timeout=30) as client:
            yield Lab(Where(settings.host, httpx.URL(at.url).port or 0, at.smtp_port), client)

    async def sent(self, where: Where, outgoing: Outgoing) -> str | None:
        async with aclosing(self.provider(where)) as provider:
            return await through_pipeline(provider, outgoing)

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    async def test_a_good_send_gives_the_id_where_there_is_one(self, lab: Lab, text: str) -> None:
        message_id = await self.sent(lab.where, self.outgoing(text))
        assert (message_id is not None) == self.gives_id

    async def test_many_at_once_each_get_their_own_id(self, lab: Lab) -> None:
        async with aclosing(self.provider(lab.where)) as provider:
            each = [replace(self.outgoing(), notification_id=f"n-{number}") for number in range(20)]
            ids = await asyncio.gather(*map(provider.send, each))
        assert len(set(ids)) == (20 if self.gives_id else 1)


class Contract(AnyProvider):
    """What holds for every provider that talks to someone."""

    channel: ClassVar[str]
    name: ClassVar[str]
    inbox_address: ClassVar[str | None] = None
    has_subject: ClassVar[bool] = False
    throttle_seconds: ClassVar[float | None] = 1.0
    unknown_address: ClassVar[type[SendError]] = Permanent
    """What it means that there is no such address: the caller's fault, or the operator's who has named it."""
    beginnings: ClassVar[Mapping[str, bytes]]
    """How an answer begins that then drips for ever."""
    floods: ClassVar[Mapping[str, tuple[bytes, bytes]]]
    """How an answer begins that never ends, and what it goes on with."""

    def script(self, talk: Talk) -> Script:
        """A server that reads one message and then talks."""
        raise NotImplementedError

    def assert_pause(self, retry_after: float | None) -> None:
        """What the lab's throttle asks for."""
        assert retry_after == self.throttle_seconds

    async def refused(self, where: Where, outgoing: Outgoing | None = None) -> SendError:
        """The error of `send`, which is of ours and gives nothing away."""
        outgoing = outgoing or self.outgoing()
        async with aclosing(self.provider(where)) as provider:
            with pytest.raises(SendError) as raised:
                await provider.send(outgoing)
        assert_gives_nothing_away(raised.value, outgoing)
        return raised.value

    async def refused_by(self, talk: Talk) -> SendError:
        async with serving(self.script(talk)) as server:
            error = await self.refused(Where("127.0.0.1", server.port, server.port))
            await until(lambda: server.open == 0)
        return error

    # Good sends

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    async def test_the_inbox_has_exactly_what_was_sent(self, lab: Lab, text: str) -> None:
        outgoing = self.outgoing(text)
        message_id = await self.sent(lab.where, outgoing)
        [item] = await lab.inbox()
        assert item["to"] == (self.inbox_address or outgoing.address)
        assert item["text"] == text
        assert item["notification_id"] == outgoing.notification_id
        assert item["subject"] == (outgoing.subject if self.has_subject else None)
        assert (item["channel"], item["provider"]) == (self.channel, self.name)
        assert message_id == (item["message_id"] if self.gives_id else None)

    async def test_the_name_on_record_is_the_providers(self, lab: Lab) -> None:
        async with aclosing(self.provider(lab.where)) as provider:
            assert provider.name == self.name

    async def test_it_goes_on_after_each_fault(self, lab: Lab) -> None:
        async with aclosing(self.provider(lab.where)) as provider:
            for mode in MODES:
                await lab.set_fault(self.channel, mode)
                with pytest.raises(SendError):
                    await provider.send(self.outgoing())
                await lab.client.delete("/faults")
            await provider.send(self.outgoing())

    # Faults

    @pytest.mark.parametrize(("mode", "expected"), MODES.items())
    async def test_a_fault_raises_what_it_means(self, lab: Lab, mode: str, expected: type[SendError]) -> None:
        await lab.set_fault(self.channel, mode)
        error = await self.refused(lab.where)
        assert type(error) is (self.unknown_address if mode == "400" else expected)
        if isinstance(error, Throttled):
            self.assert_pause(error.retry_after)
        if isinstance(error, Retryable):
            assert error.credentials == (mode == "401")
        assert len(await lab.inbox()) == (1 if mode in ACCEPTED else 0)

    async def test_a_truncated_answer_is_unknown(self, lab: Lab) -> None:
        await lab.set_fault(self.channel, "truncated")
        assert type(await self.refused(lab.where)) is Unknown
        assert len(await lab.inbox()) == 1

    @pytest.mark.parametrize("mode", ["timeout", "accept-then-timeout"])
    async def test_no_answer_is_unknown_at_the_deadline(self, lab: Lab, mode: str) -> None:
        await lab.set_fault(self.channel, mode)
        began = time.monotonic()
        with pytest.raises(Unknown):
            await self.sent(lab.where, self.outgoing(timeout=0.5))
        assert time.monotonic() - began < 0.5 + SLACK_SECONDS
        assert len(await lab.inbox()) == (1 if mode in ACCEPTED else 0)

    async def test_a_slow_answer_is_waited_for(self, lab: Lab) -> None:
        await lab.set_fault(self.channel, "slow")
        message_id = await self.sent(lab.where, self.outgoing())
        assert (message_id is not None) == self.gives_id
        assert len(await lab.inbox()) == 1

    # Nobody there

    async def test_a_refused_connection_is_retryable(self) -> None:
        port = closed_port()
        error = await self.refused(Where("127.0.0.1", port, port))
        assert isinstance(error, Retryable)
        assert not error.credentials

    async def test_a_name_that_does_not_resolve_is_retryable(self) -> None:
        assert type(await self.refused(Where("nowhere.invalid", 80, 25))) is Retryable

    async def test_a_connection_closed_instead_of_an_answer_is_unknown(self) -> None:
        assert type(await self.refused_by(hang_up)) is Unknown

    # Answers without an end

    def beginnings_and_floods(self, kind: str) -> list[Talk]:
        if kind == "drip":
            return [drip(head) for head in self.beginnings.values()]
        return [pour(*flood) for flood in self.floods.values()]

    async def test_a_dripping_answer_ends_at_the_deadline(self) -> None:
        for talk in self.beginnings_and_floods("drip"):
            async with serving(self.script(talk)) as server:
                where = Where("127.0.0.1", server.port, server.port)
                began = time.monotonic()
                async with aclosing(self.provider(where)) as provider:
                    with pytest.raises(Unknown) as raised:
                        await through_pipeline(provider, self.outgoing(timeout=1))
                    assert 0.9 < time.monotonic() - began < 1 + SLACK_SECONDS
                    # The call is over on the wire too, and not only once its provider is closed.
                    await until(lambda: server.open == 0)
                assert_gives_nothing_away(raised.value, self.outgoing())
            await until(lambda: not provider_threads())

    async def test_an_endless_answer_takes_neither_time_nor_memory(self) -> None:
        for talk in self.beginnings_and_floods("flood"):
            gc.collect()
            before, began = resident_bytes(), time.monotonic()
            async with serving(self.script(talk)) as server:
                where = Where("127.0.0.1", server.port, server.port)
                with pytest.raises(Unknown):
                    await self.sent(where, self.outgoing(timeout=1))
                assert time.monotonic() - began < 1 + SLACK_SECONDS
                assert resident_bytes() - before < 50e6
                await until(lambda: server.open == 0)
            await until(lambda: not provider_threads())

    async def test_a_cancelled_send_leaves_no_connection(self) -> None:
        async with serving(self.script(drip(next(iter(self.beginnings.values()))))) as server:
            where = Where("127.0.0.1", server.port, server.port)
            async with aclosing(self.provider(where)) as provider:
                sending = asyncio.create_task(provider.send(self.outgoing()))
                await until(lambda: server.open == 1)
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
                await until(lambda: server.open == 0)
        await until(lambda: not provider_threads())


class HttpContract(Contract):
    """What holds for every provider that is called over HTTP."""

    good_status: ClassVar[int] = 200
    statuses: ClassVar[Mapping[int, type[SendError]]] = {}
    """Where it says more of a status than HTTP does."""
    beginnings: ClassVar = {
        "status line": b"HTTP/1.1 200 O",
        "header": b"HTTP/1.1 200 OK\r\nX-Drip: ",
        "body": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
        "error's body": b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n",
    }
    floods: ClassVar = {
        "line": (b"HTTP/1.1 200 ", b"x"),
        "header": (b"HTTP/1.1 200 OK\r\nX-Flood: ", b"x"),
        "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Flood: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"),
        "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "body": (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b"[" * 65536),
        "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b" " * 0x4000 + b"\r\n"),
    }

    def script(self, talk: Talk) -> Script:
        return http(talk)

    @pytest.mark.parametrize(("status", "expected"), STATUSES.items())
    @pytest.mark.parametrize("body", [b"", b"<html>Gateway</html>", b"{}"], ids=["empty", "page", "object"])
    async def test_a_status_means_what_it_says(self, status: int, expected: type[SendError], body: bytes) -> None:
        content_type = "text/html" if body.startswith(b"<") else "application/json"
        error = await self.refused_by(say(answer(status, body, content_type)))
        assert type(error) is self.statuses.get(status, expected)
        assert getattr(error, "credentials", False) == (status in {401, 403})

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_not_followed(self, lab: Lab, status: int) -> None:
        """A POST that comes back as a GET's 200 would look like success; our token is for nobody else."""
        there = f"http://{lab.where.host}:{lab.where.port}/healthz"
        talk = say(answer(status, headers={"Location": there}))
        async with serving(self.script(talk)) as server:
            error = await self.refused(Where("127.0.0.1", server.port, 0))
        assert type(error) is Retryable

    @pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 206, 226, 299])
    async def test_an_unexpected_success_is_unknown(self, status: int) -> None:
        for body in (b"", b"<html>Welcome</html>"):
            assert type(await self.refused_by(say(answer(status, body, "text/html")))) is Unknown

    @pytest.mark.parametrize("status", [204, 207, 250])
    async def test_ok_under_another_status_is_unknown(self, status: int) -> None:
        assert type(await self.refused_by(say(answer(status, b"ok", "text/plain")))) is Unknown

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    async def test_a_malformed_success_is_unknown(self, body: bytes) -> None:
        for content_type in ("application/json", "text/html"):
            assert type(await self.refused_by(say(answer(self.good_status, body, content_type)))) is Unknown

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    async def test_a_malformed_refusal_is_an_error_of_ours(self, body: bytes) -> None:
        for status in (400, 500, 503):
            error = await self.refused_by(say(answer(status, body)))
            assert type(error) in {STATUSES[status], Unknown}

    @pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
    async def test_garbage_is_unknown(self, data: bytes) -> None:
        assert type(await self.refused_by(say(data))) is Unknown

    @pytest.mark.parametrize("status", [200, 202, 301, 400, 401, 404, 429, 500, 503])
    async def test_an_answer_that_repeats_the_request_gives_nothing_away(self, status: int) -> None:
        canaries = f"{self.address} {TEXT} {TOKEN}"
        document = {"message": canaries, "error": canaries, "code": canaries, "errors": [{"message": canaries}]}
        problem = {"type": canaries, "title": canaries, "status": canaries, "detail": canaries}
        for body in (
            canaries,
            json.dumps(document),
            json.dumps(document | problem),
            json.dumps({"error": self.address}),
        ):
            await self.refused_by(say(answer(f"{status} {canaries}", body.encode(), headers={"X-Echo": canaries})))

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            *[("2", 2), ("0", 0), ("1.5", 1.5)],
            *[("", None), ("soon", None), ("-1", None), ("nan", None), ("inf", None)],
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ],
    )
    async def test_a_throttle_says_when_to_come_back(self, value: str, expected: float | None) -> None:
        error = await self.refused_by(say(answer(429, b"{}", headers={"Retry-After": value})))
        assert isinstance(error, Throttled)
        assert error.retry_after == expected

    async def test_a_throttle_beyond_all_time_can_still_be_planned(self) -> None:
        error = await self.refused_by(say(answer(429, b"{}", headers={"Retry-After": "1e300"})))
        assert isinstance(error, Throttled)
        assert timedelta(seconds=error.retry_after or 0) <= timedelta(days=1)


class SessionContract(HttpContract):
    """What holds for every provider that is called by `shared.http.client.post_json`, or by its session with no SDK
    besides. What aiohttp makes of hostile bytes is tried at length with the providers that have an SDK; here once.
    """

    def outgoing_with(self, parts: Mapping[str, Any], **fields: Any) -> Outgoing:
        return replace(self.outgoing(), parts=parts, **fields)

    def outgoing_to(self, address: str) -> Outgoing:
        return replace(self.outgoing(), address=address)

    @staticmethod
    def origin(where: Where) -> str:
        """Of a URL that is a secret, and so only good over TLS, or on this machine."""
        return f"http{'' if where.host == '127.0.0.1' else 's'}://{where.host}:{where.port}"

    async def refused_with(
        self, document: Any, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> SendError:
        """The error that such an answer means."""
        return await self.refused_by(say(answer(status, json.dumps(document).encode(), headers=headers)))

    beginnings: ClassVar = {"body": HttpContract.beginnings["body"]}
    floods: ClassVar = {"body": HttpContract.floods["body"]}

    @pytest.mark.parametrize("data", [GARBAGE["words"], GARBAGE["gzip of far too much"]], ids=["words", "gzip"])
    async def test_garbage_is_unknown(self, data: bytes) -> None:
        await super().test_garbage_is_unknown(data)


def assert_gives_nothing_away(error: SendError, outgoing: Outgoing) -> None:
    said = f"{error} {error!r}"
    for secret in (outgoing.address, outgoing.text, "canary", TOKEN):
        assert secret not in said
    # What is raised `from` another brings that one's text into a traceback.
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


async def through_pipeline(provider: Provider, outgoing: Outgoing) -> str | None:
    """`send` as the pipeline calls it: under the total deadline."""
    return (await call(provider, outgoing)).id


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - another thread or the kernel makes it true
            await asyncio.sleep(0.01)


def provider_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("sendgrid")]


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
