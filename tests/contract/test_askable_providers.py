"""What every provider promises that can be asked about a message: it is there, it is not there, or it cannot tell."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from emulator.lab.running import Settings, running
from functions.email.sendgrid_provider import SendGridProvider, SendGridSettings
from functions.slack.web_api_provider import SlackProvider, SlackSettings
from functions.sms.twilio_provider import TwilioProvider, TwilioSettings
from functions.sms.vonage_provider import VonageProvider, VonageSettings
from shared.delivery.errors import SendError
from shared.delivery.model import Attempt, Delivery, Outcome, Told
from shared.delivery.retries import Policy
from shared.sending.asking_providers import Askable, Asked, There, ask
from shared.sending.provider import Found, Outgoing, Provider
from tests.contract.providers import BODIES
from tests.contract.scripted import Server, answer, hang_up, http, say, serving
from tests.fakes.records import POLICY
from tests.fakes.store import MemoryStore

NAMES = ["sendgrid", "twilio", "vonage", "slack"]
NUMBER = "+15551230000"
ADDRESSES = {"sendgrid": "canary@example.com", "twilio": NUMBER, "vonage": NUMBER, "slack": "#canary"}
CHANNELS = {"sendgrid": "email", "twilio": "sms", "vonage": "sms", "slack": "slack"}
AGES: Policy = replace(POLICY, lease=timedelta(), wait_in_place=timedelta())
"""Under which a message of ten seconds is no other's any more."""


def an_hour_later() -> float:
    """By when SendGrid and Vonage show what they have taken."""
    return datetime.now(UTC).timestamp() + 3600


def provider_of(name: str, url: str, **changes: str) -> Provider:
    match name:
        case "sendgrid":
            return SendGridProvider(
                SendGridSettings(
                    sendgrid_api_key=SecretStr("SG.x"),
                    sendgrid_base_url=url,
                    email_from="hark@example.com",
                    sendgrid_activity=True,
                ),
                now=an_hour_later,
            )
        case "twilio":
            settings = {"twilio_from": "+15550001111", **changes}
            return TwilioProvider(
                TwilioSettings(
                    twilio_account_sid="AC" + "0" * 32,
                    twilio_auth_token=SecretStr("x"),
                    twilio_base_url=url,
                    **settings,
                )
            )
        case "vonage":
            return VonageProvider(
                VonageSettings(
                    vonage_api_key="lab00000",  # pragma: allowlist secret
                    vonage_api_secret=SecretStr("x"),
                    vonage_from="+15550001111",
                    vonage_base_url=url,
                    vonage_reports=True,
                ),
                now=an_hour_later,
            )
    return SlackProvider(SlackSettings(slack_bot_token=SecretStr("x"), slack_base_url=f"{url}/api"))


@dataclass
class World:
    name: str
    client: httpx.AsyncClient
    provider: Provider

    def outgoing(self, notification_id: str = "n-1", text: str = "Build 42", address: str = "") -> Outgoing:
        return Outgoing(notification_id, address or ADDRESSES[self.name], "Deploy", text, 5.0)

    async def lost(self, outgoing: Outgoing, mode: str = "accept-then-reset") -> datetime:
        """Sent, and nobody knows what became of it. When that began"""
        began = datetime.now(UTC)
        await self.client.put("/faults", json={"channel": CHANNELS[self.name], "mode": mode})
        with pytest.raises(SendError):
            await self.provider.send(outgoing)
        await self.client.delete("/faults")
        return began

    async def find(self, outgoing: Outgoing, since: datetime) -> Sequence[Found] | None:
        assert isinstance(self.provider, Askable)
        return await self.provider.find(outgoing, since - timedelta(seconds=60))


@pytest.fixture(params=NAMES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    settings = Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl", slow_seconds=0.3)
    async with (
        running(settings) as at,
        httpx.AsyncClient(base_url=at.url, trust_env=False, timeout=30) as client,
        aclosing(provider_of(request.param, at.url)) as provider,
    ):
        yield World(request.param, client, provider)


async def test_what_was_taken_is_found_under_the_id_that_its_answer_had(world: World) -> None:
    began = await world.lost(world.outgoing())
    [taken] = (await world.client.get("/inbox.json")).json()["items"]
    found = await world.find(world.outgoing(), began)
    assert found is not None
    assert [each.sent.id for each in found] == [taken["message_id"]]


async def test_what_was_not_taken_is_not_there(world: World) -> None:
    assert await world.find(world.outgoing(), await world.lost(world.outgoing(), "reset")) == []


async def test_another_message_is_not_it(world: World) -> None:
    began = await world.lost(world.outgoing("n-2", text="Build 43"))
    assert not await world.find(world.outgoing(), began)


async def test_the_same_text_to_another_is_not_it(world: World) -> None:
    other = {"sendgrid": "other@example.com", "slack": "#other"}.get(world.name, "+15551230001")
    began = await world.lost(world.outgoing("n-2", address=other))
    assert not await world.find(world.outgoing(), began)


async def test_what_was_before_is_not_it(world: World) -> None:
    await world.lost(world.outgoing())
    if world.name == "sendgrid":
        pytest.skip("its id is no other's, whenever it was")
    assert await world.find(world.outgoing(), datetime.now(UTC) + timedelta(seconds=61)) == []


async def told(provider: Provider, outgoing: Outgoing, store: MemoryStore | None = None) -> Asked:
    began = datetime.now(UTC)
    lost = Attempt(1, began, Outcome.UNKNOWN, provider=provider.name)
    claimed = Delivery(outgoing.notification_id, "any", outgoing.address, began, attempts=(lost,))
    return await ask(store or MemoryStore(), [provider], claimed, outgoing, began + timedelta(seconds=120), AGES)


@pytest.mark.parametrize("mode", ["503", "401", "timeout"])
async def test_while_it_is_down_it_cannot_tell(world: World, mode: str) -> None:
    await world.lost(world.outgoing())
    await world.client.put("/faults", json={"channel": CHANNELS[world.name], "mode": mode})
    assert await told(world.provider, world.outgoing()) == {world.provider.name: Told.CANNOT_TELL}


async def test_what_is_there_ends_it_as_sent(world: World) -> None:
    await world.lost(world.outgoing())
    there = await told(world.provider, world.outgoing())
    assert isinstance(there, There)
    assert there.provider == world.provider.name


def asking(name: str, server: Server) -> aclosing[Provider]:
    return aclosing(provider_of(name, f"http://127.0.0.1:{server.port}"))


def an_outgoing(name: str, timeout: float = 2.0) -> Outgoing:
    return Outgoing("n-1", ADDRESSES[name], None, "Build 42", timeout)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_what_is_no_answer_of_its_own_tells_nothing_and_raises_nothing(name: str, body: bytes) -> None:
    async with serving(http(say(answer(200, body)))) as server, asking(name, server) as provider:
        assert await told(provider, an_outgoing(name)) == {provider.name: Told.CANNOT_TELL}


@pytest.mark.parametrize("name", NAMES)
async def test_one_that_says_nothing_is_not_waited_for_longer_than_asked(name: str) -> None:
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with serving(http(silent)) as server, asking(name, server) as provider:
        began = asyncio.get_running_loop().time()
        assert await told(provider, an_outgoing(name, 0.5)) == {provider.name: Told.CANNOT_TELL}
        assert asyncio.get_running_loop().time() - began < 2.5


@pytest.mark.parametrize("name", NAMES)
async def test_a_connection_that_is_closed_tells_nothing(name: str) -> None:
    async with serving(http(hang_up)) as server, asking(name, server) as provider:
        assert await told(provider, an_outgoing(name)) == {provider.name: Told.CANNOT_TELL}
