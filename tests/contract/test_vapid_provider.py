"""Browsers' push services, held to the contract of all."""

import asyncio
import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.resolver import ThreadedResolver
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr, ValidationError

from functions.webpush.channel import LARGEST, normalise
from functions.webpush.content import Content
from functions.webpush.message import payload
from functions.webpush.vapid_provider import VapidProvider, VapidSettings
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Unknown
from shared.delivery.model import SuppressionReason
from shared.http import public_addresses
from shared.sending.provider import Outgoing, Provider
from tests.contract.providers import BODIES, MODES, STATUSES, TEXT, Lab, SessionContract, Where
from tests.contract.scripted import answer, say, serving

KEY = "YSBwcml2YXRlIGtleSBvZiBub2JvZHkgYnV0IHRoaXM"  # pragma: allowlist secret
P256DH = (
    "BOxb9Ww-R32jvIl-affk4cBkqoan1uMLGrTDyiDAANj1"  # pragma: allowlist secret
    "Gt_9xT4582l84SKU_owaXQ_WYrmAv46ccS8JbIM7LD0"  # pragma: allowlist secret
)
NOW = datetime.now(UTC)  # the tokens run out
AUTH = "bGFiIGJyb3dzZXIgYXV0aA"  # pragma: allowlist secret


def subscription(name: str = "canary", p256dh: str = P256DH) -> str:
    keys = {"p256dh": p256dh, "auth": AUTH}
    return normalise(json.dumps({"endpoint": f"https://push.example.com/push/{name}", "keys": keys}))


class TestVapid(SessionContract):
    channel = "webpush"
    name = "vapid"
    address = subscription()
    inbox_address = "canary"
    has_subject = True
    good_status = 201
    statuses = {401: Refused, 403: Refused, 404: Permanent, 410: Permanent, 413: Permanent}  # noqa: RUF012 - as in the contract

    def provider(self, where: Where) -> Provider:
        settings = self.settings(webpush_base_url=f"http://{where.host}:{where.port}")
        return VapidProvider(settings, now=lambda: NOW)

    @staticmethod
    def settings(**more: Any) -> VapidSettings:
        return VapidSettings(vapid_private_key=SecretStr(KEY), vapid_subject="mailto:ops@example.com", **more)

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    async def test_a_malformed_success_is_unknown(self, body: bytes) -> None:
        """What has been taken the status says alone, and its address a header."""
        assert type(await self.refused_by(say(answer(200, body)))) is Unknown
        if len(body) < 200_000:
            async with serving(self.script(say(answer(201, body)))) as server:
                assert await self.sent(Where("127.0.0.1", server.port, 0), self.outgoing()) is None

    @pytest.mark.parametrize("status", [200, 202, 203, 204, 206, 226, 299])
    async def test_an_unexpected_success_is_unknown(self, status: int) -> None:
        await super().test_an_unexpected_success_is_unknown(status)

    async def test_all_parts_arrive(self, lab: Lab) -> None:
        parts = {"icon": "https://a.test/i.png", "image": "https://a.test/x.png", "data": {"order": 42}}
        ends = {"deliver_by": NOW + timedelta(seconds=90), "collapse": "a-key"}
        await self.sent(lab.where, self.outgoing_with({**parts, "urgency": "high"}, **ends))
        [item] = await lab.inbox()
        assert {**parts, "urgency": "high", "wanted for": "90 s"}.items() <= item["shown"].items()
        assert len(item["shown"]["in the place of"]) == 32

    async def test_what_just_fits_is_taken(self, lab: Lab) -> None:
        text = "ü" * ((LARGEST - len(payload("Deploy", "", {}))) // 2)
        content = Content(message=text, subject="Deploy")
        await self.sent(lab.where, self.outgoing(content.message))
        with pytest.raises(ValueError, match=f"push services take {LARGEST} at most"):
            Content(message=text + "üü", subject="Deploy")

    async def test_only_its_browser_can_read_it(self, lab: Lab) -> None:
        point = (
            generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        )
        other = subscription(p256dh=urlsafe_b64encode(point).decode())
        await self.sent(lab.where, self.outgoing_to(other))
        [item] = await lab.inbox()
        assert TEXT not in item["text"]
        assert "encrypted" in item["text"]

    @pytest.mark.parametrize("status", [404, 410])
    async def test_who_has_unsubscribed_gets_nothing_more(self, status: int) -> None:
        error = await self.refused_by(say(answer(status)))
        assert isinstance(error, Permanent)
        assert error.suppresses is SuppressionReason.INVALID

    @pytest.mark.parametrize("status", [401, 403])
    async def test_another_key_is_that_subscriptions_alone(self, status: int) -> None:
        """The provider is not down by it, and no alert rings for what a subscriber chooses."""
        error = await self.refused_by(say(answer(status)))
        assert type(error) is Refused
        assert "VAPID_PRIVATE_KEY" in str(error)

    @pytest.mark.parametrize(("status", "expected"), STATUSES.items())
    @pytest.mark.parametrize("body", [b"", b"{}"], ids=["empty", "object"])
    async def test_a_status_means_what_it_says(self, status: int, expected: type[SendError], body: bytes) -> None:
        assert type(await self.refused_by(say(answer(status, body)))) is self.statuses.get(status, expected)

    @pytest.mark.parametrize(("mode", "expected"), {**MODES, "401": Refused}.items())
    async def test_a_fault_raises_what_it_means(self, lab: Lab, mode: str, expected: type[SendError]) -> None:
        await lab.set_fault(self.channel, mode)
        assert type(await self.refused(lab.where)) is expected

    @pytest.mark.parametrize("location", ["x" * 1025, "a b"])
    async def test_a_place_that_cannot_be_kept_is_not_kept(self, location: str) -> None:
        async with serving(self.script(say(answer(201, headers={"Location": location})))) as server:
            assert await self.sent(Where("127.0.0.1", server.port, 0), self.outgoing()) is None

    async def test_a_name_that_nobody_resolves_in_time_is_retryable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def resolve(*_: Any, **__: Any) -> list[Any]:
            await asyncio.Event().wait()
            return []

        monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
        monkeypatch.setattr(public_addresses, "_RESOLVED_SECONDS", 0.05)
        provider = VapidProvider(self.settings())
        with pytest.raises(Retryable):
            await provider.send(self.outgoing())
        await provider.aclose()

    async def test_a_name_that_leads_to_us_is_called_by_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def resolve(_: Any, host: str, port: int = 0, family: int = 0) -> list[Any]:
            return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

        monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
        provider = VapidProvider(self.settings())
        with pytest.raises(Permanent, match="not public"):
            await provider.send(self.outgoing())
        await provider.aclose()

    async def test_what_nobody_wants_any_more_is_not_kept(self, lab: Lab) -> None:
        late: Outgoing = replace(self.outgoing(), deliver_by=NOW - timedelta(seconds=5))
        await self.sent(lab.where, late)
        [item] = await lab.inbox()
        assert item["shown"]["wanted for"] == "0 s"

    @pytest.mark.parametrize("key", ["", "canary", "AAAA", P256DH])
    def test_what_is_no_key_stops_the_start_and_is_not_repeated(self, key: str) -> None:
        with pytest.raises(ValidationError, match="must be a private key on P-256") as wrong:
            VapidSettings(vapid_private_key=SecretStr(key), vapid_subject="mailto:ops@example.com")
        assert not key or key not in str(wrong.value)

    def test_whoever_runs_it_can_be_reached(self) -> None:
        with pytest.raises(ValidationError, match="must be a mailto: or https: URL"):
            VapidSettings(vapid_private_key=SecretStr(KEY), vapid_subject="ops@example.com")
