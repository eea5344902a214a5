"""Faults: how they add up, run out, and what is refused as one."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.lab.core import Lab
from emulator.lab.faults import Fault, FaultPlan, InvalidFault, Mode, parse
from emulator.lab.messages import Message
from emulator.lab.running import Settings, running
from emulator.lab.witness import Witness

WEBHOOK = "/services/T0/B0/token"


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")
    async with running(settings) as lab, httpx.AsyncClient(base_url=lab.url, timeout=5) as client:
        yield client


def test_rates_of_one_channel_add_up() -> None:
    plan = FaultPlan()
    plan.set(Fault("sms", Mode.UNAVAILABLE, 0.2))
    plan.set(Fault("sms", Mode.RESET, 0.1))
    plan.set(Fault("email", Mode.HTML, 1.0))
    struck = Counter(plan.take("sms", "twilio", (number + 0.5) / 1000) for number in range(1000))
    assert struck == {Mode.UNAVAILABLE: 200, Mode.RESET: 100, None: 700}
    assert plan.take("slack", "slack", 0.0) is None


def test_the_same_channel_and_mode_again_replaces() -> None:
    plan = FaultPlan()
    plan.set(Fault("sms", Mode.RESET, 0.9))
    plan.set(Fault("sms", Mode.RESET, 0.3))
    plan.set(Fault("sms", Mode.HTML, 0.7))
    assert plan.items == [Fault("sms", Mode.RESET, 0.3), Fault("sms", Mode.HTML, 0.7)]


def test_rates_above_one_are_refused_and_nothing_changes() -> None:
    plan = FaultPlan()
    plan.set(Fault("sms", Mode.RESET, 0.7))
    plan.set(Fault("sms", Mode.HTML, 0.2))
    with pytest.raises(InvalidFault) as refused:
        plan.set(Fault("sms", Mode.SLOW, 0.2))
    assert refused.value.errors[0].field == "rate"
    plan.set(Fault("sms", Mode.SLOW, 0.1))
    assert len(plan.items) == 3


def test_a_fault_of_one_provider_strikes_no_other_of_its_channel() -> None:
    plan = FaultPlan()
    plan.set(Fault("email", Mode.UNAVAILABLE, 1.0, provider="sendgrid"))
    plan.set(Fault("email", Mode.RESET, 0.5, count=1, provider="smtp"))
    assert plan.take("email", "sendgrid", 0.4) == Mode.UNAVAILABLE
    assert plan.take("email", "smtp", 0.4) == Mode.RESET
    assert plan.take("email", "smtp", 0.4) is None
    assert (plan.rate("email", "sendgrid"), plan.rate("email", "smtp")) == (1.0, 0.0)


def test_the_rates_that_strike_one_provider_add_up_to_one_at_most() -> None:
    plan = FaultPlan()
    plan.set(Fault("email", Mode.UNAVAILABLE, 0.7, provider="sendgrid"))
    plan.set(Fault("email", Mode.UNAVAILABLE, 0.7, provider="smtp"))
    with pytest.raises(InvalidFault, match=r"at most 0\.3"):
        plan.set(Fault("email", Mode.RESET, 0.4))
    plan.set(Fault("email", Mode.RESET, 0.3))
    with pytest.raises(InvalidFault, match="at most 0"):
        plan.set(Fault("email", Mode.HTML, 0.1, provider="smtp"))
    assert plan.take("email", "smtp", 0.99) == Mode.RESET
    assert plan.take("email", "another", 0.99) is None


def test_a_count_goes_down_only_when_the_fault_strikes() -> None:
    plan = FaultPlan()
    plan.set(Fault("sms", Mode.RESET, 0.5, count=2))
    assert plan.take("sms", "twilio", 0.6) is None
    assert plan.take("sms", "twilio", 0.1, among={Mode.HTML}) is None
    assert plan.items[0].count == 2
    assert plan.take("sms", "twilio", 0.1) == Mode.RESET
    assert plan.items[0].count == 1
    assert plan.take("sms", "twilio", 0.1) == Mode.RESET
    assert plan.items == []
    assert plan.take("sms", "twilio", 0.1) is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"channel": None}, "channel"),
        ({"channel": "SMS"}, "channel"),
        ({"channel": "sms\n"}, "channel"),
        ({"channel": ["sms"]}, "channel"),
        ({"mode": "500"}, "mode"),
        ({"mode": 500}, "mode"),
        ({"mode": ["503"]}, "mode"),
        ({"rate": 1.1}, "rate"),
        ({"rate": -0.1}, "rate"),
        ({"rate": "1"}, "rate"),
        ({"rate": True}, "rate"),
        ({"rate": None}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"count": 0}, "count"),
        ({"count": 1.0}, "count"),
        ({"count": True}, "count"),
        ({"count": "1"}, "count"),
        ({"seed": 1}, "seed"),
        ({"provider": ""}, "provider"),
        ({"provider": "SendGrid"}, "provider"),
        ({"provider": 5}, "provider"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFault) as refused:
        parse({"channel": "sms", "mode": "503", **change})
    assert [error.field for error in refused.value.errors] == [field]


def test_any_channel_name_can_have_faults() -> None:
    assert parse({"channel": "push-2", "mode": "slow"}) == Fault("push-2", Mode.SLOW)


async def test_faults_are_set_listed_and_cleared_over_http(http: httpx.AsyncClient) -> None:
    answer = await http.put("/faults", json={"channel": "sms", "mode": "429", "rate": 0.25, "count": 3})
    expected = {"items": [{"channel": "sms", "mode": "429", "rate": 0.25, "count": 3}]}
    assert (answer.status_code, answer.json()) == (200, expected)
    assert (await http.get("/faults")).json() == expected
    assert (await http.delete("/faults")).status_code == 204
    assert (await http.get("/faults")).json() == {"items": []}


async def test_a_fault_of_one_provider_is_set_and_listed_over_http(http: httpx.AsyncClient) -> None:
    fault = {"channel": "slack", "provider": "slack-webhook", "mode": "503", "rate": 1.0, "count": None}
    answer = await http.put("/faults", json={"channel": "slack", "provider": "slack-webhook", "mode": "503"})
    assert answer.json() == {"items": [fault]}
    assert (await http.post(WEBHOOK, json={"text": "hi"})).status_code == 503
    headers = {"Authorization": "Bearer x"}
    by_api = await http.post("/api/chat.postMessage", json={"channel": "#ops", "text": "hi"}, headers=headers)
    assert by_api.json()["ok"]
    refused = await http.put("/receipts", json={"channel": "sms", "mode": "off", "provider": "twilio"})
    assert refused.json()["errors"][0]["field"] == "provider"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"channel": "sms"}'])
async def test_bad_input_is_a_problem_and_changes_nothing(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.put("/faults", content=body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json()["errors"][0]["field"] in {"body", "mode"}
    assert (await http.get("/faults")).json() == {"items": []}


async def test_a_counted_fault_strikes_exactly_so_often_under_concurrency(http: httpx.AsyncClient) -> None:
    await http.put("/faults", json={"channel": "slack", "mode": "503", "count": 7})
    answers = await asyncio.gather(*(http.post(WEBHOOK, json={"text": "hi"}) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {503: 7, 200: 13}
    assert (await http.get("/faults")).json() == {"items": []}


async def test_a_request_that_is_wrong_by_itself_uses_up_no_fault(http: httpx.AsyncClient) -> None:
    await http.put("/faults", json={"channel": "slack", "mode": "503", "count": 1})
    assert (await http.post(WEBHOOK, content=b"{")).text == "invalid_payload"
    assert (await http.get("/faults")).json()["items"][0]["count"] == 1


async def test_faults_of_half_the_requests_let_a_message_through_after_four_in_a_row(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "witness.jsonl")
    lab = Lab(witness)
    lab.faults.set(parse({"channel": "sms", "mode": "503", "rate": 0.5}))
    message = Message(
        at="", channel="sms", provider="", to="+14155552671", subject=None, text="", message_id="", notification_id="n"
    )
    fates = [await lab.handle(message, 0.0) for _ in range(10)]
    assert fates == ([Mode.UNAVAILABLE] * 4 + [None]) * 2
    lab.faults.set(parse({"channel": "sms", "mode": "503", "rate": 0.9}))
    assert [await lab.handle(message, 0.0) for _ in range(8)] == [Mode.UNAVAILABLE] * 8
    await witness.close()
