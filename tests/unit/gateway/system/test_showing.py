"""GET /v1/system: the clock, the relay's last run, which settings are missing."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from functions.gateway.access.caller import Scope
from functions.gateway.services import Deployment
from functions.gateway.system.schemas import SystemJson
from shared.channels.setup import ChannelSetup, SettingProblem, SettingState
from shared.entrypoint.restored_records import RestoredRecords
from tests.fakes.api import Api
from tests.fakes.clock import START
from tests.fakes.relay_runs import MemoryRelayRuns
from tests.integration.gateway import declared, problem

PATH = "/v1/system"
MISSING = SettingProblem("PUBLIC_URL", SettingState.MISSING, "no link")


async def test_when_the_relay_last_ran_and_what_time_it_is(api: Api) -> None:
    runs = MemoryRelayRuns()
    api.gateway = replace(api.gateway, relay_runs=runs, now=lambda: START)
    client = await api.client()
    shown = declared(SystemJson, await client.get(PATH))
    assert (shown["relay_ran_at"], shown["now"]) == (None, "2026-01-02T03:04:05.678901Z")
    await runs.ran(START - timedelta(minutes=10))
    assert declared(SystemJson, await client.get(PATH))["relay_ran_at"] == "2026-01-02T02:54:05.678901Z"
    runs.down = True
    problem(await client.get(PATH), 503)


async def test_what_is_deployed(api: Api) -> None:
    channels = {"sms": ChannelSetup(("twilio",), (), (MISSING,))}
    api.gateway = replace(api.gateway, deployment=Deployment("hark-gateway-00042-abc", "2026-11", channels))
    shown = declared(SystemJson, await (await api.client()).get(PATH))
    assert (shown["revision"], shown["epoch"], shown["held"]) == ("hark-gateway-00042-abc", "2026-11", None)
    (sms,) = shown["channels"]
    assert (sms["name"], sms["providers"], sms["receipts"]) == ("sms", ["twilio"], [])
    assert sms["settings"] == [{"name": "PUBLIC_URL", "state": "missing", "effect": "no link"}]


async def test_that_restored_records_are_held_back(api: Api) -> None:
    async def before() -> str:
        return "2026-10"

    api.gateway = replace(api.gateway, restored=RestoredRecords("2026-11", before))
    shown = declared(SystemJson, await (await api.client()).get(PATH))
    assert "the epoch 2026-10" in shown["held"]


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.CHANNELS_WRITE])
async def test_it_is_for_operators(api: Api, scope: Scope) -> None:
    client: httpx.AsyncClient = await api.client(scopes=frozenset({scope}))
    problem(await client.get(PATH), 403)
