"""`make run MTLS=1`: what a client certificate opens, and that nothing else opens it; on a whole stack."""

import json
import os
import shlex
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from emulator import mtls
from emulator.config import load
from emulator.errors import ConfigError, NoNginx
from functions.gateway.access.authentication import identity_id
from functions.gateway.access.caller import CallerKind
from tests.e2e.stack import ROOT, System, running
from tests.fakes.client_certificates import BAD, need_nginx, presenting

NOTIFICATION = {"to": {"sms": "+14155552671"}, "message": "Build 42 is live"}
FORGED = {
    "X-Client-Cert-Present": "true",
    "X-Client-Cert-Chain-Verified": "true",
    "X-Client-Cert-Error": "",
    "X-Client-Cert-Sha256-Fingerprint": "",
    "X-Client-Cert-Spiffe-Id": mtls.SPIFFE_ID,
    "X-Client-Cert-Uri-Sans": "",
    "X-Client-Cert-Dnsname-Sans": "",
}
FORGERIES = {
    "once": list(FORGED.items()),
    "twice": [*FORGED.items(), *FORGED.items()],
    "in lower case": [(name.lower(), value) for name, value in FORGED.items()],
    "with underscores": [(name.replace("-", "_"), value) for name, value in FORGED.items()],
    "as hop-by-hop": [*FORGED.items(), ("Connection", ", ".join(FORGED))],
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    need_nginx()
    with running(tmp_path_factory.mktemp("mtls"), {"MTLS": "1"}) as system:
        yield system


@pytest.fixture
def client(system: System) -> Iterator[Callable[[str], httpx.Client]]:
    """Clients of the port that takes certificates, by the certificate that they present."""
    clients: list[httpx.Client] = []

    def presents(which: str) -> httpx.Client:
        context = presenting(which, Path(system.env["HARK_MTLS_CA"]).parent)
        clients.append(httpx.Client(base_url=system.env["HARK_MTLS_URL"], verify=context, timeout=30))
        return clients[-1]

    yield presents
    for one in clients:
        one.close()


Clients = Callable[[str], httpx.Client]


def bearer(system: System) -> dict[str, str]:
    return {"Authorization": f"Bearer {system.env['HARK_API_KEY']}"}


def refused(answer: httpx.Response, why: str = "") -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), answer.text
    assert why in answer.json()["detail"]


def test_the_certificate_is_a_caller_of_its_own(client: Clients, system: System) -> None:
    key = {"Idempotency-Key": "one"}
    with client("good") as http:
        assert http.get("/v1/channels").status_code == 200
        first, again = (http.post("/v1/notifications", json=NOTIFICATION, headers=key) for _ in range(2))
        assert (first.status_code, again.status_code) == (202, 202)
        assert http.get(f"/v1/notifications/{first.json()['id']}").status_code == 200
    others = httpx.post(
        f"{system.env['HARK_URL']}/v1/notifications", json=NOTIFICATION, headers=key | bearer(system), timeout=30
    )
    assert first.json()["id"] == again.json()["id"] != others.json()["id"]


@pytest.mark.parametrize("which", BAD)
def test_any_other_certificate_is_refused_by_the_gateway(client: Clients, which: str) -> None:
    http = client(which)
    refused(http.get("/v1/channels"), BAD[which])
    refused(http.post("/v1/notifications", json=NOTIFICATION), BAD[which])


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_client_cannot_send_the_headers(client: Clients, forgery: str) -> None:
    for which, why in BAD.items():
        refused(client(which).get("/v1/channels", headers=FORGERIES[forgery]), why)
    assert client("good").get("/v1/channels", headers=FORGERIES[forgery]).status_code == 200


def test_past_nginx_the_headers_are_worth_nothing_without_the_secret(system: System) -> None:
    url = system.env["HARK_URL"] + "/v1/channels"
    conf = (Path(system.env["HARK_MTLS_CA"]).parent / "nginx.conf").read_text()
    secret = conf.partition('X-Load-Balancer-Secret "')[2].partition('"')[0]
    for headers in (FORGED, {**FORGED, "X-Load-Balancer-Secret": ""}, {**FORGED, "X-Load-Balancer-Secret": "x" * 43}):
        refused(httpx.get(url, headers=headers), "certificates count at the load balancer")
    assert httpx.get(url, headers={**FORGED, "X-Load-Balancer-Secret": secret}).status_code == 200


def test_an_api_key_passes_and_counts_before_the_certificate(client: Clients, system: System) -> None:
    assert client("none").get("/v1/channels", headers=bearer(system)).status_code == 200
    refused(client("good").get("/v1/channels", headers={"Authorization": "Bearer hark_live_x"}), "no such API key")


@pytest.mark.parametrize("version", ["TLSv1_1", "TLSv1_2", "TLSv1_3"])
def test_tls_is_1_2_or_later(system: System, version: str) -> None:
    context = presenting("good", Path(system.env["HARK_MTLS_CA"]).parent)
    context.set_ciphers("ALL:@SECLEVEL=0")  # or OpenSSL would itself not begin with 1.1
    if version == "TLSv1_1":
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        with httpx.Client(verify=context) as http, pytest.raises(httpx.ConnectError, match="protocol version"):
            http.get(system.env["HARK_MTLS_URL"] + "/v1/channels")
    else:
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        with httpx.Client(verify=context) as http:
            assert http.get(system.env["HARK_MTLS_URL"] + "/v1/channels").status_code == 200


def test_plain_http_is_refused(system: System) -> None:
    url = system.env["HARK_MTLS_URL"].replace("https:", "http:") + "/v1/channels"
    answer = httpx.get(url, headers=bearer(system))
    assert (answer.status_code, "HTTPS port" in answer.text) == (400, True)


def test_too_large_a_body_is_refused_by_the_gateway(client: Clients) -> None:
    answer = client("good").post("/v1/notifications", json={**NOTIFICATION, "message": "x" * 2**20})
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_printed_command_works_and_what_is_secret_is_the_owners(system: System, tmp_path: Path) -> None:
    lines = (system.run_dir / "stack.log").read_text().splitlines()
    command = shlex.split(next(line for line in lines if line.strip().startswith("curl ")))
    done = subprocess.run([*command, "--silent", "--show-error"], cwd=tmp_path, capture_output=True, check=True)
    assert {item["name"] for item in json.loads(done.stdout)["items"]} == {"email", "sms", "slack"}
    folder = Path(system.env["HARK_MTLS_KEY"]).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    for file in (*folder.glob("*.key"), *folder.glob("*.pem"), folder / "nginx.conf"):
        assert file.stat().st_mode & 0o777 == 0o600, file.name


def test_a_firestore_that_has_forgotten_is_told_of_the_caller_again(system: System) -> None:
    pids = json.loads((system.run_dir / str(system.offset) / "pids.json").read_text())
    host = system.env["FIRESTORE_EMULATOR_HOST"]
    documents = f"http://{host}/v1/projects/hark-local/databases/(default)/documents"
    caller = f"{documents}/callers/{identity_id(CallerKind.CERTIFICATE, mtls.SPIFFE_ID)}"
    assert httpx.get(caller).status_code == 200
    os.killpg(pids["firestore"], signal.SIGKILL)
    died = time.monotonic()
    while "firestore died" not in (system.run_dir / "stack.log").read_text() or not _is_there(caller):
        assert time.monotonic() < died + 60
        time.sleep(0.1)


def _is_there(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    need_nginx()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "run").mkdir()
    with running(tmp_path / "run", {"MTLS": "1", "TMPDIR": str(elsewhere)}) as system:
        group = json.loads((system.run_dir / str(system.offset) / "pids.json").read_text())["nginx"]
        os.killpg(group, 0)
        system.process.send_signal(signal.SIGINT)
        assert system.process.wait(30) == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)
    assert list(elsewhere.iterdir()) == []
    assert not (system.run_dir / "env").exists()


@pytest.mark.parametrize("value", ["yes", "2", "true", " 1"])
def test_a_wrong_value_is_refused_by_name(value: str) -> None:
    with pytest.raises(ConfigError, match="MTLS"):
        load(ROOT, {"MTLS": value})


def test_without_it_there_is_no_such_port() -> None:
    assert [load(ROOT, environ).mtls for environ in ({}, {"MTLS": ""}, {"MTLS": "0"}, {"MTLS": "1"})] == [False] * 3 + [
        True
    ]
    assert 8443 not in load(ROOT, {}).ports.values()


def test_without_nginx_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(NoNginx, match="apt-get install nginx"):
        mtls.find_nginx({})
