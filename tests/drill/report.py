"""What a drill says: by situation what was expected, what happened, and what an operator would have seen."""

from collections.abc import Iterator, Mapping, Sequence

from tests.drill.conditions import Condition
from tests.drill.prometheus import Alarm
from tests.drill.run import Drill
from tests.drill.situations import Line, Seen, Situation

_PAGE = "operations.md"


def lines(drill: Drill, situations: Sequence[Situation]) -> Sequence[Line]:
    return [line for situation in situations for line in situation.lines(drill.seen[situation.name])]


def written(drill: Drill, situations: Sequence[Situation], picture: str) -> str:
    """Markdown, for docs/. picture: the name of its file"""
    options = drill.options
    parts = [
        "# A drill",
        "",
        f"`make drill`: the system on the emulators, {options.rate:g} notifications a second, three channels in turn. "
        f"A minute here is {options.minute:g} seconds; but Hark's own pauses are as long as ever, and take "
        f"{options.stretched:g} times as many of these minutes as of real ones.",
        "",
        f"![Pending, sent and calls over time]({picture})",
    ]
    for situation in situations:
        parts += ["", *_situation(drill, situation, drill.seen[situation.name])]
    return "\n".join(parts) + "\n"


def _situation(drill: Drill, situation: Situation, seen: Seen) -> Iterator[str]:
    began, ended = drill.minutes(seen.began), drill.minutes(seen.ended)
    yield f"## {situation.title}"
    yield ""
    yield f"From minute {began:.0f} to {ended:.0f}. `GET /v1/channels` said then: {'; '.join(seen.states)}."
    yield ""
    yield "| expected | happened | |"
    yield "|---|---|---|"
    for line in situation.lines(seen):
        yield f"| {line.expected} | {line.happened} | {'as expected' if line.holds else '**not as expected**'} |"
    yield ""
    if seen.alarms is None:
        yield "Which alerts would have come was not worked out."
        return
    if not seen.alarms:
        yield "No alert would have come."
        return
    yield "| alert | because | of | from minute | to | read |"
    yield "|---|---|---|---:|---:|---|"
    for (since, until, condition), alarms in sorted(_alike(seen.alarms).items(), key=lambda alike: alike[0][:2]):
        of = "; ".join(sorted(map(_of, alarms)))
        read = f"[{condition.alert}](../{_PAGE}#{condition.anchor})"
        yield f"| {condition.alert} | {condition.name} | {of} | {since / 60:.0f} | {until / 60:.0f} | {read} |"


def _alike(alarms: Sequence[Alarm]) -> Mapping[tuple[float, float, Condition], Sequence[Alarm]]:
    """Of one condition at one time."""
    alike: dict[tuple[float, float, Condition], list[Alarm]] = {}
    for alarm in alarms:
        alike.setdefault((alarm.since, alarm.until, alarm.condition), []).append(alarm)
    return alike


def _of(alarm: Alarm) -> str:
    return ", ".join(value for name, value in alarm.labels.items() if name not in _OF_ALL) or "all"


_OF_ALL = {"monitored_resource", "response_code_class"}
