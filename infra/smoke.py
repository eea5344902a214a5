"""The smoke test: sends one notification to every channel with a test key, and waits until it is sent.

HARK_URL is the gateway's address, HARK_API_KEY a key of the kind `test`: the notification goes the whole way, but no
provider is called. Exit status 0 only if all was sent within the time; else one line says what happened.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import yaml

CHANNELS_FILE = Path(__file__).parent / "channels.yaml"
SECONDS = 120.0  # the first request starts an instance, and a new function's permissions need up to a minute
OVER = {"sent", "delivered", "undelivered", "failed", "dead", "discarded", "expired", "cancelled"}


class Failed(Exception):
    """The text says what was wrong."""


def main() -> None:
    """SystemExit when it does not pass."""
    url, key = os.environ.get("HARK_URL", "").rstrip("/"), os.environ.get("HARK_API_KEY", "").strip()
    try:
        _check(url, key)
        took = smoke(url, key)
    except Failed as failed:
        raise SystemExit(f"hark: smoke test failed: {failed}") from None
    sys.stdout.write(f"hark: smoke test passed in {took:.1f} s\n")


def _check(url: str, key: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise Failed("HARK_URL must be the gateway's http:// or https:// URL")
    if not key.startswith("hark_test_"):  # another one would send messages to strangers
        raise Failed("HARK_API_KEY must be a test key, hark_test_…")


def smoke(url: str, key: str) -> float:
    """How many seconds it took. Raises Failed."""
    began = time.monotonic()
    give_up_at = began + SECONDS
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    entries = yaml.safe_load(CHANNELS_FILE.read_text())
    there = [channel["name"] for channel in _ask(f"{url}/v1/channels", headers, give_up_at)["items"]]
    request = {"to": {name: entries[name]["example"] for name in there}, "message": "Smoke test"}
    headers["Idempotency-Key"] = str(uuid.uuid4())  # asked again, it is still one notification
    notification = _ask(f"{url}/v1/notifications", headers, give_up_at, json.dumps(request).encode())
    while not all(delivery["status"] in OVER for delivery in notification["deliveries"]):
        if time.monotonic() > give_up_at:
            raise Failed(f"not sent within {SECONDS:g} s: {_said(notification)}")
        time.sleep(0.5)
        notification = _ask(f"{url}/v1/notifications/{notification['id']}", headers, give_up_at)
    if any((d["status"], d["provider"]) != ("sent", "simulated") for d in notification["deliveries"]):
        raise Failed(_said(notification))
    return time.monotonic() - began


def _said(notification: Mapping[str, Any]) -> str:
    deliveries = (f"{d['channel']} {d['status']} ({d['error'] or d['provider']})" for d in notification["deliveries"])
    return f"notification {notification['id']}: {', '.join(deliveries)}"


def _ask(url: str, headers: Mapping[str, str], give_up_at: float, body: bytes | None = None) -> dict[str, Any]:
    """The answer's JSON. Asks again while there is none, and while it is not Hark's. Raises Failed."""
    request = urllib.request.Request(url, body, dict(headers))  # noqa: S310 - _check has seen the URL
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                result: dict[str, Any] = json.load(answer)
                return result
        except urllib.error.HTTPError as refused:
            problem = f"{request.get_method()} {url} answered {refused.code}"
            if refused.headers.get_content_type() == "application/problem+json" and refused.code < 500:
                raise Failed(f"{problem}: {json.load(refused).get('detail', '')}") from None
        except (OSError, HTTPException, ValueError) as error:
            problem = f"{request.get_method()} {url}: {error}"
        if time.monotonic() > give_up_at:
            raise Failed(f"{problem}, for {SECONDS:g} s")
        time.sleep(1)


if __name__ == "__main__":
    main()
