"""What goes wrong, what is expected of Hark then, and which alerts are to come."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tests.drill.load import CHANNELS
from tests.drill.prometheus import Alarm
from tests.drill.system import System

_MOST_CALLS = 60  # of a provider that is down, for as long as a drill has it so
_SOON = 5.0  # seconds
FIRESTORE_LATE_SECONDS = 0.15
"""Either way. The emulator pushes two messages of a subscription at a time: much slower, and these are what is slow."""

PROVIDER_DOWN = "a provider is down"
CREDENTIALS = "a provider refuses our credentials"
ERRORS = "error rate"
WAITING = "a message waits for more than 5 minutes"
RELAY = "the relay does not run"
LATE = "deliveries are late, the objective's margin burns fast"
LATE_SLOWLY = "deliveries are late, the objective's margin burns slow"


@dataclass
class Seen:
    """What happened from when it went wrong until the next one does.

    began, ended, ordinary: seconds since 1970: when it went wrong, was mended, and when no more was pending than
    before; None: it never was
    accepted: notifications, meanwhile; at_once: of these, with the first try; longest: seconds until a 202
    calls: of each channel's provider while it was wrong; slowest: seconds from 202 to sent for 95 of 100, by channel
    states: what GET /v1/channels said of each channel right before it was mended
    lost: accepted, and no provider has it; twice: more than one has; on_record: as GET /v1/duplicates has it
    """

    began: float
    ended: float
    ordinary: float | None
    accepted: int = 0
    at_once: int = 0
    longest: float = 0.0
    most_pending: int = 0
    calls: Mapping[str, int] = field(default_factory=dict)
    slowest: Mapping[str, float] = field(default_factory=dict)
    states: Sequence[str] = ()
    lost: int = 0
    dead: int = 0
    twice: int = 0
    on_record: int = 0
    alarms: Sequence[Alarm] | None = None
    """None: nothing was there to say it."""


@dataclass(frozen=True)
class Line:
    expected: str
    happened: str
    holds: bool


Expectation = Callable[[Seen], Line]


@dataclass(frozen=True)
class Situation:
    """break_it, mend: of the system; alerts: the titles of those that have to come; may: of those that may"""

    name: str
    title: str
    break_it: Callable[[System], Awaitable[None]]
    mend: Callable[[System], Awaitable[None]]
    alerts: AbstractSet[str]
    expectations: Sequence[Expectation]
    may: AbstractSet[str] = frozenset()

    def lines(self, seen: Seen) -> Sequence[Line]:
        return [expectation(seen) for expectation in (*self.expectations, *_ALWAYS)] + [*self._of_alerts(seen)]

    def _of_alerts(self, seen: Seen) -> Sequence[Line]:
        if seen.alarms is None:
            return []
        came = {alarm.condition.alert for alarm in seen.alarms}
        expected = "alerts: " + (", ".join(f"*{alert}*" for alert in sorted(self.alerts)) or "none")
        happened = ", ".join(f"*{alert}*" for alert in sorted(came)) or "none"
        return [Line(expected, happened, self.alerts <= came <= self.alerts | self.may)]


def _at_once(seen: Seen) -> Line:
    happened = f"{seen.at_once:,} of {seen.accepted:,}, after {seen.longest:.1f} s at most"
    return Line("every request is a 202 at the first try", happened, seen.at_once == seen.accepted)


def _accepted_later(seen: Seen) -> Line:
    happened = f"{seen.at_once:,} of {seen.accepted:,} at the first, after {seen.longest:.1f} s at most"
    return Line("every request is a 202, if need be at a later try with the same key", happened, seen.accepted > 0)


def _few_calls(channel: str) -> Expectation:
    def line(seen: Seen) -> Line:
        calls = seen.calls.get(channel, 0)
        return Line(
            f"at most {_MOST_CALLS} calls of the provider of {channel} while it is so",
            f"{calls:,}",
            calls <= _MOST_CALLS,
        )

    return line


def _others_soon(broken: str | None) -> Expectation:
    others = [channel for channel in CHANNELS if channel != broken]

    def line(seen: Seen) -> Line:
        took = {channel: seen.slowest.get(channel, 0.0) for channel in others}
        happened = ", ".join(f"{channel} {seconds:.1f} s" for channel, seconds in took.items())
        return Line(
            f"95 of 100 of {' and '.join(others)} are sent within {_SOON:.0f} s", happened, max(took.values()) <= _SOON
        )

    return line


def _nothing_lost(seen: Seen) -> Line:
    return Line("nothing that was accepted is lost", f"{seen.lost} of {seen.accepted:,}", seen.lost == 0)


def _nothing_dead(seen: Seen) -> Line:
    return Line("nothing is dead", str(seen.dead), seen.dead == 0)


def _reasons(seen: Seen) -> Line:
    happened = f"{seen.twice} sent twice, {seen.on_record} on record"
    return Line("what is sent twice has its reason on record", happened, seen.twice <= seen.on_record)


def _over(seen: Seen) -> Line:
    happened = "it never was" if seen.ordinary is None else f"{seen.ordinary - seen.ended:.0f} s"
    text = f"no more is pending than before ({seen.most_pending:,} were), after it is mended"
    return Line(text, happened, seen.ordinary is not None)


_ALWAYS: Sequence[Expectation] = (_nothing_lost, _nothing_dead, _reasons, _over)


async def _sms_down(system: System) -> None:
    await system.lab("sms", "503")


async def _slack_key_refused(system: System) -> None:
    await system.lab("slack", "401")


async def _lab_mended(system: System) -> None:
    for channel in CHANNELS:
        await system.lab(channel, None)


async def _pubsub_gone(system: System) -> None:
    system.freeze_pubsub()


async def _pubsub_back(system: System) -> None:
    system.thaw_pubsub()


async def _firestore_slow(system: System) -> None:
    system.firestore.delay = FIRESTORE_LATE_SECONDS


async def _firestore_mended(system: System) -> None:
    system.firestore.delay = 0.0


SITUATIONS: Sequence[Situation] = (
    Situation(
        "provider",
        "The provider of text messages is down: it answers 503",
        _sms_down,
        _lab_mended,
        {PROVIDER_DOWN, ERRORS},
        (_at_once, _few_calls("sms"), _others_soon("sms")),
        may={LATE, LATE_SLOWLY},
    ),
    Situation(
        "key",
        "Slack refuses our key",
        _slack_key_refused,
        _lab_mended,
        {PROVIDER_DOWN, CREDENTIALS, ERRORS},
        (_at_once, _few_calls("slack"), _others_soon("slack")),
        may={LATE, LATE_SLOWLY},
    ),
    Situation(
        "pubsub",
        "Pub/Sub is gone: it answers nobody and pushes nothing",
        _pubsub_gone,
        _pubsub_back,
        {ERRORS},
        (_accepted_later,),
        may={LATE, LATE_SLOWLY, WAITING, RELAY},  # its sweeps hang, too
    ),
    Situation(
        "firestore",
        f"Firestore is slow: each call takes {2 * FIRESTORE_LATE_SECONDS:.1f} s longer",
        _firestore_slow,
        _firestore_mended,
        frozenset(),
        (_accepted_later,),
        may={LATE, LATE_SLOWLY},
    ),
)
