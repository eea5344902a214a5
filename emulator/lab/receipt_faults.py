"""What goes wrong, if asked for, with the receipts that the lab sends by itself."""

from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from emulator.lab.faults import FIELDS, AnyFault, FieldError, InvalidFault, check

DELAY_SECONDS = 5.0
LONGEST_DELAY_SECONDS = 86_400.0


class ReceiptMode(StrEnum):
    DELAY = "delay"  # later than usual
    DOUBLE = "double"  # each request twice
    REORDER = "reorder"  # the last state first, each in a request of its own
    FORGE = "forge"  # before the true ones, one with a wrong signature that says the opposite
    EARLY = "early"  # before the provider's answer to the send
    OFF = "off"  # none
    BOUNCE = "bounce"  # there is no such address
    COMPLAINT = "complaint"  # after it has arrived, the person reports it as spam
    UNSUBSCRIBE = "unsubscribe"  # after it has arrived, the person wants no more


@dataclass(frozen=True)
class ReceiptFault(AnyFault[ReceiptMode]):
    seconds: float | None = None
    """How much later; of `delay` alone."""


def parse(document: object) -> ReceiptFault:
    """The fault that a decoded JSON document asks for. Raises InvalidFault naming every wrong field."""
    fields, errors = check(document, ReceiptMode, (*FIELDS, "seconds"))
    delayed = fields["mode"] is ReceiptMode.DELAY
    given = cast(dict[str, object], document).get("seconds")
    if given is None:
        seconds = DELAY_SECONDS if delayed else None
    elif delayed and type(given) in {int, float} and 0 <= cast(float, given) <= LONGEST_DELAY_SECONDS:
        seconds = cast(float, given)
    else:
        errors.append(FieldError("seconds", f"must be a number from 0 to {LONGEST_DELAY_SECONDS:g}, for delay alone"))
    if errors:
        raise InvalidFault(*errors)
    return ReceiptFault(**fields, seconds=seconds)
