"""`hark` as a process of its own: what a script sees, and what is left of one that is killed."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from hark_client.testing.hark import Hark

PACKAGE = Path(__file__).parents[1]


@contextlib.contextmanager
def serving(hark: Hark, answered: Callable[[httpx.Request], bool] = lambda request: True) -> Iterator[str]:
    """Hark in memory over a port; `answered` says whether an answer goes out."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = httpx.Request(self.command, hark.url + self.path, headers=dict(self.headers), content=body)
            answer = hark.transport.handle_request(request)
            if answered(request):
                content = answer.read()
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = _serve  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def begin(url: str, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE), "HARK_URL": url, **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "hark_client.cli", *arguments],
        env=env,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(url: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Its exit code, and what it printed."""
    with begin(url, *arguments, **environment) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


SEND = ("send", "--to", "sms=+14155552671", "--message", "Hello", "--json")


def test_a_script_sees_json_and_exit_codes(hark: Hark, tmp_path: Path) -> None:
    with serving(hark) as url:
        code, out, err = run(url, *SEND, HARK_API_KEY=hark.api_key)
        assert (code, err) == (0, "")
        assert hark.client.notifications.get(json.loads(out)["id"]).status == "sent"

        code, out, err = run(url, *SEND, "--to", "email=nobody", HARK_API_KEY=hark.api_key)
        assert (code, out) == (1, "")
        assert "\n  to.email: " in err
        assert "\x1b" not in err

        code, out, err = run(url, *SEND)
        assert (code, out) == (2, "")
        assert "HARK_API_KEY" in err
        assert run(url, "send", "--colour", HARK_API_KEY=hark.api_key)[:2] == (2, "")

        kept = tmp_path / "key"
        kept.write_text(hark.api_key + "\n")
        assert run(url, *SEND, HARK_API_KEY_FILE=str(kept))[0] == 0
        hark.fail_next("sms", "400")
        code, out, _ = run(url, *SEND, "--wait", HARK_API_KEY=hark.api_key)
        assert (code, json.loads(out)["status"]) == (4, "failed")


def test_no_gateway_is_3(hark: Hark) -> None:
    with serving(hark, answered=lambda request: False) as url:
        code, out, err = run(url, "dead-letters", "replay", "--json", "--yes", "a", "sms", HARK_API_KEY="key")
    assert (code, out) == (3, "")
    assert "key" not in err
    assert "Traceback" not in err


def test_a_batch_that_is_killed_sends_nobody_twice(hark: Hark, tmp_path: Path) -> None:
    numbers = [f"+1415555267{n}" for n in range(6)]
    file, result = tmp_path / "people.csv", tmp_path / "people.result.csv"
    file.write_text("to.sms,message\n" + "".join(f"{number},Hello\n" for number in numbers))
    asked: list[httpx.Request] = []
    running: list[subprocess.Popen[str]] = []

    def kill_at_the_second(request: httpx.Request) -> bool:
        """The gateway has taken it; whoever asked is killed before the answer."""
        asked.append(request)
        if len(asked) == 2:
            os.kill(running[0].pid, signal.SIGKILL)
        return len(asked) != 2

    with serving(hark, kill_at_the_second) as url:
        arguments = ["batch", str(file), "--yes", "--at-once", "2"]
        with begin(url, *arguments, HARK_API_KEY=hark.api_key) as process:
            running.append(process)
            process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert [sent.to for sent in hark.sent()] == numbers[:4]
        before = read(result)
        assert [row["result"] for row in before] == ["accepted"] * 2 + [""] * 4

        code, _, err = run(url, *arguments, HARK_API_KEY=hark.api_key)
        assert (code, len(hark.sent())) == (2, 4), "the first file has no keys, so it is not taken again"
        assert "people.result.csv" in err.replace("\n", "").replace("│", "").replace(" ", "")

        arguments[1] = str(result)
        assert run(url, *arguments, HARK_API_KEY=hark.api_key)[0] == 0
        assert [sent.to for sent in hark.sent()] == numbers
        after = read(result)
        assert [row["key"] for row in after] == [row["key"] for row in before]
        assert {row["result"] for row in after} == {"accepted"}

        asked.clear()
        assert run(url, *arguments, HARK_API_KEY=hark.api_key)[0] == 0
        assert asked == []


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes(hark: Hark, shell: str) -> None:
    # Typer else takes the shell that it was begun from for the named one, and there may be none.
    code, out, _ = run(hark.url, "--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert (code, "_HARK_COMPLETE" in out or "complete" in out.lower()) == (0, True)
