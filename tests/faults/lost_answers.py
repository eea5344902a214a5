"""What became of messages whose answer was lost: which was sent once more, and what its provider had said before."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from tests.faults.histories import Event, Histories

_CLOCK_SECONDS = 0.01


class Asked(StrEnum):
    """What was known of an attempt when its message was sent once more."""

    NOT_YET = "asked, and not there yet"
    OVERLOOKED = "asked, and not there, though it was"
    CANNOT_TELL = "asked, and it could not tell"
    FOUND = "asked, and it was there"
    UNWRITTEN = "not on record: whoever sent it once more died with it"
    NOT_ASKED = "not asked"


@dataclass(frozen=True)
class Duplicate:
    """reason: of the attempt on record by which the message may have been sent twice"""

    channel: str
    reason: str
    asked: Asked


@dataclass
class Channel:
    """lost: accepts of which nobody had an answer; found: deliveries that were reconciled"""

    lost: int = 0
    found: int = 0
    duplicates: Counter[Asked] = field(default_factory=Counter)


def by_channel(histories: Histories) -> dict[str, Channel]:
    channels: dict[str, Channel] = defaultdict(Channel)
    accepts = _accepts(histories)
    for record in histories.records:
        channel = channels[record["channel"]]
        answered = any(attempt["outcome"] == "accepted" for attempt in record["attempts"])
        channel.lost += len(accepts[record["id"], record["channel"]]) - answered
        channel.found += any(attempt["asked"] == "reconciled" for attempt in record["attempts"])
    for duplicate in duplicates(histories):
        channels[duplicate.channel].duplicates[duplicate.asked] += 1
    return dict(channels)


def duplicates(histories: Histories) -> Iterator[Duplicate]:
    accepts = _accepts(histories)
    for record in histories.records:
        lines = accepts[record["id"], record["channel"]]
        for before, line in pairwise(lines):
            yield _duplicate(record, _moment(before), _moment(line))


def _duplicate(record: Event, first: float, second: float) -> Duplicate:
    """Of the delivery whose message was accepted at both times."""
    begun = [a for a in record["attempts"] if _moment(a) <= second + _CLOCK_SECONDS]
    sent, unsure = begun[-1:], [a for a in begun[:-1] if a["outcome"] == "unknown"]
    reason = (unsure or sent or record["attempts"])[-1]
    return Duplicate(record["channel"], reason["error"] or "none", _asked(reason, sent, first))


def _asked(reason: Event, sent: Sequence[Event], first: float) -> Asked:
    match reason["asked"]:
        case "reconciled":
            return Asked.FOUND
        case "cannot_tell":
            return Asked.CANNOT_TELL
        case "not_there":
            return Asked.NOT_YET if sent and first >= _moment(sent[0]) - _CLOCK_SECONDS else Asked.OVERLOOKED
    died = bool(sent) and sent[0]["duration_ms"] is None
    return Asked.UNWRITTEN if died else Asked.NOT_ASKED


def _accepts(histories: Histories) -> dict[tuple[str, str], list[Event]]:
    """By delivery: of the one that has the message on record, where that is another's with the same text."""
    accepts: dict[tuple[str, str], list[Event]] = defaultdict(list)
    by: dict[tuple[str, str], str] = {(r["channel"], r["message_id"]): r["id"] for r in histories.records}
    for line in histories.witness:
        of = by.get((line["channel"], line["message_id"])) or line["notification_id"]
        accepts[of, line["channel"]].append(line)
    for lines in accepts.values():
        lines.sort(key=_moment)
    return accepts


def _moment(event: Event) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()
