"""The append-only histories that the checker reads: one JSON object a line, each with `at`, seconds since 1970.

client.jsonl    {"event": "request", "n", "key", "to": {channel: address}, "subject", "message", and what says how}
                {"event": "answer", "n", "status", "id": of the notification or null}
                {"event": "lost", "n", "why"}: no answer; the request was perhaps taken
                {"event": "suppressed", "channel", "address"}: answered
                {"event": "paused", "channel"}: answered; {"event": "resuming", "channel"}: asked for
                {"event": "verdicts", "id", "verdicts": {channel: verdict}}: of a cancel
witness.jsonl   the lab's own: a line for each message that a provider accepted, whatever it answered
nemesis.jsonl   {"event": the fault, …}
observed.jsonl  {"id", "channel", "version", "status", "attempts": how many}: deliveries as they were seen meanwhile
breakers.jsonl  {"asked": when the read began, "channel", "provider", "open", "since"}: each breaker, at each look
published.jsonl {"id", "channel", "whole": whether it has all that is to be sent, "published": by Pub/Sub's clock}
machine.jsonl   {"took", "worked", "late"}: see machine.py
duplicates.jsonl {"id", "channel", "reasons", "attempts": the numbers of each pair}: of GET /v1/duplicates, at the end
records.jsonl   the deliveries at the end, and their notifications' texts

Where there is an endpoint, what went to it is `told`, and in no other history.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = dict[str, Any]

BREAKERS = "breakers.jsonl"
CLIENT = "client.jsonl"
DUPLICATES = "duplicates.jsonl"
MACHINE = "machine.jsonl"
NEMESIS = "nemesis.jsonl"
OBSERVED = "observed.jsonl"
PUBLISHED = "published.jsonl"
RECORDS = "records.jsonl"
WITNESS = "witness.jsonl"

DEATH = '{"message": "failpoint"'


class History:
    """A file that is only ever appended to. A line is whole or missing, also when this process is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, **event: Any) -> None:
        line = json.dumps({"at": time.time(), **event}).encode() + b"\n"
        with self._path.open("ab", buffering=0) as file:
            file.write(line)


def read(path: Path) -> Iterator[Event]:
    """The events of a history; none when there is no such file."""
    if path.exists():
        with path.open() as lines:
            yield from (json.loads(line) for line in lines if line.endswith("\n"))


@dataclass(frozen=True)
class Histories:
    """All of one run.

    texts, api_key: what no log may hold; each text has a word that nothing else has, its longest
    logs: the lines of each process
    """

    client: list[Event]
    witness: list[Event]
    nemesis: list[Event]
    observed: list[Event]
    records: list[Event]
    logs: dict[str, list[str]]
    texts: list[str]
    api_key: str
    machine: list[Event] = field(default_factory=list)
    breakers: list[Event] = field(default_factory=list)
    published: list[Event] = field(default_factory=list)
    duplicates: list[Event] | None = None
    """None: nobody has asked for them."""
    told: list[Event] | None = None
    """What a live endpoint was told, as the lab took it; None: events are off."""

    @property
    def deaths(self) -> list[Event]:
        """What processes said when they came to their failpoint: its name, and the time."""
        return [json.loads(line) for log in self.logs.values() for line in log if line.startswith(DEATH)]


OF_EVENTS = "webhook"
"""The channel that carries them."""


def load(folder: Path, witness: Path, logs: Path, api_key: str, *, events: bool = False) -> Histories:
    """events: whether they were on"""

    def others(path: Path) -> list[Event]:
        return [event for event in read(path) if event["channel"] != OF_EVENTS]

    client = list(read(folder / CLIENT))
    requests = [event for event in client if event["event"] == "request"]
    texts = {text for request in requests for text in (request["message"], *request["to"].values())}
    return Histories(
        client=client,
        witness=others(witness),
        nemesis=list(read(folder / NEMESIS)),
        observed=others(folder / OBSERVED),
        records=others(folder / RECORDS),
        logs={log.stem: log.read_text(errors="replace").splitlines() for log in logs.glob("*.log")},
        texts=sorted(texts),
        api_key=api_key,
        machine=list(read(folder / MACHINE)),
        breakers=list(read(folder / BREAKERS)),
        published=list(read(folder / PUBLISHED)),
        duplicates=others(folder / DUPLICATES),
        told=[event for event in read(witness) if event["channel"] == OF_EVENTS] if events else None,
    )
