"""The checker finds each breach, and passes what may happen."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.faults.checker import INVARIANTS, Limits, check
from tests.faults.histories import Event, Histories

LIMITS = Limits(max_attempts=3, retry_base=1, retry_cap=4, lease=6)
TO = {"sms": "+14152345678", "email": "canary-0123456789abcdef@example.com"}
REQUEST = {"event": "request", "at": 1.0, "n": 0, "key": "k", "to": TO, "subject": "About a", "message": "Text of a"}
ANSWER = {"event": "answer", "at": 1.1, "n": 0, "status": 202, "id": "a"}


def attempt(
    number: int, outcome: str = "accepted", second: int = 0, duration_ms: int | None = 10, **fields: Any
) -> Event:
    at = f"2026-01-01T00:00:{second:02d}+00:00"
    made = {"number": number, "at": at, "outcome": outcome, "duration_ms": duration_ms, "provider": "twilio"}
    return {**made, "asked": None, "probe": False, **fields}


def record(channel: str = "sms", status: str = "sent", *attempts: Event, **fields: Any) -> Event:
    made = list(attempts or [attempt(1)])
    common = {"id": "a", "channel": channel, "version": 5, "error": None, "due_at": None, "message": "Text of a"}
    return {**common, "message_id": f"m-{len(made)}", "status": status, "attempts": made, **fields}


def accept(channel: str = "sms", number: int = 1, second: int = 0, **fields: Any) -> Event:
    """In the attempt of this number that began at this second."""
    subject = "About a" if channel == "email" else None
    return {
        "at": f"2026-01-01T00:00:{second:02d}.005000+00:00",
        "message_id": f"m-{number}",
        "notification_id": "a",
        "channel": channel,
        "to": TO[channel],
        "subject": subject,
        "text": "Text of a",
        **fields,
    }


GOOD = Histories(
    client=[REQUEST, ANSWER],
    witness=[accept(), accept("email")],
    nemesis=[],
    observed=[{"id": "a", "channel": "sms", "version": 3, "status": "sending", "attempts": 0}],
    records=[record(), record("email")],
    logs={"sms": ['{"message": "attempt", "notification_id": "a"}']},
    texts=["Text of canary 0123456789abcdef"],
    api_key="hark_live_0123456789abcdefghij",  # pragma: allowlist secret
)


def breached(histories: Histories) -> set[str]:
    """The numbers of the invariants."""
    return {violation.invariant[0] for violation in check(histories, LIMITS)}


def test_what_went_well_is_no_breach() -> None:
    assert breached(GOOD) == set()


def with_records(*records: Event) -> Histories:
    """Of the sms; what was accepted was so in the last attempt."""
    last = records[-1]["attempts"][-1]
    second = datetime.fromisoformat(last["at"]).second
    witness = [accept("sms", last["number"], second), accept("email")]
    return replace(GOOD, records=[*records, record("email")], witness=witness)


DUE = "2026-01-01T00:01:00+00:00"
UNKNOWN = attempt(1, "unknown", duration_ms=500, asked="not_there")
LOST = attempt(1, "unknown", duration_ms=None, asked="not_there")
FOUND = attempt(1, "unknown", duration_ms=500, asked="reconciled")
PROBE = attempt(1, "retryable", probe=True)
BEGAN = 1767225600.0  # the first attempt
KILLED = {"event": "kill worker", "process": "sms", "at": BEGAN}


def suppressed(seconds: float) -> list[Event]:
    """The sms's address, so long after the attempt of GOOD began."""
    at = datetime.fromisoformat(attempt(1)["at"]).timestamp() + seconds
    return [*GOOD.client, {"event": "suppressed", "at": at, "channel": "sms", "address": TO["sms"]}]


def paused(since: float, until: float, channel: str = "sms") -> list[Event]:
    """Its channel, so long after the attempt of GOOD began."""
    at = datetime.fromisoformat(attempt(1)["at"]).timestamp()
    said = (("paused", since), ("resuming", until))
    return [*GOOD.client, *({"event": event, "at": at + seconds, "channel": channel} for event, seconds in said)]


def down(since: float, until: float, histories: Histories = GOOD) -> Histories:
    """With the sms's provider, so long after the attempt of GOOD began; it was looked at each second."""
    at = datetime.fromisoformat(attempt(1)["at"]).timestamp()
    look = {"channel": "sms", "provider": "twilio", "open": True, "since": "2026-01-01T00:00:00+00:00"}
    looks = [{**look, "asked": at + since + n, "at": at + since + n} for n in range(round(until - since) + 1)]
    return replace(histories, breakers=[*looks, {**looks[-1], "open": False}])


def published(*seconds: float, whole: bool = False) -> list[Event]:
    """The sms, so long after the attempt of GOOD began; the first time whole."""
    at = datetime.fromisoformat(attempt(1)["at"]).timestamp()
    first = {"id": "a", "channel": "sms", "whole": True, "published": at - 100}
    return [first, *({**first, "whole": whole, "published": at + second} for second in seconds)]


def two_alike() -> Histories:
    """b was not accepted, and is sent by a's first message; so a is sent by its second."""
    again = {**REQUEST, "n": 1, "key": "l", "to": {"sms": TO["sms"]}}
    taken = record("sms", "sent", FOUND, id="b")
    made = with_records(record("sms", "sent", UNKNOWN, attempt(2, second=9)), taken)
    client = [*GOOD.client, again, {**ANSWER, "n": 1, "id": "b"}]
    return replace(made, client=client, witness=[accept(), accept("sms", 2, 9), accept("email")])


FINE: dict[str, Histories] = {
    "one whose provider had it": with_records(record("sms", "sent", FOUND)),
    "one whose provider could be asked only after it had refused another": with_records(
        record("sms", "sent", FOUND, attempt(2, "retryable", second=9))
    ),
    "two with the same text, of which one is sent by the other's message": two_alike(),
    "one whose provider had it, and reported it": with_records(record("sms", "delivered", FOUND)),
    "an attempt that nobody has written down to be asked about, as they died": replace(
        with_records(
            record(
                "sms",
                "sent",
                {**UNKNOWN, "asked": None},
                attempt(2, "unknown", 1, None, asked="not_there"),
                attempt(3, second=9),
            )
        ),
        nemesis=[KILLED],
    ),
    "one that was a probe more often than it may be tried": with_records(
        record(
            "sms",
            "sent",
            PROBE,
            *(attempt(n, "retryable", 9 * n, probe=n < 3) for n in (2, 3, 4)),
            attempt(5, second=50),
        )
    ),
    "a probe of a provider that is down": down(
        -20, 20, replace(GOOD, records=[record("sms", "sent", {**attempt(1), "probe": True}), record("email")])
    ),
    "one before all know that its provider is down": down(-4, 20),
    "one after its provider was found to be back": down(-20, -1),
    "one while another channel's provider is down": replace(
        down(-20, 20), breakers=[{**look, "channel": "slack", "provider": "slack"} for look in down(-20, 20).breakers]
    ),
    "one that is published again, as it was asked for again": replace(
        GOOD,
        client=[*paused(3, 60), {**REQUEST, "n": 1, "at": BEGAN + 19}],
        published=published(20),
    ),
    "one that is published again, as its message was given up": replace(
        GOOD,
        client=paused(3, 60),
        published=published(20),
        logs={"dead_letter": ['{"message": "published again: tries are left", "notification_id": "a"}']},
    ),
    "probes that are published while a provider is down": replace(down(10, 30), published=published(16, 18, 20, 22)),
    "what is published when its channel is resumed": replace(GOOD, client=paused(-60, -3), published=published(-1, -1)),
    "what is accepted while its channel is paused": replace(
        GOOD, client=paused(3, 60), published=published(20, whole=True)
    ),
    "one whose channel was just paused": replace(GOOD, client=paused(-4, 30)),
    "one whose channel was resumed before": replace(GOOD, client=paused(-60, -3)),
    "one whose channel is paused afterwards": replace(GOOD, client=paused(3, 30)),
    "one that goes while another channel is paused": replace(GOOD, client=paused(-60, 60, "slack")),
    "one that was claimed before its address was suppressed": replace(GOOD, client=suppressed(-3)),
    "one whose address is suppressed afterwards": replace(GOOD, client=suppressed(3)),
    "a duplicate after an unknown attempt": replace(
        with_records(record("sms", "sent", UNKNOWN, attempt(2, second=9))),
        witness=[accept(), accept("sms", 2, 9), accept("email")],
    ),
    "an attempt that was lost with its process": replace(
        with_records(record("sms", "sent", LOST, attempt(2, second=9))), nemesis=[KILLED]
    ),
    "a dead one with its reason": replace(
        with_records(record("sms", "dead", attempt(1, "retryable"), error="attempts used up")),
        witness=[accept("email")],
    ),
    "an answer that was lost, and asked for again": replace(
        GOOD,
        client=[REQUEST, {"event": "lost", "at": 1.2, "n": 0, "why": "x"}, {**REQUEST, "n": 1}, {**ANSWER, "n": 1}],
    ),
    "a request that nobody answered and that was taken": replace(GOOD, client=[REQUEST]),
    "a request that nobody answered and that was not taken": replace(
        GOOD, client=[*GOOD.client, {**REQUEST, "n": 1, "key": "other", "message": "Text of b"}]
    ),
    "a receipt": with_records(record("sms", "delivered")),
    "a receipt of an unknown attempt": with_records(record("sms", "delivered", UNKNOWN)),
    "a provider without ids": with_records(record(message_id=None)),
    "a retry in its time": with_records(record("sms", "sent", attempt(1, "retryable"), attempt(2, second=1))),
}


@pytest.mark.parametrize("case", FINE)
def test_what_may_happen_is_no_breach(case: str) -> None:
    assert breached(FINE[case]) == set()


def seen(*states: tuple[int, str, int]) -> Histories:
    """Versions, statuses and numbers of attempts of the sms."""
    observed = [{"id": "a", "channel": "sms", "version": v, "status": s, "attempts": n} for v, s, n in states]
    return replace(GOOD, observed=observed)


VERDICTS = {"event": "verdicts", "id": "a", "verdicts": {"sms": "cancelled"}}


def asked_how(**how: Any) -> list[Event]:
    """The client's history of a request that says how."""
    return [{**REQUEST, **how}, ANSWER]


def in_an_order(*others: Event) -> Histories:
    """Two to one address, of which b follows a, and others that do as well."""
    second = {"event": "request", "at": 2.0, "n": 1, "key": "l", "to": TO, "subject": "About a", "message": "Text of a"}
    answer = {"event": "answer", "at": 2.1, "n": 1, "status": 202, "id": "b"}
    records = [record("sms", id="b", follows="a", reason=None), record("email", id="b"), *others]
    witness = [*GOOD.witness, accept(notification_id="b"), accept("email", notification_id="b")]
    return replace(GOOD, client=[*GOOD.client, second, answer], records=[*GOOD.records, *records], witness=witness)


def behind_a_cancelled_one() -> Histories:
    """b follows c, which was cancelled untried, and which followed a; b came first."""
    made = in_an_order(record("sms", id="c", follows="a", status="cancelled", reason="cancelled", attempts=[]))
    records = [{**r, "follows": "c"} if (r["id"], r["channel"]) == ("b", "sms") else r for r in made.records]
    witness = [accept(second=1), accept("email"), accept(notification_id="b", second=0)]
    return replace(made, records=records, witness=witness)


LISTED = {"id": "a", "channel": "sms", "reasons": ["unknown_outcome"], "attempts": [[1, 2]]}


def sent_twice(*listed: Event) -> Histories:
    """The sms, by an unknown and by an accepted attempt; and what the API lists of it."""
    made = with_records(record("sms", "sent", {**UNKNOWN, "asked": "cannot_tell"}, attempt(2, second=9)))
    witness = [accept(second=0), accept(number=2, second=9), accept("email")]
    return replace(made, witness=witness, duplicates=list(listed))


BREACHES: dict[str, tuple[str, Callable[[], Histories]]] = {
    "one of which no endpoint was told": ("w", lambda: replace(GOOD, told=[])),
    "one sent again without a question": (
        "a",
        lambda: with_records(record("sms", "sent", {**UNKNOWN, "asked": None}, attempt(2, second=9))),
    ),
    "one sent again though its provider had it": (
        "a",
        lambda: with_records(record("sms", "sent", FOUND, attempt(2, second=9))),
    ),
    "one that is tried on though its provider has it": (
        "a",
        lambda: with_records(record("sms", "retrying", FOUND, error="busy", due_at=DUE)),
    ),
    "two that are sent by the same message": (
        "7",
        lambda: with_records(record("sms", "sent", FOUND, id="b"), record("sms", "sent")),
    ),
    "sent by a message that nobody has, as was said": (
        "7",
        lambda: with_records(record("sms", "sent", FOUND, message_id="m-9")),
    ),
    "sent, and its provider could not tell": (
        "7",
        lambda: with_records(record("sms", "sent", {**FOUND, "asked": "cannot_tell"})),
    ),
    "one to a provider that is down": ("b", lambda: down(-20, 20)),
    "two probes at once": (
        "b",
        lambda: down(
            -20,
            20,
            with_records(
                record("sms", "retrying", PROBE, error="busy", due_at=DUE, id="b"),
                record("sms", "retrying", {**PROBE, "at": "2026-01-01T00:00:01+00:00"}, error="busy", due_at=DUE),
            ),
        ),
    ),
    "many that are published while their provider is down": (
        "h",
        lambda: replace(down(10, 30), published=published(*[27] * 20)),
    ),
    "one that is published while its channel is paused": (
        "h",
        lambda: replace(GOOD, client=paused(3, 60), published=published(20)),
    ),
    "one over a channel that was paused": ("h", lambda: replace(GOOD, client=paused(-60, 60))),
    "one to an address that was suppressed before": ("p", lambda: replace(GOOD, client=suppressed(-10))),
    "one before its send_at": ("t", lambda: replace(GOOD, client=asked_how(send_at="2026-01-01T00:00:05Z"))),
    "one after its deliver_by": ("t", lambda: replace(GOOD, client=asked_how(deliver_by="2025-12-31T23:59:00Z"))),
    "one that was said to be cancelled": (
        "v",
        lambda: replace(GOOD, client=[*GOOD.client, VERDICTS]),
    ),
    "one before the one that it follows": (
        "o",
        lambda: replace(
            in_an_order(),
            witness=[accept(second=1), accept("email"), accept(notification_id="b", second=0)],
        ),
    ),
    "one before the one that it is behind": ("o", behind_a_cancelled_one),
    "two that follow the same one": ("o", lambda: in_an_order(record("sms", id="c", follows="a", reason=None))),
    "a step though the one before was sent": (
        "e",
        lambda: replace(
            GOOD,
            records=[record("sms"), record("email", "sent", attempt(1, second=9), escalates_from="sms")],
        ),
    ),
    "a 202 without a record": ("1", lambda: replace(GOOD, records=[record("email")], witness=[accept("email")])),
    "dead without a reason": ("1", lambda: with_records(record("sms", "dead", attempt(1, "retryable")))),
    "another text": ("2", lambda: replace(GOOD, witness=[accept(text="Text of b"), accept("email")])),
    "another address": ("2", lambda: replace(GOOD, witness=[accept(to="+14150000000"), accept("email")])),
    "another subject": ("2", lambda: replace(GOOD, witness=[accept(), accept("email", subject="About b")])),
    "what nobody asked for": ("2", lambda: replace(GOOD, witness=[*GOOD.witness, accept(notification_id="b", to="x")])),
    "a duplicate that is not listed": ("3", sent_twice),
    "a duplicate that is listed by another attempt": ("3", lambda: sent_twice({**LISTED, "attempts": [[2, 3]]})),
    "a duplicate that is listed as of who died": ("3", lambda: sent_twice({**LISTED, "reasons": ["lease_expired"]})),
    "what came once, and is listed": ("3", lambda: replace(GOOD, duplicates=[LISTED])),
    "a duplicate without a reason": ("3", lambda: replace(GOOD, witness=[*GOOD.witness, accept()])),
    "two duplicates for one reason": (
        "3",
        lambda: replace(
            with_records(record("sms", "sent", UNKNOWN, attempt(2, second=9))),
            witness=[*GOOD.witness, accept(), accept()],
        ),
    ),
    "an accept that no attempt tells of": (
        "3",
        lambda: with_records(record("sms", "failed", attempt(1, "permanent"), error="no")),
    ),
    "a lost attempt with nothing that lost it": (
        "3",
        lambda: with_records(record("sms", "sent", LOST, attempt(2, second=9))),
    ),
    "still on its way": ("4", lambda: with_records(record("sms", "retrying", error="busy", due_at=DUE))),
    "pending and never due": ("4", lambda: with_records(record("sms", "retrying", error="busy"))),
    "ended and due": ("4", lambda: with_records(record(due_at=DUE))),
    "sent, then sending": ("5", lambda: seen((3, "sent", 1), (4, "sending", 1))),
    "delivered, then sent": ("5", lambda: seen((3, "delivered", 1))),
    "an attempt that is gone": ("5", lambda: seen((3, "retrying", 2))),
    "one key, two notifications": ("6", lambda: replace(GOOD, client=[REQUEST, ANSWER, {**ANSWER, "id": "b"}])),
    "one key, twice on record": ("6", lambda: replace(GOOD, records=[*GOOD.records, record(id="b", error="x")])),
    "sent, and nobody has it": ("7", lambda: replace(GOOD, witness=[accept("email")])),
    "a message that nobody has": ("7", lambda: with_records(record(message_id="m-9"))),
    "the id of an earlier message, by a receipt of it": (
        "7",
        lambda: replace(
            with_records(record("sms", "delivered", UNKNOWN, attempt(2, second=9), message_id="m-1")),
            witness=[accept(), accept("sms", 2, 9), accept("email")],
        ),
    ),
    "tried after a permanent refusal": (
        "8",
        lambda: with_records(record("sms", "sent", attempt(1, "permanent"), attempt(2, second=9))),
    ),
    "tried after what an operator can mend": (
        "8",
        lambda: with_records(record("sms", "sent", attempt(1, "refused"), attempt(2, second=9))),
    ),
    "given up though an operator can mend it": (
        "8",
        lambda: with_records(record("sms", "failed", attempt(1, "refused"), error="invite the app")),
    ),
    "tried too often": (
        "8",
        lambda: with_records(
            record("sms", "sent", *(attempt(n, "retryable", second=9 * n) for n in range(1, 4)), attempt(4, second=50))
        ),
    ),
    "tried too early": ("8", lambda: with_records(record("sms", "sent", attempt(1, "retryable"), attempt(2)))),
    "an attempt that was not counted": ("8", lambda: with_records(record("sms", "sent", attempt(2)))),
    "a key in a log": ("9", lambda: replace(GOOD, logs={"sms": ["Bearer hark_live_0123456789abcdefghij"]})),
    "a text in a log": ("9", lambda: replace(GOOD, logs={"sms": ['{"x": "to canary-0123456789abcdef@example.com"}']})),
}


@pytest.mark.parametrize("case", BREACHES)
def test_each_breach_is_found(case: str) -> None:
    invariant, histories = BREACHES[case]
    assert invariant in breached(histories())


def test_a_refusal_that_an_operator_can_mend_is_dead_and_no_breach() -> None:
    dead = record("sms", "dead", attempt(1, "refused"), error="refused: invite the app")
    assert breached(replace(with_records(dead), witness=[accept("email")])) == set()


def test_each_invariant_has_a_breach_here() -> None:
    assert {number for number, _ in BREACHES.values()} == {name[0] for name in INVARIANTS}


def test_a_breach_is_told_without_the_secret() -> None:
    told = check(replace(GOOD, logs={"sms": ["hark_live_0123456789abcdefghij"]}), LIMITS)
    assert "0123456789abcdefghij" not in str(told)


def test_a_duplicate_that_is_listed_is_no_breach() -> None:
    assert breached(sent_twice(LISTED)) == set()


def told(channel: str = "sms", status: str = "sent", event_id: str = "evt_1") -> Event:
    data = {"notification_id": "a", "channel": channel, "status": status, "at": "2026-01-01T00:00:01Z"}
    return {"channel": "webhook", "message_id": event_id, "text": json.dumps({"type": "t", "data": data})}


def test_each_terminal_state_is_told_at_least_once_each_time_under_the_same_id() -> None:
    good = [told(), told(), told("email", event_id="evt_2")]
    assert breached(replace(GOOD, told=good)) == set()
    assert breached(replace(GOOD, told=good[:1])) == {"w"}
    assert breached(replace(GOOD, told=[*good, told(event_id="evt_3")])) == {"w"}
    seen = {"id": "a", "channel": "sms", "version": 4, "status": "failed", "attempts": 1}
    missed = replace(GOOD, told=good, observed=[*GOOD.observed, seen])
    assert "w" in breached(missed)
