"""Whether what happened may happen: a pure function of the histories and the final records.

Each invariant is a function that yields a Violation for each breach; INVARIANTS names them.
"""

import json
import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from operator import itemgetter

from shared.sending.breaker import PROBE_PAUSES
from shared.sending.channel_states import OBEYED
from shared.sending.pipeline import NO_TIME
from tests.edges import TERMINAL, reachable
from tests.faults.histories import Event, Histories

_WORD = re.compile("[0-9A-Za-z]+")
_CLOCK_SECONDS = 0.01  # of rounding, between two processes of one machine

_SENT = {"sent", "delivered", "undelivered"}
_REQUEST_SECONDS = 8.0  # that a request is worked at, at most
_GIVEN_UP = '"published again'  # in a line of dead_letter's log
_FREEZE_SECONDS = 30.0  # from a freeze on, for so long a process may do what was right before it

Delivery = tuple[str, str]
"""A notification's id, and a channel."""


@dataclass(frozen=True)
class Limits:
    """What the functions were told, in seconds where it is a time."""

    max_attempts: int
    retry_base: float
    retry_cap: float
    lease: float


@dataclass(frozen=True)
class Violation:
    invariant: str
    what: str


@dataclass(frozen=True)
class Facts:
    """The histories, as the invariants ask for them."""

    histories: Histories
    limits: Limits
    requests: dict[str, list[Event]]
    """By idempotency key; a request is made again under the same key."""
    answers: dict[str, list[Event]]
    """202s by idempotency key."""
    records: dict[Delivery, Event]
    accepts: dict[Delivery, list[Event]]
    """The witness's lines."""

    first_wrong_clock: float

    def clocks_were_right(self, record: Event) -> bool:
        """It was last written, by Firestore's clock, before any life had a wrong one: its times are what they say."""
        return bool(record["version"] / 1e9 < self.first_wrong_clock)


@dataclass(frozen=True)
class Hold:
    """From when to when it was known to all that nothing goes over a channel. provider: that was down; None: a pause"""

    channel: str
    start: float
    end: float
    provider: str | None = None


def _pauses(facts: Facts) -> list[Hold]:
    holds, since = list[Hold](), dict[str, float]()
    for event in facts.histories.client:
        if event["event"] == "paused":
            since[event["channel"]] = event["at"] + OBEYED
        elif event["event"] == "resuming" and event["channel"] in since:
            holds.append(Hold(event["channel"], since.pop(event["channel"]), event["at"]))
    return [*holds, *(Hold(channel, start, math.inf) for channel, start in since.items())]


def _outages(facts: Facts) -> list[Hold]:
    """Of each time that a breaker was open, as far as it was seen to be so: by the times of the looks, which need no
    function's clock to be right.
    """
    seen: dict[tuple[str, str, str], list[Event]] = defaultdict(list)
    for look in facts.histories.breakers:
        if look["open"]:
            seen[look["channel"], look["provider"], look["since"]].append(look)
    return [
        Hold(channel, looks[0]["at"] + OBEYED, looks[-1]["asked"], provider)
        for (channel, provider, _), looks in seen.items()
    ]


def check(histories: Histories, limits: Limits) -> list[Violation]:
    facts = _facts(histories, limits)
    return [Violation(name, what) for name, invariant in INVARIANTS.items() for what in invariant(facts)]


def _facts(histories: Histories, limits: Limits) -> Facts:
    requests: dict[str, list[Event]] = defaultdict(list)
    answers: dict[str, list[Event]] = defaultdict(list)
    keys: dict[int, str] = {}
    for event in histories.client:
        if event["event"] == "request":
            keys[event["n"]] = event["key"]
            requests[event["key"]].append(event)
        elif event["event"] == "answer" and event["status"] == 202:
            answers[keys[event["n"]]].append(event)
    accepts: dict[Delivery, list[Event]] = defaultdict(list)
    for line in histories.witness:
        accepts[line["notification_id"], line["channel"]].append(line)
    records = {(record["id"], record["channel"]): record for record in histories.records}
    wrong = (event["at"] for event in histories.nemesis if event["event"] == "clock")
    return Facts(histories, limits, requests, answers, records, accepts, min(wrong, default=math.inf))


def nothing_is_lost(facts: Facts) -> Iterator[str]:
    """Each 202 ends with a provider's accept, or in a terminal state with a reason."""
    for key, answers in facts.answers.items():
        for channel in facts.requests[key][0]["to"]:
            at = (answers[0]["id"], channel)
            record = facts.records.get(at)
            if record is None:
                yield f"{at} was answered with 202 and has no record"
            elif record["status"] not in {"sent", "delivered"} and not record["error"]:
                yield f"{at} ended {record['status']} without a reason"


WITH_SUBJECT = {"email", "push"}


def only_what_was_asked_is_sent(facts: Facts) -> Iterator[str]:
    """To the address, with the subject, where the channel has one, and the text of a request."""
    asked: dict[tuple[str, str], set[tuple[str | None, str]]] = defaultdict(set)
    for requests in facts.requests.values():
        for request in requests:
            for channel, address in request["to"].items():
                subject = request["subject"] if channel in WITH_SUBJECT else None
                asked[channel, address].add((subject, request["message"]))
    for (notification_id, channel), lines in facts.accepts.items():
        for line in lines:
            subject = line["subject"] if channel in WITH_SUBJECT else None
            if (subject, line["text"]) not in asked[channel, line["to"]]:
                yield f"({notification_id}, {channel}) was sent, and nobody asked for it so"
            if (notification_id, channel) not in facts.records:
                yield f"({notification_id}, {channel}) was sent and has no record"


def every_duplicate_has_its_reason(facts: Facts) -> Iterator[str]:
    """Each accept is an attempt on record: the one that was accepted, or one of which nobody knows how it ended."""
    for at, lines in facts.accepts.items():
        outcomes = Counter(a["outcome"] for a in facts.records.get(at, {"attempts": []})["attempts"])
        if len(lines) > outcomes["unknown"] + min(outcomes["accepted"], 1):
            yield f"{at} was accepted {len(lines)} times, with attempts {dict(outcomes)}"


def every_reason_is_true(facts: Facts) -> Iterator[str]:
    """An attempt is only lost with its process, with Firestore, or where a clock is wrong."""
    disturbed = sorted(_disturbances(facts))
    for at, record in facts.records.items():
        if not facts.clocks_were_right(record):
            continue
        for attempt in record["attempts"]:
            if attempt["outcome"] == "unknown" and attempt["duration_ms"] is None:
                began = datetime.fromisoformat(attempt["at"]).timestamp()
                next_one = bisect_left(disturbed, began - 1)
                if next_one == len(disturbed) or disturbed[next_one] > began + facts.limits.lease + 1:
                    yield f"{at} has an attempt that was lost, and nothing had happened"


def all_is_ended(facts: Facts) -> Iterator[str]:
    """After the drain nothing is pending."""
    for at, record in facts.records.items():
        if record["status"] not in TERMINAL and record["due_at"]:
            yield f"{at} is still {record['status']}"


def only_what_is_pending_is_due(facts: Facts) -> Iterator[str]:
    """And all of it is: without a due time nothing brings it back, however long one waits."""
    for at, record in facts.records.items():
        if (record["status"] not in TERMINAL) != bool(record["due_at"]):
            yield f"{at} is {record['status']} and {'still' if record['due_at'] else 'never'} due"


def states_follow_their_edges(facts: Facts) -> Iterator[str]:
    """Of two states that were seen one after the other, the second can come of the first; attempts only grow."""
    seen: dict[Delivery, list[Event]] = defaultdict(list)
    for event in (*facts.histories.observed, *facts.histories.records):
        attempts = event["attempts"]
        count = attempts if isinstance(attempts, int) else len(attempts)
        seen[event["id"], event["channel"]].append({**event, "count": count})
    for at, states in seen.items():
        states.sort(key=lambda state: state["version"])
        for before, after in pairwise(states):
            if before["version"] == after["version"]:
                continue
            if not reachable(before["status"], after["status"]):
                yield f"{at} went from {before['status']} to {after['status']}"
            if after["count"] < before["count"]:
                yield f"{at} had {before['count']} attempts, then {after['count']}"


def one_key_is_one_notification(facts: Facts) -> Iterator[str]:
    for key, answers in facts.answers.items():
        if len({answer["id"] for answer in answers}) > 1:
            yield f"the key {key} was answered with {sorted({answer['id'] for answer in answers})}"
    asked = Counter(request["message"] for requests in facts.requests.values() for request in requests[:1])
    for message, times in Counter(r["message"] for r in _notifications(facts)).items():
        if times > asked[message]:
            yield f"a request that was made under one key is on record {times} times"


def what_may_be_twice_is_listed(facts: Facts) -> Iterator[str]:
    """What the API lists as duplicates is what a provider has more than once, and whatever else may have come twice."""
    if facts.histories.duplicates is None:
        return
    listed = {(event["id"], event["channel"]): event for event in facts.histories.duplicates}
    for at, accepts in facts.accepts.items():
        if len(accepts) > 1 and at not in listed:
            yield f"{at} was accepted {len(accepts)} times, and is not listed"
    for at, record in facts.records.items():
        may = [a["number"] for a in record["attempts"] if a["outcome"] in {"accepted", "unknown"}]
        pairs = [list(pair) for pair in pairwise(may)]
        said = listed.get(at, {"attempts": [], "reasons": []})
        # After an escalation the second attempt is another channel's.
        own = [p for p, r in zip(said["attempts"], said["reasons"], strict=True) if r != "escalation_after_receipt"]
        if own != pairs:
            yield f"{at} may have come twice by {pairs}, and {own} is listed"
        for (first, _), reason in zip(said["attempts"], said["reasons"], strict=True):
            died = (
                record["attempts"][first - 1]["outcome"] == "unknown"
                and not record["attempts"][first - 1]["duration_ms"]
            )
            if reason == "lease_expired" and not died:
                yield f"{at}: {reason}, and its attempt {first} has ended"


def sent_means_accepted(facts: Facts) -> Iterator[str]:
    """And its message is the one that was accepted while the attempt lasted that is on record as accepted.

    One that was found by asking may be of another delivery, with the same text: their provider cannot tell them apart.
    But each has one of its own.
    """
    alike: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for line in facts.histories.witness:
        alike[line["channel"], line["text"]].append(line)
    has: dict[tuple[str, str], Delivery] = {}
    for at, record in facts.records.items():
        if record["status"] not in _SENT:
            continue
        message = (at[1], record["message_id"] or f"of {at[0]}")
        # By a clock that is ahead a message seems to be older than whoever may still be writing its id down.
        if facts.clocks_were_right(record) and has.setdefault(message, at) != at:
            yield f"{at} and {has[message]} are sent by the same message"
        found = any(attempt["asked"] == "reconciled" for attempt in record["attempts"])
        accepts = alike.get((at[1], record["message"])) if found else facts.accepts.get(at)
        said = found or any(attempt["outcome"] == "accepted" for attempt in record["attempts"])
        if record["status"] == "sent" and not said:
            yield f"{at} is sent, and no provider has said so"
        if not accepts:
            yield f"{at} is {record['status']}, and no provider has it"
        elif record["message_id"] is not None and facts.clocks_were_right(record):
            made = [_moment(line) for line in accepts if line["message_id"] == record["message_id"]]
            if not made:
                yield f"{at} is {record['status']} by a message that no provider has"
            elif (last := record["attempts"][-1])["outcome"] == "accepted":
                began = _moment(last)
                ended = began + last["duration_ms"] / 1000
                if not any(began - _CLOCK_SECONDS < accepted < ended + _CLOCK_SECONDS for accepted in made):
                    yield f"{at} has the id of another message than the one that was accepted last"


def _moment(event: Event) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def attempts_keep_to_the_policy(facts: Facts) -> Iterator[str]:
    """A refusal is the last, and is dead if an operator can mend it; others come at most so often, not too early.

    A throttled one uses none of a delivery's attempts up, and neither does a probe.
    """
    for at, record in facts.records.items():
        attempts = record["attempts"]
        if [attempt["number"] for attempt in attempts] != list(range(1, len(attempts) + 1)):
            yield f"{at} has attempts numbered {[attempt['number'] for attempt in attempts]}"
        if any(attempt["outcome"] in {"permanent", "refused"} for attempt in attempts[:-1]):
            yield f"{at} was tried again after a refusal"
        # A receipt can tell that an earlier attempt, which ended unknown, has arrived.
        if attempts and attempts[-1]["outcome"] == "refused" and record["status"] not in {"dead", "delivered"}:
            yield f"{at} is {record['status']} after a refusal that an operator can mend"
        tries = [a for a in attempts if a["outcome"] != "throttled" and not a.get("probe")]
        # One more may be the accept that came in a claim which the limit allowed.
        if len(tries) > facts.limits.max_attempts:
            yield f"{at} was tried {len(tries)} times"
        if facts.clocks_were_right(record):
            yield from _too_early(at, attempts, facts.limits)


def nothing_is_told(facts: Facts) -> Iterator[str]:
    """No address, text or key is in a log. Said without repeating it."""
    texts = {max(_WORD.findall(text), key=len) for text in facts.histories.texts}
    for name, lines in facts.histories.logs.items():
        for number, line in enumerate(lines, start=1):
            if facts.histories.api_key in line or not texts.isdisjoint(_WORD.findall(line)):
                yield f"line {number} of {name}.log has an address, a text or a key"


def nothing_is_sent_at_another_time(facts: Facts) -> Iterator[str]:
    """No attempt begins before its send_at, none at its deliver_by or later."""
    for key, answers in facts.answers.items():
        request = facts.requests[key][0]
        for channel in request["to"]:
            record = facts.records.get((answers[0]["id"], channel))
            if record is None or not facts.clocks_were_right(record):
                continue
            begun = [_moment(attempt) for attempt in record["attempts"]]
            if begun and "send_at" in request and begun[0] < _time(request["send_at"]) - _CLOCK_SECONDS:
                yield f"({record['id']}, {channel}) was sent {_time(request['send_at']) - begun[0]:.3f} s early"
            if begun and "deliver_by" in request and begun[-1] >= _time(request["deliver_by"]) + _CLOCK_SECONDS:
                yield f"({record['id']}, {channel}) was sent {begun[-1] - _time(request['deliver_by']):.3f} s late"


def verdicts_are_true(facts: Facts) -> Iterator[str]:
    """What was said to be cancelled in time has not arrived."""
    for event in facts.histories.client:
        for channel, verdict in event.get("verdicts", {}).items():
            at = (event["id"], channel)
            record = facts.records.get(at)
            right = record is not None and facts.clocks_were_right(record)
            if verdict == "cancelled" and right and facts.accepts.get(at):
                yield f"{at} was said to be cancelled, and a provider has it"


def an_order_is_kept(facts: Facts) -> Iterator[str]:
    """What follows another with its ordering key arrives after it, by the witness, or has it on record that it did not
    wait.
    """
    followed: dict[Delivery, Delivery] = {}
    for at, record in facts.records.items():
        if not record.get("follows"):
            continue
        before = (record["follows"], at[1])
        if followed.setdefault(before, at) != at:
            yield f"{at} and {followed[before]} follow the same one"
        before = _in_turn(facts, before)
        first, earlier = facts.accepts.get(at, []), facts.accepts.get(before, [])
        waited = record["reason"] != "order_bound" and facts.clocks_were_right(record)
        if first and earlier and waited and _moment(first[0]) < _moment(earlier[0]):
            yield f"{at} arrived before {before[0]}, which it follows"


def _in_turn(facts: Facts, before: Delivery) -> Delivery:
    """Behind one that ended untried is behind the one that it followed."""
    while (record := facts.records.get(before)) and not record["attempts"] and record.get("follows"):
        before = (record["follows"], before[1])
    return before


def a_step_is_taken_when_it_is_needed(facts: Facts) -> Iterator[str]:
    """None begins when the one before it has been sent for a second; nobody has asked for `delivered`."""
    for at, record in facts.records.items():
        before = facts.records.get((at[0], record.get("escalates_from") or ""))
        attempts = record["attempts"]
        if before is None or not attempts or before["status"] not in {"sent", "delivered"}:
            continue
        last = before["attempts"][-1]
        if last["outcome"] == "accepted" and facts.clocks_were_right(record) and facts.clocks_were_right(before):
            ended = _moment(last) + last["duration_ms"] / 1000
            if _moment(attempts[0]) > ended + facts.limits.lease:
                yield f"{at} was sent, though {before['channel']} had been"


def nothing_is_sent_after_a_suppression(facts: Facts) -> Iterator[str]:
    """What is claimed after the suppression was answered is not sent: an attempt begins within its claim's lease."""
    since: dict[Delivery, float] = {}
    for event in facts.histories.client:
        if event["event"] == "suppressed":
            since.setdefault((event["channel"], event["address"]), event["at"])
    for key, answers in facts.answers.items():
        for channel, address in facts.requests[key][0]["to"].items():
            record = facts.records.get((answers[0]["id"], channel))
            suppressed_at = since.get((channel, address))
            if record is None or suppressed_at is None or not facts.clocks_were_right(record):
                continue
            for attempt in record["attempts"]:
                made = attempt["duration_ms"] is not None  # else its claim was lost, and nobody knows
                if made and _moment(attempt) > suppressed_at + facts.limits.lease + _CLOCK_SECONDS:
                    yield f"({record['id']}, {channel}) was sent {_moment(attempt) - suppressed_at:.1f} s after that"


def nothing_is_sent_over_a_paused_channel(facts: Facts) -> Iterator[str]:
    """What is claimed five seconds after the pause was answered, until its end is asked for, is not sent."""
    pauses = _pauses(facts)
    for record in facts.histories.records:
        for pause in pauses:
            channel, start, end = pause.channel, pause.start, pause.end
            if record.get("channel") != channel or not facts.clocks_were_right(record):
                continue
            for attempt in record["attempts"]:
                made = attempt["duration_ms"] is not None
                if made and start + facts.limits.lease + _CLOCK_SECONDS < _moment(attempt) < end - _CLOCK_SECONDS:
                    yield f"({record['id']}, {channel}) was sent {_moment(attempt) - start:.1f} s after it was to stop"


def a_provider_that_is_down_is_left_alone(facts: Facts) -> Iterator[str]:
    """While its breaker is open it gets no call but probes, and these one at a time, with their pauses between."""
    for hold in _outages(facts):
        probes: list[tuple[float, Delivery]] = []
        for at, record in facts.records.items():
            if at[1] != hold.channel or not facts.clocks_were_right(record):
                continue
            for attempt in record["attempts"]:
                began = _moment(attempt)
                made = attempt["duration_ms"] is not None and attempt.get("error") != NO_TIME
                if not made or not hold.start + _CLOCK_SECONDS < began < hold.end - _CLOCK_SECONDS:
                    continue
                if _is_after_a_freeze(facts, began):
                    continue
                if attempt["probe"]:
                    probes.append((began, at))
                elif attempt["provider"] == hold.provider:
                    yield f"{at} was sent {began - hold.start + OBEYED:.1f} s after {hold.provider} was found down"
        for (first, _), (second, at) in pairwise(sorted(probes)):
            if second - first < PROBE_PAUSES[0].total_seconds() and second < facts.first_wrong_clock:
                yield f"{at} was a probe of {hold.provider} {second - first:.2f} s after another"


def _is_after_a_freeze(facts: Facts, at: float) -> bool:
    return any(
        event["event"] == "freeze" and at - _FREEZE_SECONDS < event["at"] < at for event in facts.histories.nemesis
    )


def what_is_held_is_not_published(facts: Facts) -> Iterator[str]:
    """By the relay; of one whose provider is down it publishes no more than one a second, to be its probe."""
    relayed = list(_relayed(facts))
    for hold in (*_pauses(facts), *_outages(facts)):
        start = hold.start + facts.limits.lease  # a sweep that has begun before goes on with what it has read
        times = sum(start < at < hold.end for channel, at in relayed if channel == hold.channel)
        let = 0 if hold.provider is None else 2 + max(hold.end - start, 0)
        if times > let:
            yield f"{times} were published of {hold.channel} within {hold.end - start:.0f} s in which it was held"


def _relayed(facts: Facts) -> Iterator[tuple[str, float]]:
    """The channel and the time of what only the relay can have published. One that was published whole at first waits
    for no other, and the gateway publishes it again when it is asked for again; `dead_letter` says when it does.
    """
    asked = {
        answers[0]["id"]: [request["at"] for request in facts.requests[key]] for key, answers in facts.answers.items()
    }
    given_up = {
        json.loads(line)["notification_id"] for line in facts.histories.logs.get("dead_letter", []) if _GIVEN_UP in line
    }
    whole: dict[Delivery, float] = {}
    for event in sorted(facts.histories.published, key=itemgetter("published")):
        at, published = (event["id"], event["channel"]), event["published"]
        if event["whole"]:
            whole.setdefault(at, published)
        elif at in whole and at[0] in asked and at[0] not in given_up:
            by_gateway = any(when - 1 < published < when + _REQUEST_SECONDS for when in asked[at[0]])
            if not by_gateway and not _is_after_a_freeze(facts, published):
                yield event["channel"], published


def who_does_not_know_asks_first(facts: Facts) -> Iterator[str]:
    """Before another attempt its provider is asked what became of the last; what it has is not sent again.

    What was asked before an attempt that died with its process is not on record. Who could not tell when it was asked
    first may say later that it had it: then no attempt that came between may have gone well.
    """
    for at, record in facts.records.items():
        for before, after in pairwise(record["attempts"]):
            if before["outcome"] != "unknown":
                continue
            if before["asked"] is None and after["duration_ms"] is not None:
                yield f"{at} was sent again, and nobody had asked what became of attempt {before['number']}"
        had = [attempt["number"] for attempt in record["attempts"] if attempt.get("asked") == "reconciled"]
        if had and any(a["outcome"] == "accepted" for a in record["attempts"] if a["number"] > had[0]):
            yield f"{at} was sent again, though its provider had it"
        if had and record["status"] not in _SENT:
            yield f"{at} is {record['status']}, though its provider has it"


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def each_terminal_state_is_told(facts: Facts) -> Iterator[str]:
    """A live endpoint has heard of each that is on record, or was seen there; a repeat has the same id."""
    if facts.histories.told is None:
        return
    ids: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for event in facts.histories.told:
        data = json.loads(event["text"])["data"]
        ids[data["notification_id"], data["channel"], data["status"], data["at"]].add(event["message_id"])
    seen = (each for each in (*facts.histories.observed, *facts.histories.records) if each["status"] in TERMINAL)
    ended = {(each["id"], each["channel"], each["status"]) for each in seen}
    for notification_id, channel, status in sorted(ended - {change[:3] for change in ids}):
        yield f"no endpoint was told that {notification_id}/{channel} is {status}"
    for change, under in ids.items():
        if len(under) > 1:
            yield f"{change} was told under {len(under)} ids"


INVARIANTS: dict[str, Callable[[Facts], Iterator[str]]] = {
    "1 nothing is lost": nothing_is_lost,
    "2 only what was asked is sent": only_what_was_asked_is_sent,
    "3 every duplicate has its reason": every_duplicate_has_its_reason,
    "3 every reason is true": every_reason_is_true,
    "3 what may be twice is listed": what_may_be_twice_is_listed,
    "4 all is ended": all_is_ended,
    "4 only what is pending is due": only_what_is_pending_is_due,
    "5 states follow their edges": states_follow_their_edges,
    "6 one key is one notification": one_key_is_one_notification,
    "7 sent means accepted": sent_means_accepted,
    "8 attempts keep to the policy": attempts_keep_to_the_policy,
    "9 nothing is told": nothing_is_told,
    "t nothing is sent at another time": nothing_is_sent_at_another_time,
    "v verdicts are true": verdicts_are_true,
    "o an order is kept": an_order_is_kept,
    "p nothing is sent after a suppression": nothing_is_sent_after_a_suppression,
    "h nothing is sent over a paused channel": nothing_is_sent_over_a_paused_channel,
    "h what is held is not published": what_is_held_is_not_published,
    "b a provider that is down is left alone": a_provider_that_is_down_is_left_alone,
    "a who does not know asks first": who_does_not_know_asks_first,
    "e a step is taken when it is needed": a_step_is_taken_when_it_is_needed,
    "w each terminal state is told": each_terminal_state_is_told,
}


def _disturbances(facts: Facts) -> Iterator[float]:
    """When a process died or froze, or Firestore failed: from when to when."""
    for event in facts.histories.nemesis:
        if not event["event"].startswith(("lab", "life", "topic", "clock")):
            yield event["at"]
            yield event["at"] + event.get("seconds", 0)
    yield from (death["time"] for death in facts.histories.deaths)


def _notifications(facts: Facts) -> list[Event]:
    return list({record["id"]: record for record in facts.records.values()}.values())


def _too_early(at: Delivery, attempts: list[Event], limits: Limits) -> Iterator[str]:
    """After the n-th failure at least half of base·2^(n-1), at most half of the cap.

    Of a lost attempt nobody knows when it ended.
    """
    failures = 0
    for before, after in pairwise(attempts):
        failures += before["outcome"] != "throttled"
        if before["outcome"] not in {"retryable", "unknown"} or before["duration_ms"] is None:
            continue
        ended = datetime.fromisoformat(before["at"]).timestamp() + before["duration_ms"] / 1000
        pause = min(limits.retry_base * 2 ** (failures - 1), limits.retry_cap) / 2
        waited = datetime.fromisoformat(after["at"]).timestamp() - ended
        if waited < pause - 0.01:
            yield f"{at} was tried again after {waited:.3f} s, and not {pause:.3f}"
