"""API keys: `hark_<kind>_<caller's id>_<secret>`.

The id finds the caller's record in one read; the secret has 256 random bits, so that a plain SHA-256 of the key tells
a thief of the records nothing (a slow hash protects what people choose, and would cost each request its time).
"""

import hashlib
import hmac
import re
import secrets
from datetime import datetime

from functions.gateway.access.caller import Caller, CallerKind, Key

_KEY = re.compile(r"hark_(live|test|team)_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


def new_caller_id() -> str:
    return secrets.token_hex(8)


def is_caller_id(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{16}", text) is not None


def new_key(caller_id: str, kind: CallerKind) -> str:
    """A key's text, to be shown once."""
    return f"hark_{kind}_{caller_id}_{secrets.token_urlsafe(32)}"


def parse(key: str) -> tuple[CallerKind, str] | None:
    """The kind and the caller's id that a key names; None when it has not a key's form."""
    match = _KEY.fullmatch(key)
    return (CallerKind(match[1]), match[2]) if match else None


def kept(key: str, now: datetime) -> Key:
    """What is stored of a key."""
    hashed = _hash(key)
    return Key(id=hashed[:8], hash=hashed, created_at=now)


def opens(caller: Caller, key: str) -> bool:
    """Whether the key is one of the caller's, and neither has been revoked."""
    parsed = parse(key)
    if parsed is None or caller.revoked_at is not None or parsed[0] is not caller.kind:
        return False
    hashed = _hash(key)
    return any(hmac.compare_digest(known.hash, hashed) for known in caller.keys if known.revoked_at is None)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
