"""EMAIL_SENDERS: the senders that a mail may name, as the operator wrote them.

    billing=Billing, Inc. <billing@example.com>; support="Help; Desk" <help@example.com>

Whether each is a sender the function says at its start: the gateway needs the names alone, and checks no address.
"""

import re
from collections.abc import Mapping
from typing import Any

# Up to a semicolon that is in no quoted string.
_ENTRY = re.compile(r'\s*(?P<name>[a-z0-9][a-z0-9_-]{0,62})\s*=\s*(?P<sender>(?:"(?:[^"\\]|\\.)*"|[^";])+?)\s*(?:;|\Z)')
_FORM = "must be name=sender, with semicolons between: billing=Billing <billing@example.com>; help=help@example.com"


def named_senders(text: Any) -> Any:
    """By name, what stands for each; whatever is no text as it is. Raises ValueError."""
    if not isinstance(text, str):
        return text
    found: dict[str, str] = {}
    at = 0
    text = text.strip().removesuffix(";").rstrip()
    while at < len(text):
        entry = _ENTRY.match(text, at)
        if entry is None:
            raise ValueError(_FORM)
        if entry["name"] in found:
            raise ValueError(f"names {entry['name']} twice")
        found[entry["name"]] = entry["sender"]
        at = entry.end()
    return found


def known(senders: Mapping[str, object]) -> str:
    """For people: which there are."""
    return ", ".join(sorted(senders)) or "none here"
