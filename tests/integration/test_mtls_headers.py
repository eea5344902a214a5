"""What the nginx of `make run MTLS=1` sends on, header by header: to an echo in the gateway's place."""

import base64
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from emulator import mtls
from emulator.config import GATEWAY, HOST, load
from emulator.mtls import LoadBalancer
from tests.e2e.stack import ROOT
from tests.fakes.client_certificates import BAD, need_nginx, presenting
from tests.ports import free_offset

NAMES = (
    *("present", "chain-verified", "error", "sha256-fingerprint"),
    *("spiffe-id", "uri-sans", "dnsname-sans"),
)
FAILED = {"present": "true", "chain-verified": "false", "error": "client_cert_validation_failed"}


class Echo(BaseHTTPRequestHandler):
    """Answers with the headers that it got, names in lower case."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps([(name.lower(), value) for name, value in self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadBalancer]:
    need_nginx()
    config = load(ROOT, {**os.environ, "MTLS": "1", "HARK_PORT_OFFSET": str(free_offset())})
    balancer = mtls.make(config, tmp_path_factory.mktemp("nginx") / "with space")
    program = mtls.program(config, balancer)
    with ThreadingHTTPServer((HOST, config.ports[GATEWAY]), Echo) as echo:
        echo.daemon_threads = True
        thread = threading.Thread(target=echo.serve_forever)
        thread.start()
        nginx = subprocess.Popen(program.argv, env=program.env)
        try:
            give_up_at = time.monotonic() + 10
            while not _answers(program.probe):
                assert nginx.poll() is None
                assert time.monotonic() < give_up_at
            yield balancer
        finally:
            nginx.terminate()
            nginx.wait(10)
            echo.shutdown()
            thread.join()


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url).status_code == 400
    time.sleep(0.02)
    return False


def echoed(balancer: LoadBalancer, which: str, headers: list[tuple[str, str]] | None = None) -> list[tuple[str, str]]:
    with httpx.Client(verify=presenting(which, balancer.folder)) as http:
        answer = http.get(balancer.url, headers=headers)
    assert answer.status_code == 200, answer.text
    return [(name, value) for name, value in answer.json()]


def expected(balancer: LoadBalancer, which: str) -> dict[str, str]:
    """As Google's load balancer says it, but without the headers that are empty: nginx cannot send them."""
    if which == "good":
        certificate = x509.load_pem_x509_certificate((balancer.folder / "client.pem").read_bytes())
        known = {
            "present": "true",
            "chain-verified": "true",
            "sha256-fingerprint": base64.b64encode(certificate.fingerprint(hashes.SHA256())).decode(),
            "spiffe-id": "spiffe://hark.local/client",
            "dnsname-sans": base64.b64encode(b"client.hark.local").decode(),
        }
    elif which == "none":
        known = {"present": "false", "chain-verified": "false", "error": "client_cert_not_provided"}
    elif which == "one of nobody":
        known = {"present": "true", "chain-verified": "true"}
    else:
        known = FAILED
    return {
        **{f"x-client-cert-{name}": value for name, value in known.items()},
        "x-load-balancer-secret": balancer.secret,
    }


@pytest.mark.parametrize("which", ["good", *BAD])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_the_headers_say_what_is_true_whatever_the_client_sends(balancer: LoadBalancer, which: str, times: int) -> None:
    forged = [(f"X-Client-Cert-{name}", "forged") for name in NAMES] + [("X-Load-Balancer-Secret", "forged")]
    forged += [(name.lower(), value) for name, value in forged] + [(n.replace("-", "_"), v) for n, v in forged]
    got = echoed(balancer, which, forged * times)
    ours = [(name, value) for name, value in got if name.startswith(("x-client-cert", "x-load", "x_"))]
    assert sorted(ours) == sorted(expected(balancer, which).items())


def test_what_else_a_client_sends_passes_but_for_what_is_of_one_connection(balancer: LoadBalancer) -> None:
    of_this_hop = ("Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Trailer", "Upgrade")
    passing = [("Authorization", "Bearer x"), ("Idempotency-Key", "one")]
    got = echoed(balancer, "good", [*passing, *((name, "X-Client-Cert-Present") for name in of_this_hop)])
    assert {(name.lower(), value) for name, value in passing} < set(got)
    assert {name.lower() for name in of_this_hop}.isdisjoint(name for name, _ in got)
    assert ("x-client-cert-present", "true") in got
    assert dict(got)["host"] == balancer.url.removeprefix("https://")


def test_the_client_certificate_is_what_googles_load_balancer_takes(balancer: LoadBalancer) -> None:
    """https://cloud.google.com/load-balancing/docs/mtls#certificate-requirements"""
    certificate = x509.load_pem_x509_certificate((balancer.folder / "client.pem").read_bytes())
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [mtls.SPIFFE_ID]
    assert names.get_values_for_type(x509.DNSName) == [mtls.DNS_NAME]
