"""The token in an unsubscribe link: what the link is about, encrypted. Whoever sees it learns nothing of a person.

A token is all that there is: nothing is looked up to open it, and it is good until its key is taken away
(docs/decisions/017-unsubscribe-tokens.md).
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from shared.delivery.model import CategoryClass

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

LONGEST = 600  # characters; with the longest names there are it has 588
SHORTEST_KEY = 32  # characters

_VERSION = 1
_WRITTEN = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """What an unsubscribe link is about: one message's address, its person and its category, as of when it was sent.

    address: by its keyed hash (`PeopleStore.suppression_id`)
    recipient: the person's name; None: the message was for an address
    """

    channel: str
    address: str
    recipient: str | None
    category: str
    category_class: CategoryClass
    locale: str | None


class UnsubscribeTokens:
    """Makes and opens them.

    keys: of at least `SHORTEST_KEY` characters; the first makes tokens, each opens what it has made
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys

    @cached_property
    def _fernet(self) -> "MultiFernet":
        # Its import takes 20 ms of a cold start: only who has to do with a token pays for it.
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415

        derived = [hashlib.sha256(key.encode()).digest() for key in self._keys]
        return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in derived])

    def make(self, about: Unsubscribe) -> str:
        """Of letters, digits, - and _ alone: it stands in a path as it is."""
        values = [
            _VERSION,
            about.channel,
            base64.urlsafe_b64encode(bytes.fromhex(about.address)).decode(),
            about.recipient,
            about.category,
            str(about.category_class),
            about.locale,
        ]
        sealed = self._fernet.encrypt(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode())
        return sealed.decode().rstrip("=")

    def opened(self, token: str) -> Unsubscribe | None:
        """None for whatever none of the keys has made. Costs next to nothing, whatever it is."""
        if len(token) > LONGEST or not _WRITTEN.fullmatch(token):
            return None
        padded = token + "=" * (-len(token) % 4)
        try:
            # One spelling a token: base64 has further ones, of which Fernet takes some.
            if base64.urlsafe_b64encode(base64.urlsafe_b64decode(padded)).decode() != padded:
                return None
        except ValueError:
            return None
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - as above

        try:
            return _read(self._fernet.decrypt(padded))
        except InvalidToken:
            return None


def _read(text: bytes) -> Unsubscribe | None:
    """None for what another version of this has written."""
    try:
        version, channel, address, recipient, category, class_, locale = json.loads(text)
        if version != _VERSION:
            return None
        hashed = base64.urlsafe_b64decode(address).hex()
        return Unsubscribe(channel, hashed, recipient, category, CategoryClass(class_), locale)
    except (ValueError, TypeError):
        return None
