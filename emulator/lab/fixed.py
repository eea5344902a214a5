"""Addresses that always behave one way, whatever faults are set: for demos, and for tests that share one."""

import re
from enum import Enum


class Behaviour(Enum):
    PERMANENT = "refused for good, every time"
    RETRY = "refused for now, every time"
    ONCE = "refused for now the first time, then accepted"
    UNDELIVERED = "accepted, and later reported undelivered"


ADDRESSES = {
    "permanent@fail.test": Behaviour.PERMANENT,
    "retry@fail.test": Behaviour.RETRY,
    "once@fail.test": Behaviour.ONCE,
    "undelivered@fail.test": Behaviour.UNDELIVERED,
    "+15005550001": Behaviour.PERMANENT,
    "+15005550002": Behaviour.RETRY,
    "+15005550003": Behaviour.ONCE,
    "+15005550009": Behaviour.UNDELIVERED,
    "fail-permanent": Behaviour.PERMANENT,
    "fail-retry": Behaviour.RETRY,
    "fail-once": Behaviour.ONCE,
}


_TAG = re.compile(r"\+[^@]*(?=@)")


def behaviour_of(to: str) -> Behaviour | None:
    """The behaviour of the first fixed address among the comma-separated recipients.

    `undelivered+2@fail.test` is `undelivered@fail.test`: Hark sends nothing more to an address that has bounced.
    """
    addresses = (_TAG.sub("", address.strip().removeprefix("#").casefold()) for address in to.split(","))
    return next((ADDRESSES[address] for address in addresses if address in ADDRESSES), None)
