"""Every error that Hark's own code raises and catches.

HarkError
├── SendError               what a provider says of one attempt
│   ├── Retryable           not accepted; may be later (5xx before acceptance, connection refused, 401/403)
│   ├── Throttled           not accepted; come back after `retry_after` seconds
│   ├── Permanent           not accepted, and never will be
│   ├── Refused             not accepted until an operator changes something (sender, service, region, invitation)
│   └── Unknown             the request may have left, and no answer says what became of it
├── StoreError
│   ├── AlreadyExists       a record with this id is there
│   ├── Conflict            the record changed since the version we know
│   ├── NotFound            no such record
│   ├── UnreadableRecord    a record is there, and this version cannot read it
│   └── StoreUnavailable    no answer, or a refusal that may pass; a write may have landed all the same
├── WrongState             the delivery's state does not allow what was asked of it
├── PublishFailed           Pub/Sub did not confirm; the message may be out all the same
├── MalformedPush           a push request that is none of ours
├── ForgedReceipt           a receipt without its provider's valid, recent signature
├── MalformedReceipt        a signed receipt that cannot be read
├── BodyTooLarge            a request whose body is over the limit
├── BodyTooSlow             a request whose body did not arrive in time
├── InvalidToken            a bearer token that proves nothing
└── KeysUnavailable         the issuer's keys cannot be had, so nobody can tell whether a token is valid

Messages name ids, codes and settings; never an address, a text or a secret.
"""

from typing import ClassVar

from shared.delivery.model import Outcome, SuppressionReason


class HarkError(Exception):
    """Root of all of Hark's errors."""


class SendError(HarkError):
    """Raised by a provider's `send`; its text goes on record as the attempt's error, `outcome` as how it ended."""

    outcome: ClassVar[Outcome]


class Retryable(SendError):
    """The provider did not accept the message and may later.

    `credentials` marks a refusal of our own key: an operator has to act, so it is logged as an error.
    """

    outcome = Outcome.RETRYABLE

    def __init__(self, text: str, *, credentials: bool = False) -> None:
        super().__init__(text)
        self.credentials = credentials


class Throttled(SendError):
    """The provider did not accept the message; `retry_after` is in seconds, None when it named no time."""

    outcome = Outcome.THROTTLED

    def __init__(self, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Permanent(SendError):
    """The provider refuses this message for good. `suppresses`: and whatever else goes to this address."""

    outcome = Outcome.PERMANENT

    def __init__(self, text: str, *, suppresses: SuppressionReason | None = None) -> None:
        super().__init__(text)
        self.suppresses = suppresses


class Refused(SendError):
    """The provider refuses the message for what only an operator can change; its text says what to do.

    The message is good: its delivery ends dead at once, and can be replayed when that is done.
    """

    outcome = Outcome.REFUSED


class Unknown(SendError):
    """The request may have left, and nothing tells whether the provider accepted it."""

    outcome = Outcome.UNKNOWN


class StoreError(HarkError):
    """Root of what a store raises."""


class AlreadyExists(StoreError):
    """A record with this id is there."""


class Conflict(StoreError):
    """The record changed since the version that the write was based on."""


class NotFound(StoreError):
    """No such record."""


class UnreadableRecord(StoreError):
    """A record is there, and this version cannot read it: a newer one wrote it, or it is damaged.

    Its text names the record by its path, and where the reading ended.
    """


class StoreUnavailable(StoreError):
    """No answer, or a refusal that may pass. A write may have landed."""


class WrongState(HarkError):
    """The delivery's state does not allow what was asked of it; its text says what would."""


class PublishFailed(HarkError):
    """Pub/Sub did not confirm the messages in time. They may be out all the same."""


class MalformedPush(HarkError):
    """A push request that does not hold one of our messages."""


class ForgedReceipt(HarkError):
    """The request is not the provider's: its signature is missing, wrong, too old or there twice."""


class MalformedReceipt(HarkError):
    """The provider signed it, and it is not what its documentation says."""


class BodyTooLarge(HarkError):
    """What was read of it is dropped."""


class BodyTooSlow(HarkError):
    """Its sender drips it, or has left."""


class InvalidToken(HarkError):
    """A token that is malformed, forged, expired, or meant for another audience."""


class KeysUnavailable(HarkError):
    """The issuer's keys cannot be fetched and none are kept."""
