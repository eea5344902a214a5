"""Apprise, held to as much of the contract of all as its yes and no can keep.

It says no word of Retry-After, of which answer it had, nor of what came after a connection: what the others know to be
refused for now is here what its status says, and what is no success is unknown.
"""

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from functions.apprise.apprise_provider import TRIED, AppriseProvider, AppriseSettings
from shared.delivery.errors import Refused, Retryable, SendError, Throttled, Unknown
from shared.sending.pipeline import call
from shared.sending.provider import Provider
from tests.contract.providers import (
    SLACK_SECONDS,
    TEXT,
    TEXTS,
    Contract,
    Lab,
    Where,
    assert_gives_nothing_away,
    closed_port,
)
from tests.contract.scripted import Talk, answer, drip, hang_up, http, pour, say, serving

BODIES = {"json": b'"message": "canary-text', "xml": b"<Message>canary-text", "form": b"message=canary-text"}
PATHS = {
    "json": "/canary",
    "xml": "/canary",
    "form": "/canary",
    "ntfy": "/canary",
    "gotify": "/canary-token",
    "mmost": "/abcdefghijabcdefghijabcdef",
}


def settings(where: Where, scheme: str = "json", path: str = "/apprise/canary") -> AppriseSettings:
    url = f"{scheme}://{where.host}:{where.port}{path}"
    return AppriseSettings(apprise_urls=SecretStr(f"canary={url}"))


class TestApprise:
    name = channel = "apprise"
    lab, outgoing, _no_proxy = Contract.lab, Contract.outgoing, Contract._no_proxy
    address = "canary"

    def provider(self, where: Where) -> AppriseProvider:
        return AppriseProvider(settings(where))

    async def sent(self, where: Where, **changes: Any) -> str | None:
        async with aclosing(self.provider(where)) as provider:
            return (await call(provider, replace(Contract.outgoing(self), **changes))).id  # type: ignore[arg-type]

    async def refused_by(self, talk: Talk, timeout: float = 10) -> SendError:
        async with serving(http(talk)) as server:
            with pytest.raises(SendError) as raised:
                await self.sent(Where("127.0.0.1", server.port, 0), timeout=timeout)
        assert_gives_nothing_away(raised.value, Contract.outgoing(self))  # type: ignore[arg-type]
        return raised.value

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    async def test_the_inbox_has_exactly_what_was_sent(self, lab: Lab, text: str) -> None:
        assert await self.sent(lab.where, text=text) is None
        [item] = await lab.inbox()
        assert (item["text"], item["subject"], item["to"]) == (text, "Deploy", "canary")
        assert item["notification_id"] == Contract.outgoing(self).notification_id  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("mode", "expected"),
        [
            *[("503", Retryable), ("429", Throttled), ("400", Refused), ("401", Retryable)],
            *[("reset", Unknown), ("accept-then-reset", Unknown), ("truncated", Unknown)],
        ],
    )
    async def test_a_fault_raises_what_it_means(self, lab: Lab, mode: str, expected: type[SendError]) -> None:
        await lab.set_fault("apprise", mode)
        with pytest.raises(SendError) as raised:
            await self.sent(lab.where)
        assert type(raised.value) is expected
        assert getattr(raised.value, "credentials", False) == (mode == "401")

    @pytest.mark.parametrize(
        ("text", "status", "body", "expected"),
        [
            ("db: Connection refused", 500, b"", Unknown),
            ("Socket Exception: NewConnectionError(", 404, b"", Refused),
            ("plain", 502, b"upstream: Connection refused, error=404.", Unknown),
            ("error=404.", 503, b"error=401.", Retryable),
        ],
    )
    async def test_only_apprises_own_words_count(
        self, text: str, status: int, body: bytes, expected: type[SendError]
    ) -> None:
        async with serving(http(say(answer(status, body)))) as server:
            with pytest.raises(SendError) as raised:
                await self.sent(Where("127.0.0.1", server.port, 0), text=text)
        assert type(raised.value) is expected

    async def test_what_the_text_says_of_a_connection_that_broke_is_no_status(self) -> None:
        async with serving(http(hang_up)) as server:
            with pytest.raises(Unknown):
                await self.sent(Where("127.0.0.1", server.port, 0), text="error=404. Connection refused")

    async def test_a_process_that_cannot_be_started_has_sent_nothing(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def none(*_: Any, **__: Any) -> Any:
            raise BlockingIOError("canary")

        monkeypatch.setattr(asyncio, "create_subprocess_exec", none)
        with pytest.raises(Retryable, match="no process could be started"):
            await self.sent(lab.where)

    async def test_nobody_there_is_retryable(self) -> None:
        with pytest.raises(Retryable, match="could not be reached"):
            await self.sent(Where("127.0.0.1", closed_port(), 0))

    @pytest.mark.parametrize(
        "talk",
        [drip(b"HTTP/1.1 200 OK\r\n\r\n"), pour(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536), hang_up],
        ids=["drip", "flood", "hang up"],
    )
    async def test_what_never_ends_ends_at_the_deadline_and_its_process_with_it(self, talk: Talk) -> None:
        began = time.monotonic()
        assert type(await self.refused_by(talk, timeout=1.5)) is Unknown
        assert time.monotonic() - began < 1.5 + SLACK_SECONDS

    async def test_a_redirect_is_not_followed(self, lab: Lab) -> None:
        there = f"http://{lab.where.host}:{lab.where.port}/apprise/other"
        error = await self.refused_by(say(answer(307, headers={"Location": there})))
        assert isinstance(error, SendError)
        assert await lab.inbox() == []

    async def test_no_more_than_some_are_called_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with serving(http(drip(b"HTTP/1.1 200 OK\r\n\r\n"))) as server:
            provider = self.provider(Where("127.0.0.1", server.port, 0))
            provider._places = asyncio.Semaphore(1)
            first = asyncio.create_task(provider.send(Contract.outgoing(self)))  # type: ignore[arg-type]
            async with asyncio.timeout(10):
                while server.open == 0:  # noqa: ASYNC110 - another process opens it
                    await asyncio.sleep(0.01)
            with pytest.raises(Retryable, match="calls are under way"):
                await provider.send(replace(Contract.outgoing(self), timeout=0.2))  # type: ignore[arg-type]
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first

    async def test_a_name_that_is_gone_from_the_settings_is_an_operators_to_mend(self, lab: Lab) -> None:
        with pytest.raises(Refused, match="APPRISE_URLS has no URL by that name"):
            await self.sent(lab.where, address="sales")
        assert await lab.inbox() == []


@pytest.mark.parametrize("scheme", PATHS)
async def test_a_scheme_of_the_list_has_sent(scheme: str) -> None:
    heard: list[bytes] = []
    async with serving(http(say(answer(200, b"{}")), heard)) as server:
        provider: Provider = AppriseProvider(settings(Where("127.0.0.1", server.port, 0), scheme, PATHS[scheme]))
        outgoing = replace(Contract.outgoing(TestApprise()), address="canary")  # type: ignore[arg-type]
        assert await provider.send(outgoing) is None
    assert b"canary" in b"".join(heard)
    assert TEXT.partition(":")[0].encode() in b"".join(heard)


def test_the_list_has_those_that_have_sent_and_the_same_over_tls() -> None:
    assert {scheme.removesuffix("s") for scheme in TRIED} == {*PATHS}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("tgram://123456789:abcdefg_hijklmnop/canary", "canary has a scheme that APPRISE_SCHEMES does not name"),
        ("file:///etc/canary", "canary has a scheme that APPRISE_SCHEMES does not name"),
        ("ntfy://127.0.0.1/one/two", "canary has 2 targets"),
        ("gotify://127.0.0.1", "canary is no URL that Apprise can read"),
    ],
)
def test_a_url_that_is_not_one_target_stops_the_start_and_is_not_repeated(url: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why) as wrong:
        AppriseSettings(apprise_urls=SecretStr(f"canary={url}"))
    assert "127.0.0.1" not in str(wrong.value)
    assert "abcdefg" not in str(wrong.value)
