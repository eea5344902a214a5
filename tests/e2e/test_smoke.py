"""infra/smoke.py, the last step of a deployment, against a system that runs: that it passes, and that it can fail."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT, Stack
from tests.integration.gateway import CLOSED_PORT

SCRIPT = ROOT / "infra" / "smoke.py"


async def smoke(url: str, key: str, script: Path = SCRIPT) -> tuple[int, str, str]:
    """Its exit status and what it has said."""
    environ = {"PATH": os.environ["PATH"], "HARK_URL": url, "HARK_API_KEY": key}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, script),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 150)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def key_of(stack: Stack, *scopes: str, kind: str = "test") -> str:
    caller = {"name": "smoke-test", "kind": kind, "scopes": list(scopes)}
    answer = await stack.http.post(f"{stack.url}/v1/callers", json=caller)
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key


async def test_it_passes_and_sends_nothing(stack: Stack) -> None:
    key = await key_of(stack, "notifications:send", "notifications:read")
    before = await stack.inbox()
    status, out, err = await smoke(stack.url, key)
    assert (status, err) == (0, "")
    assert out.startswith("hark: smoke test passed in ")
    assert await stack.inbox() == before


async def test_a_key_that_is_not_good_fails_it_with_one_line(stack: Stack) -> None:
    status, out, err = await smoke(stack.url, "hark_test_" + "0" * 16 + "_" + "x" * 43)
    assert (status, out) == (1, "")
    assert err.startswith(f"hark: smoke test failed: GET {stack.url}/v1/channels answered 401")
    assert err.count("\n") == 1


async def test_a_key_that_may_not_send_fails_it(stack: Stack) -> None:
    status, _, err = await smoke(stack.url, await key_of(stack, "notifications:read"))
    assert status == 1
    assert "answered 403" in err
    assert err.count("\n") == 1


async def test_a_key_that_would_send_to_strangers_is_not_used(stack: Stack) -> None:
    key = await key_of(stack, "notifications:send", "notifications:read", kind="live")
    before = await stack.inbox()
    status, _, err = await smoke(stack.url, key)
    assert (status, err) == (1, "hark: smoke test failed: HARK_API_KEY must be a test key, hark_test_…\n")
    assert await stack.inbox() == before


@pytest.fixture
def impatient(tmp_path: Path) -> Path:
    """The script with two seconds instead of two minutes."""
    text = SCRIPT.read_text()
    assert "SECONDS = 120.0" in text
    (tmp_path / "smoke.py").write_text(text.replace("SECONDS = 120.0", "SECONDS = 2.0"))
    (tmp_path / "channels.yaml").write_text(SCRIPT.with_name("channels.yaml").read_text())
    return tmp_path / "smoke.py"


async def test_a_channel_that_does_not_send_fails_it_and_is_named(stack: Stack, impatient: Path) -> None:
    key = await key_of(stack, "notifications:send", "notifications:read")
    stack.kill("sms", signal.SIGSTOP)
    try:
        status, _, err = await smoke(stack.url, key, impatient)
    finally:
        stack.kill("sms", signal.SIGCONT)
    assert status == 1
    assert "not sent within 2 s" in err
    assert "sms queued" in err
    assert err.count("\n") == 1


async def test_a_gateway_that_does_not_answer_fails_it(impatient: Path) -> None:
    url = f"http://{CLOSED_PORT}"
    status, _, err = await smoke(url, "hark_test_" + "0" * 16, impatient)
    assert status == 1
    assert err.startswith(f"hark: smoke test failed: GET {url}/v1/channels: ")
    assert err.endswith("Connection refused>, for 2 s\n")
    assert err.count("\n") == 1
