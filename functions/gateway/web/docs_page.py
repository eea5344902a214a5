"""/docs: the API as one page, made from its OpenAPI. It runs no script and needs nothing from another host."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

DESCRIPTION = (
    "Accepts a notification once and gets it to a person by e-mail, SMS or Slack, or says exactly why not. "
    "Errors are RFC 9457 problem details; times are RFC 3339 in UTC."
)

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 0.9em/1.4 ui-monospace, monospace }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid #8884; border-radius: 6px }
h2 { margin-top: 2.5rem; border-top: 1px solid #8884; padding-top: 1rem; overflow-wrap: anywhere }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700 }
table { border-collapse: collapse } td, th { text-align: left; padding: 0.2rem 1rem 0.2rem 0; vertical-align: top }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def page(openapi: Mapping[str, Any]) -> str:
    """The whole HTML page."""
    body = "".join(_operations(openapi))
    schemas = "".join(
        f'<h2 id="{escape(name)}">{escape(name)}</h2>{_pretty(schema)}'
        for name, schema in openapi["components"]["schemas"].items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Hark: the API</title>'
        '<meta name="viewport" content="width=device-width"><style>' + _STYLE + "</style></head><body><main>"
        f"<h1>Hark: the API</h1><p>{escape(openapi['info']['description'])}</p>"
        f'<p>The same for machines: <a href="/openapi.json">/openapi.json</a></p>{body}{schemas}</main></body></html>'
    )


def _operations(openapi: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield f'<h2><span class="method">{method.upper()}</span> <code>{escape(path)}</code></h2>'
            yield f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
            rows = [
                (f"{p['name']} ({p['in']})", escape(p.get("description", "") or json.dumps(p["schema"])))
                for p in operation.get("parameters", [])
            ]
            if "security" in operation:
                scope = operation["security"][0]["bearer"][0]
                rows.insert(0, ("needs", f"an API key, a token or a client certificate with the scope {escape(scope)}"))
            body = operation.get("requestBody")
            if body:
                rows.append(("body", _linked(body["content"]["application/json"]["schema"])))
            for status, answer in operation["responses"].items():
                schemas = [content.get("schema", {}) for content in answer.get("content", {}).values()]
                rows.append((status, f"{escape(answer['description'])} {' '.join(map(_linked, schemas))}"))
            yield "<table>" + "".join(f"<tr><th>{escape(k)}</th><td>{v}</td></tr>" for k, v in rows) + "</table>"


def _linked(schema: Mapping[str, Any]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    return f'<a href="#{escape(name)}">{escape(name)}</a>' if name else ""


def _pretty(schema: Mapping[str, Any]) -> str:
    return f"<pre>{escape(json.dumps(schema, indent=2))}</pre>"
