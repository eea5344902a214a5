"""Google's APIs as far as `gcloud functions deploy` needs them to ask for a new function, which is then refused."""

import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

APIS = ("CLOUDBUILD", "CLOUDFUNCTIONS", "CLOUDRESOURCEMANAGER", "RUN", "SECRETMANAGER", "SERVICEUSAGE")
REFUSED = "as far as it goes here"


@dataclass
class Asked:
    url: str
    functions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the function's id, what was asked for."""
    builds: list[dict[str, Any]] = field(default_factory=list)
    """What Cloud Build has run."""
    archives: list[bytes] = field(default_factory=list)
    """What was uploaded."""

    def environment(self, folder: Path) -> dict[str, str]:
        """What makes gcloud ask here; folder: for its credentials."""
        (folder / "token").write_text("no-token-of-anybody")
        overrides = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}": f"{self.url}/" for api in APIS}
        # Whichever host it has in mind, it asks here: it puts the region before that of Cloud Run, and such a host is
        # nowhere, which would take it half a minute to believe.
        here = urlsplit(self.url)
        overrides |= {"CLOUDSDK_PROXY_TYPE": "http", "CLOUDSDK_PROXY_ADDRESS": str(here.hostname)}
        overrides |= {"CLOUDSDK_PROXY_PORT": str(here.port)}
        return {**overrides, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(folder / "token")}

    def unpack(self, folder: Path) -> Path:
        """What was uploaded last."""
        with zipfile.ZipFile(io.BytesIO(self.archives[-1])) as archive:
            archive.extractall(folder)
        return folder


@contextmanager
def functions_api() -> Iterator[Asked]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "/runtimes" in self.path:
                self._answer({"runtimes": [{"name": "python311", "environment": "GEN_2"}]})
            elif "/versions" in self.path:
                self._answer({"versions": [_version(number) for number in (2, 10, 9)]})
            elif "/builds" in self.path:
                self._answer({"builds": [build for build in asked.builds if _matches(build, self.path)]})
            elif "/functions/" in self.path or "/namespaces/" in self.path:  # no function, no service of Cloud Run
                self._answer({"error": {"code": 404, "status": "NOT_FOUND"}}, 404)
            else:
                self._answer({"projectId": "some-project", "projectNumber": "123456789012", "state": "ENABLED"})

        def do_POST(self) -> None:
            body = self._body()
            if ":generateUploadUrl" in self.path:
                source = {"bucket": "sources", "object": "source.zip"}
                self._answer({"uploadUrl": f"{asked.url}/upload", "storageSource": source})
            else:
                function = json.loads(body)
                asked.functions[function["name"].rpartition("/")[2]] = function
                self._answer({"error": {"code": 400, "message": REFUSED, "status": "INVALID_ARGUMENT"}}, 400)

        def do_PUT(self) -> None:
            asked.archives.append(self._body())
            self._answer({})

        def log_message(self, *_: object) -> None:
            pass

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _answer(self, body: object, status: int = 200) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        asked = Asked(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def _matches(build: Mapping[str, Any], path: str) -> bool:
    """gcloud hands the whole filter on, as `tags="…" AND status="…"`, and lists what it then gets."""
    (wanted,) = parse_qs(urlsplit(path).query)["filter"]
    terms = dict(re.findall(r'(\w+)="([^"]*)"', wanted))
    assert wanted == " AND ".join(f'{name}="{value}"' for name, value in terms.items())
    assert set(terms) == {"tags", "status"}
    return terms["tags"] in build["tags"] and terms["status"] == build["status"]


def _version(number: int) -> dict[str, str]:
    """The newest one is disabled."""
    name = f"projects/123456789012/secrets/some/versions/{number}"
    state = "DISABLED" if number == 10 else "ENABLED"
    return {"name": name, "state": state, "createTime": f"2026-01-{number:02}T00:00:00Z"}
