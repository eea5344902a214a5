"""What a client certificate is called by: each name as one of four kinds, none of which is spelt like another."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

_MOST_NAMES = 10  # of one certificate

_FINGERPRINT = re.compile("sha256:[0-9a-f]{64}")
_SPIFFE_ID = re.compile(r"spiffe://[!-~]{1,2048}")
_URI = re.compile(r"(?!spiffe:)[a-z][a-z0-9+.-]*://[!-~]{1,512}")
_HOST = re.compile(r"[a-z0-9*_-]+(\.[a-z0-9_-]+)*")
"""No text is of two of these kinds: a name counts only as what the certificate says that it is."""


def is_certificate_name(name: str) -> bool:
    """Whether a caller can be known by it: `sha256:` and hex, a SPIFFE id, another URI, a host name in lower case."""
    return any(kind.fullmatch(name) for kind in (_FINGERPRINT, _SPIFFE_ID, _URI, _HOST))


def certificate_names(values: Mapping[str, str]) -> Sequence[str]:
    """Of a certificate, the most exact first. Raises ValueError when they cannot be read.

    values: the load balancer's headers, by their names after `x-client-cert-`
    """
    try:
        fingerprint = "sha256:" + base64.b64decode(values["sha256-fingerprint"], validate=True).hex()
        uris, hosts = (
            [base64.b64decode(part.strip(), validate=True).decode() for part in values[header].split(",")]
            for header in ("uri-sans", "dnsname-sans")
        )
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("the load balancer's headers cannot be read") from None
    said = [(_FINGERPRINT, fingerprint), (_SPIFFE_ID, values["spiffe-id"])]
    said += [(_URI, uri) for uri in uris] + [(_HOST, host.lower()) for host in hosts]
    return [name for kind, name in said if kind.fullmatch(name)][:_MOST_NAMES]
