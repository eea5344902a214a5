"""Prometheus (Debian's package prometheus) over samples of the past: when a condition of an alert held."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from emulator.config import FIXED_PORTS, GATEWAY
from emulator.process import die_with_parent, until_answers
from tests.drill.conditions import Condition
from tests.ports import free_offset

EVALUATION_SECONDS = 60  # evaluation_interval of infra/alerts.tf
START_SECONDS = 60


@dataclass(frozen=True)
class Alarm:
    """A condition that held for long enough, of one series. since, until: seconds of the samples' own clock"""

    condition: Condition
    labels: Mapping[str, str]
    since: float
    until: float


def missing() -> Sequence[str]:
    """What is not installed of what works alerts out."""
    return [program for program in ("terraform", "prometheus", "promtool") if not shutil.which(program)]


class Prometheus:
    """One that is running."""

    def __init__(self, http: aiohttp.ClientSession, url: str, ended: float) -> None:
        self._http, self._url, self._ended = http, url, ended

    async def alarms(self, condition: Condition) -> Sequence[Alarm]:
        """Raises ValueError for a query that Prometheus refuses."""
        asked = {"query": condition.query, "start": "0", "end": str(self._ended), "step": str(EVALUATION_SECONDS)}
        async with self._http.get(f"{self._url}/api/v1/query_range", params=asked) as answer:
            found = await answer.json()
        if found["status"] != "success":
            raise ValueError(f"{condition.alert}, {condition.name}: {found['error']}")
        raised = []
        for series in found["data"]["result"]:
            for first, last in _spells([at for at, _ in series["values"]]):
                if last - first >= condition.seconds:
                    since = first + condition.seconds
                    raised.append(Alarm(condition, series["metric"], since, last + EVALUATION_SECONDS))
        return raised


def _spells(times: Sequence[float]) -> Sequence[tuple[float, float]]:
    """The first and the last of those that follow each other without a gap."""
    spells: list[tuple[float, float]] = []
    for at in times:
        if spells and at - spells[-1][1] <= EVALUATION_SECONDS:
            spells[-1] = (spells[-1][0], at)
        else:
            spells.append((at, at))
    return spells


@contextlib.asynccontextmanager
async def over(samples: Iterable[str], ended: float) -> AsyncIterator[Prometheus]:
    """samples: lines of OpenMetrics, whose time is 0 at the beginning; ended: when they end

    Raises TimeoutError when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="hark-drill-") as name:
        folder = Path(name)
        (folder / "samples").write_text("\n".join(samples) + "\n")
        (folder / "prometheus.yml").write_text("global: {}\n")
        blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "samples", "data"]
        await asyncio.to_thread(subprocess.run, blocks, cwd=folder, check=True, capture_output=True)
        address = f"127.0.0.1:{FIXED_PORTS[GATEWAY] + free_offset()}"
        command = ("prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error")
        options = (f"--web.listen-address={address}", "--storage.tsdb.retention.time=100y")
        process = await asyncio.create_subprocess_exec(
            *command, *options, cwd=folder, preexec_fn=die_with_parent(os.getpid())
        )
        try:
            async with aiohttp.ClientSession() as http, asyncio.timeout(START_SECONDS) as starting:
                await until_answers(http, f"http://{address}/-/ready", 200)
                starting.reschedule(None)
                yield Prometheus(http, f"http://{address}", ended)
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
