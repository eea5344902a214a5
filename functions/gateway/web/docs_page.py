"""/docs: Swagger UI over /openapi.json. All that it loads is here, and none of it is inline.

Swagger UI comes from the package fastapi-swagger (docs/decisions/010-swagger-ui.md). Nothing of that package runs but
its import, at the first request for the page.
"""

from collections.abc import Mapping
from importlib.resources import files

from functions.gateway.web.static_files import StaticFile, static_file

DESCRIPTION = (
    "Accepts a notification once and gets it to a person, or says exactly why not. "
    "Errors are RFC 9457 problem details; times are RFC 3339 in UTC."
)

# `data:` is for the icons within Swagger UI's style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Hark: the API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css"><link rel="stylesheet" href="/docs/page.css">
</head><body><div id="page"></div>
<footer>Shown by Swagger UI, © SmartBear Software, Apache License 2.0.</footer>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script>
</body></html>
"""

# validatorUrl: by default a badge is asked for at another host. persistAuthorization is off: no key stays behind.
_START = """
SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#page", deepLinking: true, filter: true, validatorUrl: null,
  displayRequestDuration: true, defaultModelsExpandDepth: 0, tryItOutEnabled: true, persistAuthorization: false
});
"""

_STYLE = """
body { margin: 0 }
footer { padding: 1rem; text-align: center; font: 0.8rem system-ui, sans-serif; color: #6b6b6b }
"""

_VENDORED = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
ASSETS = frozenset({"start.js", "page.css", *_VENDORED})


def assets() -> Mapping[str, StaticFile]:
    """All of them by name. It takes a third of a second: for a thread, once."""
    import fastapi_swagger.resources  # noqa: PLC0415 - only who opens the page pays for it

    folder = files(fastapi_swagger.resources)
    return {
        "start.js": _asset(_START.encode(), "text/javascript; charset=utf-8"),
        "page.css": _asset(_STYLE.encode(), "text/css; charset=utf-8"),
        **{name: _asset((folder / name).read_bytes(), media_type) for name, media_type in _VENDORED.items()},
    }


def _asset(content: bytes, media_type: str) -> StaticFile:
    return static_file(content, media_type, "public, max-age=3600")
