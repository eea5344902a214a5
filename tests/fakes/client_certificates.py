"""Clients of `make run MTLS=1`: with its certificate, with none, and with those that must open nothing."""

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
import trustme

from emulator import mtls
from emulator.errors import NoNginx

INVALID = "the client certificate is not valid"
BAD = {
    "none": "this needs",
    "another CA's": INVALID,
    "self-signed": INVALID,
    "expired": INVALID,
    "not yet valid": INVALID,
    "the server's": INVALID,
    "one of nobody": "it is no caller's",
}
"""Which, and the gateway's words about it."""


def need_nginx() -> None:
    """Without it a test is skipped; with CI set it fails."""
    try:
        mtls.find_nginx(os.environ)
    except NoNginx as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI is set, so this may not be skipped: {missing}")
        pytest.skip(str(missing))


def presenting(which: str, folder: Path) -> ssl.SSLContext:
    """Trusts the CA in `folder` and presents `which`: "good" or one of BAD."""
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    now = datetime.now(UTC)
    day = timedelta(days=1)
    ours = trustme.CA.from_pem((folder / "ca.pem").read_bytes(), (folder / "ca.key").read_bytes())
    match which:
        case "good":
            context.load_cert_chain(folder / "client.pem", folder / "client.key")
        case "the server's":
            context.load_cert_chain(folder / "server.pem", folder / "server.key")
        case "self-signed":
            signed = trustme.CA()
            with NamedTemporaryFile() as pem:
                pem.write(signed.private_key_pem.bytes() + signed.cert_pem.bytes())
                pem.flush()
                context.load_cert_chain(pem.name)
        case "another CA's":
            trustme.CA().issue_cert(mtls.DNS_NAME).configure_cert(context)
        case "expired":
            ours.issue_cert(mtls.DNS_NAME, not_after=now - day).configure_cert(context)
        case "not yet valid":
            ours.issue_cert(mtls.DNS_NAME, not_before=now + day).configure_cert(context)
        case "one of nobody":
            ours.issue_cert("nobody.hark.local").configure_cert(context)
        case _:
            assert which == "none"
    return context
