"""Google Cloud and the gateway as infra/acceptance.py asks them: all is well but for the faults that a test names."""

import base64
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from infra import acceptance, cloud, smoke
from infra.acceptance import CHANNEL, CHANNELS
from infra.cloud import Cloud

URL = "https://hark.example.com"


def _filters(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "in": "query"} for name in names]


DOCUMENT = {
    "paths": {
        "/v1/notifications": {"get": {"parameters": _filters("limit", "cursor", "recipient", "status")}},
        "/v1/notifications/{id}": {"get": {"parameters": [{"name": "id", "in": "path"}]}},
        "/v1/dead-letters": {"get": {"parameters": _filters("limit", "channel")}},
        "/v1/channels": {"get": {}},
    }
}
LISTS = {
    "/v1/notifications?limit=1",
    "/v1/notifications?limit=1&recipient=acceptance",
    "/v1/notifications?limit=1&status=sent",
    "/v1/notifications?limit=1&recipient=acceptance&status=sent",
    "/v1/dead-letters?limit=1",
    f"/v1/dead-letters?limit=1&channel={CHANNEL}",
    "/v1/statistics?hours=1",
}


@dataclass
class GoogleCloud:
    """Google Cloud and the gateway, as far as they are asked. faults: what goes wrong."""

    faults: set[str] = field(default_factory=set)
    commands: list[list[str]] = field(default_factory=list)
    asked_for: list[tuple[str, str]] = field(default_factory=list)
    slept: float = 0.0
    published: list[str] = field(default_factory=list)

    def gcloud(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        self.commands.append(list(arguments))
        answer = self._answer(*arguments)
        if answer is None:
            return subprocess.CompletedProcess(arguments, 1, "", "ERROR: PERMISSION_DENIED")
        return subprocess.CompletedProcess(arguments, 0, answer if isinstance(answer, str) else json.dumps(answer), "")

    def _answer(self, group: str, what: str, *rest: str) -> Any:
        match group, what:
            case "projects", "describe":
                return "123\n"
            case "run", "services" if rest[0] == "update-traffic":
                return None if "traffic" in self.faults else ""
            case "run", "services":
                urls = [] if "url" in self.faults else [f"https://{rest[1]}-123.europe-west1.run.app"]
                urls.append(f"https://{rest[1]}-abc-ew.a.run.app")
                return {"metadata": {"annotations": {"run.googleapis.com/urls": json.dumps(urls)}}}
            case "scheduler", "jobs":
                return {"httpTarget": {"oidcToken": {"audience": self._audience(rest[1], "job")}}}
            case "pubsub", "subscriptions" if rest[0] == "describe":
                channel = rest[1].split("-")[1]
                name = "hark-dead-letter" if rest[1].endswith("-dead-push") else f"hark-{channel}"
                return {"pushConfig": {"oidcToken": {"audience": self._audience(name, "push")}}}
            case "pubsub", "subscriptions":
                return self._dead_letters()
            case "pubsub", "topics":
                self.published.append(rest[2].removeprefix("--message="))
                return None if "publish" in self.faults else ""
            case "logging", "read":
                return self._log()
            case "auth", "print-access-token":
                return "a-token\n"
            case "run", "revisions":
                return "hark-x-00002-b\n" if "one revision" in self.faults else "hark-x-00002-b\nhark-x-00001-a\n"
        raise AssertionError(f"nobody knows gcloud {group} {what} {rest}")

    def _audience(self, service: str, fault: str) -> str:
        return "https://elsewhere.example" if fault in self.faults else f"https://{service}-123.europe-west1.run.app"

    def _log(self) -> list[dict[str, Any]]:
        services = [f"hark-{name}" for name in ("relay", "operations", *CHANNELS, "gateway")]
        entries = [(service, 204) for service in services]
        if "refused" in self.faults:
            entries.append((services[0], 403))
        if "silent" in self.faults:
            del entries[0]
        return [{"resource": {"labels": {"service_name": s}}, "httpRequest": {"status": n}} for s, n in entries]

    def _dead_letters(self) -> list[dict[str, Any]]:
        count = "4" if "count" in self.faults else "5"
        attributes = {"CloudPubSubDeadLetterSourceDeliveryCount": count}
        there = ["another"] if "kept" in self.faults else ["another", *self.published]
        return [
            {"message": {"data": base64.b64encode(text.encode()).decode(), "attributes": attributes}} for text in there
        ]

    def asked(self, url: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        parts = urlsplit(url)
        key = dict(headers or {}).get("Authorization", "").removeprefix("Bearer ")
        if parts.netloc.endswith(".run.app"):
            return (200, b"") if "door" in self.faults else (404, b"")
        if parts.netloc == "monitoring.googleapis.com":
            assert key == "a-token"
            return self._monitoring(parts.path, dict(parse_qsl(parts.query)))
        if parts.path == "/healthz":
            return (403, b"") if "closed" in self.faults else (200, b"ok")
        if parts.path == "/openapi.json":
            return 200, json.dumps(DOCUMENT).encode()
        if not key:
            return 401, b""
        self.asked_for.append((key, f"{parts.path}?{parts.query}"))
        return (503, b"") if "index" in self.faults and "status" in parts.query else (200, b"{}")

    def _monitoring(self, path: str, query: Mapping[str, str]) -> tuple[int, bytes]:
        if path.endswith("/alertPolicies"):
            assert query["filter"] == 'display_name="hark: dead letters"'
            conditions = [{"conditionPrometheusQueryLanguage": {"query": text}} for text in ("never", "now")]
            return 200, json.dumps(
                {} if "policy" in self.faults else {"alertPolicies": [{"conditions": conditions}]}
            ).encode()
        fires = query["query"] == "now" and "quiet" not in self.faults
        return 200, json.dumps({"data": {"result": [{}] if fires else []}}).encode()

    def smoke(self, url: str, key: str) -> float:
        assert (url, key) == (URL, "hark_test_1")
        failing = {"sent": True, "rolled": self._back(), "slept": self.slept > 800}
        if any(fault in self.faults and now for fault, now in failing.items()):
            raise smoke.Failed("notification 1: email dead (rejected)")
        return 1.5

    def _back(self) -> bool:
        traffic = [command for command in self.commands if "update-traffic" in command]
        return bool(traffic) and "--to-latest" not in traffic[-1]

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def deployed(self, monkeypatch: pytest.MonkeyPatch) -> Cloud:
        """A deployment whose cloud is this one from now on."""
        monkeypatch.setattr(cloud, "gcloud", self.gcloud)
        monkeypatch.setattr(acceptance, "asked", self.asked)
        monkeypatch.setattr(smoke, "smoke", self.smoke)
        return Cloud("some-project", "europe-west1", "hark", URL, "hark_1", "hark_test_1", self.sleep)
