"""The measuring process's end of bench/compare/load.py, and whole requests as text."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from bench.compare.load import Result

ROOT = Path(__file__).parents[2]


class Load:
    """One job at a time. A context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.compare.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._beside = ThreadPoolExecutor(1)

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.shutdown()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(self, port: int, requests: Sequence[str], connections: int, pause: float = 0.0) -> Result:
        job = {"port": port, "requests": list(requests), "connections": connections, "pause": pause}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return Result(**json.loads(self._process.stdout.readline()))

    def begin(self, port: int, requests: Sequence[str], connections: int, pause: float = 0.0) -> "Future[Result]":
        """The same, while the caller does something else."""
        return self._beside.submit(self.run, port, requests, connections, pause)


def post(path: str, body: str, headers: Mapping[str, str] | None = None) -> str:
    """A POST of JSON in ASCII."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def get(path: str, headers: Mapping[str, str] | None = None) -> str:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {v}" for name, v in (headers or {}).items())]
    return "\r\n".join(lines) + "\r\n\r\n"
