"""A deployment in the cloud as infra/acceptance.py asks it: by gcloud, and over HTTPS."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from infra import smoke

POLL_SECONDS = 15.0

T = TypeVar("T")


class Unexpected(Exception):
    """The text says what there is in the place of what was expected."""


@dataclass(frozen=True)
class Cloud:
    """A deployment, and how it is asked."""

    project: str
    region: str
    name: str
    """The first word of every name."""
    url: str
    key: str
    test_key: str
    sleep: Callable[[float], None] = time.sleep

    def service(self, function: str) -> str:
        return f"{self.name}-{function.replace('_', '-')}"

    def gcloud(self, *arguments: str) -> str:
        """What it prints. Raises Unexpected with what it complains of."""
        done = gcloud(*arguments, f"--project={self.project}")
        if done.returncode:
            raise Unexpected(f"gcloud {' '.join(arguments[:4])}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def described(self, *arguments: str) -> Any:
        return json.loads(self.gcloud(*arguments, "--format=json"))

    def service_urls(self, function: str) -> list[str]:
        place = f"--region={self.region}"
        found = self.described("run", "services", "describe", self.service(function), place)
        urls: list[str] = json.loads(found["metadata"]["annotations"].get("run.googleapis.com/urls", "[]"))
        return urls

    def sent(self) -> str:
        try:
            return f"sent by every channel within {smoke.smoke(self.url, self.test_key):.1f} s"
        except smoke.Failed as failed:
            raise Unexpected(str(failed)) from None

    def until(self, condition: Callable[[], T | None], seconds: float, otherwise: str) -> T:
        """What the condition gives once that is not None. Raises Unexpected after the time."""
        for _ in range(int(seconds / POLL_SECONDS)):
            if (result := condition()) is not None:
                return result
            self.sleep(POLL_SECONDS)
        raise Unexpected(f"{otherwise}, after {seconds / 60:g} minutes")


def gcloud(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["gcloud", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603


def asked(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """The status, and the body where it is 200. Raises Unexpected where nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=60) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code, b""
    except OSError as error:
        raise Unexpected(f"{url.partition('?')[0]}: {error}") from None
