"""The running gateway held to its own /openapi.json by all checks of Schemathesis, asked rightly and wrongly."""

import asyncio
import json
from pathlib import Path

from shared.delivery.model import PENDING
from tests.e2e.fuzz import faults, fuzz
from tests.e2e.stack import Stack, until

EXAMPLES = 10
SEED = 42


def asked(report: Path) -> set[tuple[str, str]]:
    """Method and path of each operation that got a valid request."""
    events = [json.loads(line) for line in report.read_text().splitlines()]
    recorders = [event["ScenarioFinished"]["recorder"] for event in events if "ScenarioFinished" in event]
    cases = [case["value"] for recorder in recorders for case in recorder.get("cases", {}).values()]
    return {(c["method"], c["path"]) for c in cases if c["meta"]["generation"]["mode"] == "positive"}


async def test_whatever_is_asked_the_gateway_answers_as_its_document_says(stack: Stack, tmp_path: Path) -> None:
    log, report = stack.folder / "logs" / "gateway.log", tmp_path / "report.ndjson"
    logged = log.stat().st_size

    reported = ("--report", "ndjson", "--report-ndjson-path", str(report))
    assert await asyncio.to_thread(fuzz, stack.system, EXAMPLES, SEED, *reported) == 0

    paths = (await stack.http.get(f"{stack.url}/openapi.json")).json()["paths"]
    assert asked(report) == {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert log.stat().st_size > logged
    assert not faults(log.read_bytes()[logged:])
    await quiet(stack)


async def quiet(stack: Stack) -> None:
    """Until all that was sent has ended: it would meet the faults that the next test sets."""

    async def nothing_pending() -> bool:
        answers = [
            await stack.http.get(f"{stack.url}/v1/notifications", params={"status": status, "limit": 1})
            for status in PENDING
        ]
        return not any(answer.json()["items"] for answer in answers)

    await until(nothing_pending, 60)
