"""What will happen to a notification, and what has happened to one, in words that a support person reads.

Made of the records alone: each event has the code that stands on record, and a sentence.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from typing_extensions import TypedDict

from functions.gateway.web.problem_details import ProblemDetails
from shared.delivery.gate import Later, No, Permission, is_late
from shared.delivery.model import (
    ESCALATION_AFTER_RECEIPT,
    Attempt,
    Delivery,
    DeliveryStatus,
    Notification,
    NotificationStatus,
    Outcome,
    Rule,
    Step,
    Told,
    notification_status,
)
from shared.sending.channel_states import Hold

S = DeliveryStatus


class EventJson(TypedDict):
    """at: null for what has no time of its own; channel: null where it is of the whole notification"""

    at: datetime | None
    channel: str | None
    code: str
    text: str


class ExplanationJson(TypedDict):
    """events: what happened, in order; next: what each pending delivery waits for"""

    id: str
    status: NotificationStatus
    events: list[EventJson]
    next: list[EventJson]


class ForecastJson(TypedDict):
    """outcome: accepted or refused; problem: the answer that sending would get instead of the 202"""

    outcome: str
    problem: ProblemDetails | None
    events: list[EventJson]


def explained(notification: Notification, deliveries: Sequence[Delivery], now: datetime) -> ExplanationJson:
    events = [*_asked(notification), *(event for d in deliveries for event in _happened(d))]
    if notification.cancelled_at is not None:
        text = "It was cancelled: no attempt begins after this."
        events.append(_event(notification.cancelled_at, None, Rule.CANCELLED, text))
    return ExplanationJson(
        id=notification.id,
        status=notification_status(deliveries),
        events=sorted(events, key=lambda event: event["at"] or notification.created_at),
        next=[_next(d, now) for d in deliveries if d.pending],
    )


def forecast(
    notification: Notification,
    deliveries: Iterable[Delivery],
    permissions: Mapping[str, Permission],
    holds: Mapping[str, Hold],
) -> ForecastJson:
    """Of what would be accepted. permissions: by channel, what the records of whom it is for would say; holds: by
    channel, of those over which nothing goes now
    """
    events = _asked(notification)
    for delivery in deliveries:
        events.append(_would_go(notification, delivery, permissions[delivery.channel]))
        hold = holds.get(delivery.channel)
        if hold is not None and not delivery.simulated:
            text = f"It would wait as long as this lasts: {hold.what} since {_said(hold.since)}."
            events.append(_event(None, delivery.channel, hold.rule, text))
        if delivery.segments is not None:
            text = f"It is {_count(delivery.segments, 'segment')} in {delivery.encoding}."
            events.append(_event(None, delivery.channel, "segments", text))
    return ForecastJson(outcome="accepted", problem=None, events=events)


def refused(problem: ProblemDetails) -> ForecastJson:
    return ForecastJson(outcome="refused", problem=problem, events=[])


def _asked(n: Notification) -> list[EventJson]:
    """What the request said."""
    made = [_event(n.created_at, None, "accepted", f"It was accepted for {', '.join(n.channels)}.")]
    if n.template is not None:
        text = f"It was made of template {n.template.name}, version {n.template.version}, in {n.template.locale}."
        made.append(_event(n.created_at, None, "template", text))
    if n.simulated:
        made.append(_event(n.created_at, None, "simulated", "It was asked for with a test key: nobody gets anything."))
    if n.send_at is not None:
        made.append(_event(n.created_at, None, "send_at", f"It is to go at {_said(n.send_at)}, and not before."))
    if n.deliver_by is not None:
        made.append(_event(n.created_at, None, Rule.DELIVER_BY, f"No attempt begins after {_said(n.deliver_by)}."))
    if n.collapse_key is not None:
        text = "A newer one with its collapse_key takes its place, if that comes before it is sent."
        made.append(_event(n.created_at, None, Rule.COLLAPSE_KEY, text))
    if n.ordering_key is not None:
        text = "It goes when the one before it with its ordering_key has ended."
        made.append(_event(n.created_at, None, Rule.ORDER, text))
    made += [_event(n.created_at, step.channel, Rule.ESCALATION, _of_step(step)) for step in n.escalation[1:]]
    return made


def _of_step(step: Step) -> str:
    if step.after is None:
        return "It is tried when the channel before it ends without success."
    return (
        f"It is tried when the channel before it ends without success, or is not {step.unless} "
        f"after {_count(step.after, 'second')}."
    )


def _would_go(n: Notification, d: Delivery, said: Permission) -> EventJson:
    if isinstance(said, No):
        return _event(n.created_at, d.channel, said.rule, f"It would not be sent: {said.why}.")
    if isinstance(said, Later):
        return _event(said.until, d.channel, said.rule, f"It would wait until then. {_HELD[said.rule].format(d=d)}")
    if d.escalates_from is not None:
        return _event(d.next_try_at, d.channel, S.SCHEDULED, f"It would wait for {d.escalates_from}.")
    if d.status is S.SCHEDULED:
        return _event(n.send_at, d.channel, S.SCHEDULED, "It would be sent then.")
    when = "when those before it with its ordering_key have ended" if n.ordering_key is not None else "at once"
    return _event(n.created_at, d.channel, S.QUEUED, f"It would be sent {when}.")


def _happened(d: Delivery) -> Iterable[EventJson]:
    for attempt in d.attempts:
        yield _event(attempt.at, d.channel, attempt.outcome, _of_attempt(d, attempt))
        if attempt.reason == ESCALATION_AFTER_RECEIPT:
            text = f"It arrived, but {d.escalates_to} had already been tried: the person may have it twice."
            yield _event(attempt.at, d.channel, attempt.reason, text)
    if d.pending and d.reason in _HELD and d.status is not S.SENDING:
        yield _event(d.updated_at, d.channel, d.reason or "", _HELD[Rule(d.reason or "")].format(d=d))
    if d.reason == Rule.ORDER_BOUND:
        text = f"It was let go before notification {d.follows} had ended, which took too long."
        yield _event(d.updated_at, d.channel, d.reason, text)
    if not d.pending:
        code = d.reason if d.status in _BY_RULE and d.reason is not None else d.status
        yield _event(d.updated_at, d.channel, code, _ENDED[d.status].format(why=d.error or "nobody said why"))


def _of_attempt(d: Delivery, attempt: Attempt) -> str:
    provider = attempt.provider or d.provider
    by = f" by {provider}" if provider else ""
    why = f": {attempt.error}" if attempt.error else ""
    asked = "" if attempt.asked is None else f" {_TOLD[attempt.asked]}"
    return f"Attempt {attempt.number}{by} {_OUTCOMES[attempt.outcome]}{why}.{asked}"


_OUTCOMES = {
    Outcome.ACCEPTED: "was accepted",
    Outcome.RETRYABLE: "was not accepted, and may be later",
    Outcome.THROTTLED: "was put off",
    Outcome.PERMANENT: "was refused for good",
    Outcome.REFUSED: "was refused until an operator changes something",
    Outcome.UNKNOWN: "ended without an answer, so it may have arrived",
}

_TOLD = {
    Told.RECONCILED: "Asked later, the provider had it.",
    Told.NOT_THERE: "Asked before it was sent again, the provider did not have it.",
    Told.CANNOT_TELL: "Whether the provider has it could not be asked before it was sent again.",
}

_HELD = {
    Rule.ORDER: "It waits for notification {d.follows}, which has its ordering_key and came before it.",
    Rule.ESCALATION: "It waits for {d.escalates_from}.",
    Rule.QUIET_HOURS: "It waits for the end of the recipient's quiet hours.",
    Rule.FREQUENCY: "It waits for tomorrow: the person has had what they are to get of {d.category} in a day.",
    Rule.PEOPLE_UNREAD: "It waits, as what the person wants could not be read.",
    Rule.CHANNEL_PAUSED: "It waits until an operator resumes {d.channel}.",
    Rule.PROVIDER_DOWN: "It waits for its provider: {d.error}.",
    Rule.BEING_ASKED: "It waits until its provider can say whether a message that it has is this one.",
}

_UNTIL_A_TIME = frozenset({Rule.QUIET_HOURS, Rule.FREQUENCY, Rule.PEOPLE_UNREAD, Rule.BEING_ASKED})
"""What waits for no other delivery."""

_ENDED = {
    S.SENT: "The provider has it.",
    S.DELIVERED: "The provider reports that it reached the person.",
    S.UNDELIVERED: "The provider reports that it did not reach the person: {why}.",
    S.FAILED: "It will never go: {why}.",
    S.DEAD: "It has stopped, and can be replayed: {why}.",
    S.EXPIRED: "It was not sent in time: {why}.",
    S.CANCELLED: "It was cancelled: {why}.",
    S.SUPERSEDED: "It was not sent: {why}.",
    S.SUPPRESSED: "It was not sent: {why}.",
    S.DISCARDED: "An operator gave it up: {why}.",
}

_BY_RULE = frozenset({S.EXPIRED, S.CANCELLED, S.SUPERSEDED, S.SUPPRESSED})


def _next(d: Delivery, now: datetime) -> EventJson:
    if d.status is S.SENDING:
        text = "An attempt is under way. If nothing is heard of it by then, it is tried again."
        return _event(d.lease_until, d.channel, d.status, text)
    if is_late(d, now):
        return _event(d.deliver_by, d.channel, Rule.DELIVER_BY, "Its time is past: it expires when that is seen.")
    if d.reason == Rule.ESCALATION and d.after is not None:
        text = f"It goes then, unless {d.escalates_from} is {d.unless} before; sooner, if that ends without success."
        return _event(d.next_try_at, d.channel, d.reason, text)
    if d.reason == Rule.CHANNEL_PAUSED:
        return _event(None, d.channel, d.reason, f"It goes when an operator resumes {d.channel}.")
    if d.reason == Rule.PROVIDER_DOWN:
        text = "It goes when a provider is there, the oldest first. It is looked at again then."
        return _event(d.next_try_at, d.channel, d.reason, text)
    if d.reason in _UNTIL_A_TIME:
        return _event(d.next_try_at, d.channel, d.reason or "", "It is looked at again then.")
    if d.reason in _HELD:
        text = "It goes when that one has ended. By then it is looked at again."
        return _event(d.next_try_at, d.channel, d.reason or "", text)
    if d.status is S.SCHEDULED:
        return _event(d.next_try_at, d.channel, d.status, "It is sent then.")
    if d.earlier and d.attempts and d.attempts[-1].outcome is Outcome.THROTTLED:
        named = ", ".join(d.earlier.values())
        text = f"It goes when notification {named}, which it names, has been sent. It is looked at again then."
        return _event(d.next_try_at, d.channel, d.status, text)
    if d.next_try_at is not None and d.next_try_at > now + timedelta(seconds=1):
        return _event(d.next_try_at, d.channel, d.status, "It is tried again then.")
    return _event(d.due_at, d.channel, d.status, "It is with the channel's function; by then it is published again.")


def _event(at: datetime | None, channel: str | None, code: str, text: str) -> EventJson:
    return EventJson(at=at, channel=channel, code=str(code), text=text)


def _said(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _count(number: int, of: str) -> str:
    return f"{number} {of}" if number == 1 else f"{number} {of}s"
