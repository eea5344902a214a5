"""Pausing and resuming a channel."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import CallerKind, Scope
from functions.gateway.channels import pausing
from functions.gateway.channels.schemas import ChannelJson, ChannelsJson
from shared.delivery.errors import Conflict
from shared.runtime import logs
from shared.sending.breaker import opened
from shared.sending.channel_states import Activity, ChannelState
from tests.fakes.api import Api
from tests.integration.canaries import Output
from tests.integration.gateway import declared, problem

PAUSE, RESUME = "/v1/channels/sms/pause", "/v1/channels/sms/resume"
WHY = {"reason": "Twilio's outage, ticket 1042"}
TO = {"sms": "+14155552671", "email": "a@example.com"}


async def state(client: httpx.AsyncClient, channel: str = "sms") -> ChannelJson:
    items: list[ChannelJson] = declared(ChannelsJson, await client.get("/v1/channels"))["items"]
    (found,) = [item for item in items if item["name"] == channel]
    return found


async def test_a_channel_is_paused_and_resumed_with_who_and_why(api: Api) -> None:
    operator, client = await api.caller()
    assert [(await state(client))[name] for name in ("state", "since", "by", "reason")] == ["active", None, None, None]
    paused = declared(ChannelJson, await client.post(PAUSE, json=WHY))
    assert (paused["state"], paused["by"], paused["reason"]) == ("paused", operator.id, WHY["reason"])
    assert await state(client) == paused
    assert (await state(client, "email"))["state"] == "active"
    other, another = await api.caller()
    resumed = declared(ChannelJson, await another.post(RESUME))
    assert (resumed["state"], resumed["by"], resumed["reason"]) == ("active", other.id, None)
    assert resumed["since"] > paused["since"]
    assert await state(client) == resumed


async def test_the_same_again_changes_nothing(api: Api, client: httpx.AsyncClient) -> None:
    assert (await client.post(RESUME)).json()["since"] is None
    paused = (await client.post(PAUSE, json=WHY)).json()
    _, another = await api.caller()
    assert (await another.post(PAUSE, json={"reason": "mine"})).json() == paused
    resumed = (await client.post(RESUME)).json()
    assert (await another.post(RESUME)).json() == resumed


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"),
        ({"reason": None}, "reason"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"reason": "\x1b[2J"}, "reason"),
        ({"reason": 7}, "reason"),
        ({**WHY, "until": "2026-12-01T00:00:00Z"}, "until"),
    ],
)
async def test_what_is_wrong_is_named_and_pauses_nothing(client: httpx.AsyncClient, body: Any, field: str) -> None:
    problem(await client.post(PAUSE, json=body), 422, field)
    assert (await state(client))["state"] == "active"


@pytest.mark.parametrize("name", ["fax", "SMS", "email%2Fx", "%00"])
async def test_one_that_is_none_is_a_404(client: httpx.AsyncClient, name: str) -> None:
    problem(await client.post(f"/v1/channels/{name}/pause", json=WHY), 404)
    problem(await client.post(f"/v1/channels/{name}/resume"), 404)


async def test_it_is_an_operators(api: Api) -> None:
    sender = await api.client(scopes=frozenset(set(Scope) - {Scope.CHANNELS_WRITE}))
    for answer in (await sender.post(PAUSE, json=WHY), await sender.post(RESUME)):
        assert "channels:write" in problem(answer, 403)["detail"]
    for limits in (
        {"kind": CallerKind.TEST},
        {"kind": CallerKind.TEAM},
        {"recipients": ("team-",)},
        {"channels": frozenset({"email"})},
    ):
        limited = await api.client(**limits)
        problem(await limited.post(PAUSE, json=WHY), 403)
        problem(await limited.post(RESUME), 403)
    assert (await state(sender))["state"] == "active"
    texts = await api.client(channels=frozenset({"sms"}))
    assert (await texts.post(PAUSE, json=WHY)).status_code == 200


async def test_what_waits_for_it_says_so(api: Api, client: httpx.AsyncClient) -> None:
    made = (await client.post("/v1/notifications", json={"to": TO, "message": "hello"})).json()
    later = {"to": TO, "message": "later", "send_at": (api.gateway.now() + timedelta(hours=1)).isoformat()}
    scheduled = (await client.post("/v1/notifications", json=later)).json()
    since = (await client.post(PAUSE, json=WHY)).json()["since"]
    read = (await client.get(f"/v1/notifications/{made['id']}")).json()
    (sms, email) = sorted(read["deliveries"], key=lambda d: d["channel"], reverse=True)
    assert (sms["status"], sms["reason"], email["status"]) == ("deferred", "channel_paused", "queued")
    assert sms["error"].startswith(f"sms is paused since {since[:19]}")
    (_, listed) = (await client.get("/v1/notifications")).json()["items"]
    assert listed == read
    explained = (await client.get(f"/v1/notifications/{made['id']}/explain")).json()
    assert {
        "at": None,
        "channel": "sms",
        "code": "channel_paused",
        "text": "It goes when an operator resumes sms.",
    } in (explained["next"])
    waiting = (await client.get(f"/v1/notifications/{scheduled['id']}")).json()
    assert {d["status"] for d in waiting["deliveries"]} == {"scheduled"}
    await client.post(RESUME)
    assert {d["status"] for d in (await client.get(f"/v1/notifications/{made['id']}")).json()["deliveries"]} == {
        "queued"
    }


async def test_an_accept_asks_for_no_pause(api: Api, client: httpx.AsyncClient) -> None:
    await client.post(PAUSE, json=WHY)
    before = api.channel_states.reads
    for _ in range(3):
        assert (await client.post("/v1/notifications", json={"to": TO, "message": "hello"})).status_code == 202
    assert api.channel_states.reads == before


async def test_who_is_overtaken_asks_again(api: Api, client: httpx.AsyncClient) -> None:
    put, left = api.channel_states.put, [2]

    async def overtaken(state: ChannelState) -> None:
        if left[0]:
            left[0] -= 1
            await put(replace(state, activity=Activity.ACTIVE))  # another's
        await put(state)

    api.channel_states.put = overtaken  # type: ignore[method-assign]
    assert (await client.post(PAUSE, json=WHY)).json()["state"] == "paused"


async def test_others_that_are_always_faster_are_a_503(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: Any) -> None:
        raise Conflict("another")

    monkeypatch.setattr(api.channel_states, "put", never)
    monkeypatch.setattr(pausing, "_SECONDS", 0.05)
    problem(await client.post(PAUSE, json=WHY), 503)


async def test_who_paused_it_is_logged_and_not_why(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    await client.post(PAUSE, json=WHY)
    (line,) = [line for line in Output(capsys).lines() if line["message"] == "channel is set"]
    assert (line["channel"], line["activity"]) == ("sms", "paused")
    assert "ticket" not in str(line)


async def test_a_provider_that_is_down_shows_with_why_and_since_when(api: Api, client: httpx.AsyncClient) -> None:
    down = opened(None, api.gateway.now(), "an instance", "Twilio answered 503")
    api.channel_states.records["sms"] = ChannelState("sms", providers=("twilio",), breakers={"twilio": down}, version=1)
    notification = (await client.post("/v1/notifications", json={"to": TO, "message": "x"})).json()
    shown = await state(client)
    assert (shown["state"], shown["by"], shown["reason"]) == ("open", None, "twilio is down")
    providers = {provider["name"]: provider for provider in shown["providers"]}
    assert (providers["twilio"]["state"], providers["twilio"]["reason"]) == ("open", "Twilio answered 503")
    assert providers["twilio"]["since"] == shown["since"]
    assert (providers["log"]["state"], providers["log"]["since"]) == ("active", None)
    found = (await client.get(f"/v1/notifications/{notification['id']}")).json()["deliveries"]
    (sms,) = [delivery for delivery in found if delivery["channel"] == "sms"]
    assert (sms["status"], sms["reason"]) == ("deferred", "provider_down")
    assert sms["error"].startswith("twilio is down since 20")
    # It can be paused besides, and what it has found of its provider stays.
    assert (await client.post(PAUSE, json=WHY)).json()["state"] == "paused"
    assert (await client.post(RESUME)).json()["state"] == "open"
    assert api.channel_states.records["sms"].breakers == {"twilio": down}


async def test_a_dry_run_says_what_would_wait_and_pauses_nothing(api: Api, client: httpx.AsyncClient) -> None:
    for _ in range(3):
        await client.post("/v1/notifications", json={"to": TO, "message": "x"})
    would = declared(ChannelJson, await client.post(PAUSE, json={**WHY, "dry_run": True}))
    assert would["would_hold"] == {"waiting": 3, "estimated": False}
    assert (would["state"], would["since"]) == ("active", None)
    assert api.channel_states.records == {}
    problem(await client.post("/v1/channels/fax/pause", json={**WHY, "dry_run": True}), 404)
    tester = await api.client(kind=CallerKind.TEST)
    problem(await tester.post(PAUSE, json={**WHY, "dry_run": True}), 403)
    assert "would_hold" not in (await client.post(PAUSE, json=WHY)).json()
