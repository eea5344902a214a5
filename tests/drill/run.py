"""A drill from its beginning to its end: each situation for its minutes, then what all of it came to."""

import asyncio
import contextlib
import json
import time
from collections import Counter as Count
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests.drill import conditions, prometheus
from tests.drill.load import CHANNELS, Load
from tests.drill.picture import Panel, Window, drawn
from tests.drill.prometheus import Alarm
from tests.drill.samples import Samples, counted, entries, exposed
from tests.drill.situations import Seen, Situation
from tests.drill.system import System, running

_MINUTES_WRONG, _MINUTES_CALM = 10, 10  # a rate over ten minutes has forgotten what was before
_ANSWER_SECONDS = 10
_PATIENCE_SECONDS = 180  # for no more to be pending than before


@dataclass(frozen=True)
class Options:
    """minute: seconds that stand for one; rate: notifications a second; watched: whether alerts are worked out"""

    minute: float = 6
    rate: float = 6
    watched: bool = True

    @property
    def stretched(self) -> float:
        return 60 / self.minute


@dataclass
class Drill:
    """What there is to see of one. pending: by second"""

    options: Options
    began: float
    ended: float = 0.0
    pending: list[int] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    sent: Mapping[str, Sequence[float]] = field(default_factory=dict)
    called: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def minutes(self, at: float) -> float:
        """Since the drill began, on its own clock. at: seconds since 1970"""
        return (at - self.began) / self.options.minute

    def picture(self) -> str:
        windows = [Window(name, seen.began - self.began, seen.ended - self.began) for name, seen in self.seen.items()]
        panels = [
            Panel("Pending deliveries", {"": [float(count) for count in self.pending]}),
            Panel("Sent a second", self._by_second(self.sent)),
            Panel("Calls of providers a second", self._by_second(self.called)),
        ]
        title = f"A drill: {self.options.rate:g} notifications a second, and what goes wrong"
        return drawn(title, panels, windows, self.ended - self.began)

    def _by_second(self, times: Mapping[str, Sequence[float]]) -> Mapping[str, Sequence[float]]:
        counts = {channel: Count(int(at - self.began) for at in ats) for channel, ats in times.items()}
        return {channel: [float(count[n]) for n in range(len(self.pending))] for channel, count in counts.items()}


async def run(
    situations: Sequence[Situation],
    options: Options,
    folder: Path,
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> Drill:
    """folder: empty; the system's files are left in it. Raises NoEmulators."""
    samples = Samples()
    async with running(folder, samples, options.minute, environ) as system:
        load = Load(system.http, system.config.url("gateway"), system.key, samples)
        drill, stop = Drill(options, time.time()), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run(options.rate, stop))
            watching = tasks.create_task(_watch(system, drill))
            for situation in situations:
                await asyncio.sleep(_MINUTES_CALM * options.minute)
                say(f"minute {drill.minutes(time.time()):.0f}: {situation.title}")
                drill.seen[situation.name] = await _one(situation, system, drill, load)
            await asyncio.sleep(_MINUTES_CALM * options.minute / 2)
            stop.set()
            with contextlib.suppress(TimeoutError):
                await _until(lambda: not (load.waiting or drill.pending[-1]), _PATIENCE_SECONDS)
            watching.cancel()
        drill.ended = time.time()
        on_record = await _duplicates(system)
        _witnessed(system, drill, load, on_record)
        _logged(system, drill, load)
        if options.watched:
            await _alarms(system, samples, drill)
    return drill


async def _watch(system: System, drill: Drill) -> None:
    """Until cancelled, each second: what is pending, and what waits in Pub/Sub."""
    while True:
        second = len(drill.pending)
        await asyncio.sleep(max(0.0, drill.began + second - time.time()))
        pending = await system.observer.pending()
        drill.pending.append(drill.pending[-1] if pending is None and drill.pending else pending or 0)
        system.pushes.measure(time.time())


async def _one(situation: Situation, system: System, drill: Drill, load: Load) -> Seen:
    calm = drill.pending[-int(_MINUTES_CALM * drill.options.minute / 2) :]
    before, first = max(calm, default=0), len(drill.pending)
    seen = Seen(began=time.time(), ended=0.0, ordinary=None)
    await situation.break_it(system)
    try:
        await asyncio.sleep(_MINUTES_WRONG * drill.options.minute)
        seen.states = await _states(system)
    finally:
        await situation.mend(system)
    seen.ended = time.time()
    with contextlib.suppress(TimeoutError):
        await _until(lambda: max(load.waiting, drill.pending[-1]) <= before, _PATIENCE_SECONDS)
        seen.ordinary = time.time()
    seen.most_pending = max(drill.pending[first:])
    return seen


async def _states(system: System) -> Sequence[str]:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            channels = (await system.get("/v1/channels"))["items"]
    except TimeoutError:
        return ["no answer"]
    said = []
    for channel in channels:
        providers = [
            f"{each['name']} {each['state']}: {each['reason']}" for each in channel["providers"] if each["reason"]
        ]
        said.append(f"{channel['name']} {channel['state']}" + "".join(f" ({provider})" for provider in providers))
    return said


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    """Raises TimeoutError after so many."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - others' lists, which tell nobody
            await asyncio.sleep(0.5)


async def _duplicates(system: System) -> set[tuple[str, str]]:
    """Notification and channel of what GET /v1/duplicates lists."""
    listed: set[tuple[str, str]] = set()
    path = "/v1/duplicates?limit=100"
    while True:
        page = await system.get(path)
        listed |= {(item["notification_id"], item["channel"]) for item in page["items"]}
        if page["next_cursor"] is None:
            return listed
        path = f"/v1/duplicates?limit=100&cursor={page['next_cursor']}"


def _spans(drill: Drill) -> Iterator[tuple[Seen, float, float]]:
    """Of each situation, from when it began until the next one does."""
    begins = [seen.began for seen in drill.seen.values()]
    yield from zip(drill.seen.values(), begins, [*begins[1:], drill.ended], strict=True)


def _witnessed(system: System, drill: Drill, load: Load, on_record: set[tuple[str, str]]) -> None:
    lines = [json.loads(line) for line in system.witness.read_text().splitlines()]
    got = Count((line["notification_id"], line["channel"]) for line in lines)
    drill.sent = _by_channel((line["channel"], datetime.fromisoformat(line["at"]).timestamp()) for line in lines)
    for seen, began, until in _spans(drill):
        asked = [each for each in load.accepted if began <= each.at < until]
        meanwhile = [each for each in asked if each.at - each.waited < seen.ended]
        seen.accepted, seen.at_once = len(meanwhile), sum(each.tries == 1 for each in meanwhile)
        seen.longest = max((each.waited for each in meanwhile), default=0.0)
        seen.lost = sum(got[each.id, each.channel] == 0 for each in asked)
        twice = {(each.id, each.channel) for each in asked if got[each.id, each.channel] > 1}
        seen.twice, seen.on_record = len(twice), len(twice & on_record)


def _logged(system: System, drill: Drill, load: Load) -> None:
    logged = list(entries(system.logs))
    attempts = [(at, entry) for at, entry in logged if "outcome" in entry]
    drill.called = _by_channel((entry["channel"], at) for at, entry in attempts)
    when = {each.id: each.at for each in load.accepted}
    for seen, began, until in _spans(drill):
        seen.calls = Count(entry["channel"] for at, entry in attempts if began <= at < seen.ended)
        seen.dead = sum(
            entry.get("status") == "dead" or entry.get("message") == "dead"
            for at, entry in logged
            if began <= at < until
        )
        took: dict[str, list[float]] = {}
        for _, entry in attempts:
            if "accept_to_sent_ms" in entry and began <= when.get(entry["notification_id"], 0.0) < seen.ended:
                took.setdefault(entry["channel"], []).append(entry["accept_to_sent_ms"] / 1000)
        seen.slowest = {channel: sorted(seconds)[int(len(seconds) * 0.95)] for channel, seconds in took.items()}


def _by_channel(events: Iterator[tuple[str, float]]) -> Mapping[str, Sequence[float]]:
    times: dict[str, list[float]] = {channel: [] for channel in CHANNELS}
    for channel, at in events:
        times[channel].append(at)
    return times


async def _alarms(system: System, samples: Samples, drill: Drill) -> None:
    stretched = drill.options.stretched
    counters, asked = await asyncio.to_thread(conditions.read, system.config.functions)
    samples.events += counted(entries(system.logs), counters, stretched)
    lines = exposed(samples, drill.began, drill.ended, stretched)
    raised: list[Alarm] = []
    async with prometheus.over(lines, (drill.ended - drill.began) * stretched) as engine:
        for condition in asked:
            raised += await engine.alarms(condition)
    for seen, began, until in _spans(drill):
        first, last = ((at - drill.began) * stretched for at in (began, until))
        seen.alarms = [alarm for alarm in raised if first <= alarm.since < last]
