"""infra's own conditions, worked out by terraform and asked of Prometheus."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.drill import conditions, prometheus
from tests.drill.samples import OF_FUNCTIONS, Event, Samples, counted, exposed

FUNCTIONS = ("gateway", "relay", "operations", "dead_letter", "email", "sms", "slack")
STRETCHED = 10.0
SECONDS = 240


@pytest.fixture(autouse=True)
def tools() -> None:
    missing = prometheus.missing()
    if missing and os.environ.get("CI"):
        pytest.fail(f"CI is set, so this may not be skipped: {missing}")
    if missing:
        pytest.skip(f"there is no {' and no '.join(missing)}")


async def _came(entries: Sequence[tuple[float, Mapping[str, object]]], samples: Samples) -> Mapping[str, float]:
    """The alerts that come, and after how many seconds of real time."""
    counters, asked = conditions.read(FUNCTIONS)
    samples.events += counted(entries, counters, STRETCHED)
    async with prometheus.over(exposed(samples, 0, SECONDS, STRETCHED), SECONDS * STRETCHED) as engine:
        raised = [alarm for condition in asked for alarm in await engine.alarms(condition)]
    latest_first = sorted(raised, key=lambda alarm: -alarm.since)
    return {alarm.condition.alert: alarm.since / STRETCHED for alarm in latest_first}


def _ordinary() -> Samples:
    """Sweeps and requests that are answered well all the time."""
    samples = Samples()
    for second in range(SECONDS):
        for service in ("hark-relay", "hark-operations"):
            samples.request(second, service, 200)
        samples.request(second, "hark-gateway", 202)
    return samples


def _attempt(outcome: str, **more: object) -> Mapping[str, object]:
    return {"message": "attempt", "channel": "sms", "provider": "twilio", "outcome": outcome, "status": "sent", **more}


async def test_an_ordinary_day_raises_nothing() -> None:
    entries = [(second, _attempt("accepted", accept_to_sent_ms=120)) for second in range(SECONDS)]
    assert await _came(entries, _ordinary()) == {}


async def test_each_thing_that_goes_wrong_raises_its_own() -> None:
    down = {"message": "provider is down", "channel": "sms", "provider": "twilio"}
    key = {
        "message": "the provider refuses our credentials",
        "channel": "sms",
        "provider": "twilio",
        "status": "retrying",
    }
    dead = {"message": "dead", "channel": "sms", "outcome": "unknown", "status": "dead"}
    entries: list[tuple[float, Mapping[str, object]]] = [(120.0, down), (130.0, key), (140.0, dead)]
    entries += [(second, _attempt("retryable" if second > 100 else "accepted")) for second in range(SECONDS)]
    entries += [(second, {"accept_to_sent_ms": 120}) for second in range(50)]
    came = await _came(entries, _ordinary())
    assert 120 <= came["a provider is down"] <= 127
    assert 130 <= came["a provider refuses our credentials"] <= 137
    assert 140 <= came["dead letters"] <= 147
    assert 130 < came["error rate"] < 160, "five minutes of paper time after a fifth fails"
    assert "deliveries are late, the objective's margin burns fast" in came, "it is dead, and of few"


async def test_sweeps_and_the_gateway() -> None:
    samples = _ordinary()
    samples.events = [
        event
        for event in samples.events
        if event.at < 100 or ("service_name", "hark-relay") not in event.labels  # it is swept no more
    ]
    for second in range(100, SECONDS):
        samples.request(second, "hark-gateway", 503)
    came = await _came([], samples)
    assert set(came) == {"the relay does not run", "error rate"}
    assert 125 <= came["the relay does not run"] <= 145


async def test_a_counter_that_begins_with_its_first_event_counts_it() -> None:
    event = Event(5, "logging_googleapis_com:user_hark_dead", (OF_FUNCTIONS, ("channel", "sms")))
    lines = list(exposed(Samples([event]), 0, 10, 1))
    assert [line.split()[1] for line in lines[:-1]] == ["0"] * 6 + ["1"] * 5


def test_each_alert_has_its_section() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^## (.+)$", text, re.MULTILINE)
    }
    _, asked = conditions.read(FUNCTIONS)
    assert {condition.anchor for condition in asked} <= anchors
