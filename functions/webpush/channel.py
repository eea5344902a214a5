"""What a browser's subscription and a push message to it must be."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from functions.webpush.providers import PROVIDERS
from shared.channels.declaration import JSON_BYTES, Channel
from shared.channels.text_checks import one_line
from shared.http.public_addresses import public_url
from shared.runtime.settings import http_url

LARGEST = 3993
"""Bytes before they are encrypted: RFC 8291, 4 (a push service need take no more than 4,096 encrypted ones)."""
MAX_LENGTH = 3600
"""Of the text alone: the title and the other parts share the rest."""

_MUST = "must be a browser's PushSubscription as JSON, with its endpoint and the keys p256dh and auth"
_MUST_BE_CALLED = "must have a public https endpoint, as browsers have them"
# A name of labels, the last of which has a letter: what is of digits alone is read as an address.
_HOST = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+(?=[a-z0-9-]*[a-z])[a-z0-9-]{1,63}")
_KEYS = {"p256dh": 65, "auth": 16}  # bytes: RFC 8291, 2 and 3.2


def normalise(address: str) -> str:
    """The endpoint and both keys, and nothing else, as JSON in one spelling. Raises ValueError."""
    try:
        document = json.loads(one_line(address))
    except (ValueError, RecursionError):
        raise ValueError(_MUST) from None
    endpoint = document.get("endpoint") if isinstance(document, dict) else None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(endpoint, str) or not isinstance(keys, dict):
        raise ValueError(_MUST)
    spelt = {"endpoint": _endpoint(endpoint), "keys": {name: _key(name, keys.get(name)) for name in sorted(_KEYS)}}
    return json.dumps(spelt, separators=(",", ":"))


def _endpoint(url: str) -> str:
    """In its one spelling. Raises ValueError."""
    try:
        parts = urlsplit(public_url(http_url(url.strip()), loopback=False))
        port = parts.port
    except ValueError:
        raise ValueError(_MUST_BE_CALLED) from None
    host = (parts.hostname or "").removesuffix(".")
    if not _HOST.fullmatch(host):
        raise ValueError(_MUST_BE_CALLED)
    return urlunsplit(("https", host if port in {None, 443} else f"{host}:{port}", parts.path, parts.query, ""))


def _key(name: str, value: Any) -> str:
    try:
        data = urlsafe_b64decode(f"{value}==") if isinstance(value, str) else b""
    except ValueError:
        data = b""
    if len(data) != _KEYS[name] or (name == "p256dh" and not _is_point(data)):
        raise ValueError(f"must have the key {name} as the browser gives it")
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _is_point(data: bytes) -> bool:
    # Imported here: of the channels only this one needs it.
    from cryptography.hazmat.primitives.asymmetric.ec import (  # noqa: PLC0415
        SECP256R1,
        EllipticCurvePublicKey,
    )

    try:
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), data)
    except ValueError:
        return False
    return True


CHANNEL = Channel(
    name="webpush",
    address="browser's PushSubscription as JSON",
    content="functions.webpush.content",
    max_length=MAX_LENGTH,
    measure=JSON_BYTES,
    normalise=normalise,
    providers=PROVIDERS,
)
