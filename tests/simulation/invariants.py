"""What must hold of every history."""

from dataclasses import replace
from enum import StrEnum

from shared.delivery.model import Attempt, Delivery, DeliveryStatus, Outcome, Rule
from shared.delivery.retries import Policy
from tests.edges import ARRIVED_AFTER_ALL, EDGES, TERMINAL

S = DeliveryStatus


class Invariant(StrEnum):
    ENDS = "what was accepted is sent, or ends with a reason"
    ASKED = "nothing is sent that nobody asked for"
    DUPLICATE = "each accept but one has its unknown attempt on record"
    QUIET = "what is pending has a due time, and in the end nothing is pending"
    EDGES = "states change only as declared"
    ONE_ID = "one idempotency key, one notification"
    TRUTH = "what is on record of a provider is what it said"
    TRIES = "attempts are counted, bounded, not early and never changed"
    ACKED = "a message is acked only when it is not needed any more"
    CANCELLED = "nothing is sent after it is on record as cancelled"
    TIME = "nothing is sent before its send_at, and nothing begins at its deliver_by or later"
    ORDER = "of those with one ordering key each is sent when the one before has ended, or that took too long on record"
    COLLAPSE = "what is sent is the newest with its collapse key"
    ESCALATION = "a step goes when the one before has ended without success, or has had its time"
    PERSON = "nothing is sent that what was on record of the person before the claim stops, or holds back"
    PAUSED = "nothing is claimed and sent over a channel five seconds after it was paused, until it is resumed"
    FAILOVER = "what a provider may have, and cannot tell, goes to another only with the reason on record"
    DOWN = (
        "while a provider has been known to be down for five seconds nobody calls it but for one probe after the other"
    )
    AUDIENCE = "a broadcast goes to each of its audience once, and to nobody else"
    TOLD = "what a person has said and was answered is on record"
    EVENTS = "each change of a delivery is told, each time it is under the same id, and nothing else is"
    LEASE = "no call may take longer than its lease"
    FAULTLESS = "nothing is raised that nobody expects"


class Violation(Exception):
    """One of them does not hold."""

    def __init__(self, invariant: Invariant, what: str) -> None:
        super().__init__(f"{invariant.name}: {what}")
        self.invariant = invariant


ENDED = TERMINAL
LAST = {
    Outcome.PERMANENT: {S.FAILED, S.DELIVERED, S.UNDELIVERED},
    Outcome.REFUSED: {S.DEAD, S.DISCARDED, S.DELIVERED, S.UNDELIVERED},
}
"""An attempt that ended so is the last of its round, and what the delivery may be from then on. It may end delivered
all the same: when an earlier attempt, which ended unknown, turns out to have arrived; and undelivered after that, when
the provider then says otherwise."""
ACCEPTED = {S.SENT, S.DELIVERED, S.UNDELIVERED}
"""A provider has it, and its message's id is on record."""


def touched(old: Delivery, new: Delivery) -> bool:
    """Whether the write is the relay's, which moves the due time on and nothing else."""
    return (old.status, old.claim, old.attempts, old.updated_at) == (
        *(new.status, new.claim, new.attempts, new.updated_at),
    )


def check_write(old: Delivery, new: Delivery, policy: Policy) -> None:
    """One write of a delivery, at the moment when it lands. Raises Violation."""
    # A receipt may add why one of them was sent twice; its provider, what it says of it.
    kept = tuple(replace(attempt, reason=None, asked=None) for attempt in new.attempts[: len(old.attempts)])
    if kept != tuple(replace(attempt, reason=None, asked=None) for attempt in old.attempts):
        raise Violation(Invariant.TRIES, f"{_of(old)} was changed to {_of(new)}")
    if new.pending != (new.due_at is not None):
        raise Violation(Invariant.QUIET, f"{new.status} with the due time {new.due_at}")
    if touched(old, new) and (new.pending or (old.untold and not new.untold)):  # which has been told
        return
    unsure = any(attempt.outcome is Outcome.UNKNOWN for attempt in new.attempts)
    arrived = new.status is S.DELIVERED and old.status in ARRIVED_AFTER_ALL and unsure
    if new.status not in EDGES.get(old.status, set()) and not arrived:
        raise Violation(Invariant.EDGES, f"{old.status} → {new.status}")
    if old.status in ACCEPTED and old.provider_message_id != new.provider_message_id:
        raise Violation(Invariant.TRUTH, f"{old.provider_message_id} was sent, {new.provider_message_id} is on record")
    _check_attempts(new, policy)
    if new.status is S.SENDING:
        _check_claim(old, new)
    if new.status is S.CANCELLED:
        _check_cancel(old, new)


def _check_claim(old: Delivery, new: Delivery) -> None:
    """All by the clock of the process that claims: what others' clocks show is no matter of this write."""
    assert new.claimed_at is not None
    waited_for_another = old.reason in {Rule.ORDER, Rule.ESCALATION}
    if old.next_try_at is not None and new.claimed_at < old.next_try_at and not waited_for_another:
        raise Violation(Invariant.TRIES, f"claimed {old.next_try_at - new.claimed_at} early")
    if old.status is S.SENDING:
        if old.lease_until is not None and new.claimed_at < old.lease_until:
            raise Violation(Invariant.EDGES, "claimed under another's lease")
        if [attempt.outcome for attempt in new.attempts[len(old.attempts) :]] != [Outcome.UNKNOWN]:
            raise Violation(Invariant.DUPLICATE, "a lost attempt is not on record")


def _check_cancel(old: Delivery, new: Delivery) -> None:
    """By the clock of the process that cancels."""
    assert new.updated_at is not None
    if old.lease_until is not None and new.updated_at < old.lease_until:
        raise Violation(Invariant.CANCELLED, "cancelled while somebody may be sending it")


def _check_attempts(new: Delivery, policy: Policy) -> None:
    if [attempt.number for attempt in new.attempts] != list(range(1, len(new.attempts) + 1)):
        raise Violation(Invariant.TRIES, f"attempts are numbered {[a.number for a in new.attempts]}")
    if counted(new.attempts[new.round_start :]) > policy.max_attempts:
        raise Violation(Invariant.TRIES, f"{_of(new)} are more than {policy.max_attempts} in a round")
    this_round = [attempt.outcome for attempt in new.attempts[new.round_start :]]
    if any(outcome in LAST for outcome in this_round[:-1]):
        raise Violation(Invariant.TRIES, f"tried again after a refusal: {_of(new)}, {new.status}")
    ends = LAST.get(this_round[-1]) if this_round else None
    if ends is not None and new.status not in ends:
        raise Violation(Invariant.TRIES, f"{new.status} after a refusal: {_of(new)}")


def counted(attempts: tuple[Attempt, ...]) -> int:
    return sum(attempt.outcome is not Outcome.THROTTLED and not attempt.probe for attempt in attempts)


def called(attempts: tuple[Attempt, ...]) -> int:
    return sum(attempt.outcome is not Outcome.THROTTLED for attempt in attempts)


def _of(delivery: Delivery) -> str:
    return "[" + ", ".join(attempt.outcome for attempt in delivery.attempts) + "]"
