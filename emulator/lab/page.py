"""The inbox page. It shows hostile text, so nothing inline may run and nothing from elsewhere may load."""

from pathlib import Path

from aiohttp import web

STATIC = Path(__file__).parent / "static"
FILES = {
    "/": ("index.html", "text/html"),
    "/static/lab.js": ("lab.js", "text/javascript"),
    "/static/lab.css": ("lab.css", "text/css"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def routes() -> list[web.RouteDef]:
    return [web.get(path, show) for path in FILES]


async def show(request: web.Request) -> web.Response:
    name, content_type = FILES[request.path]
    return web.Response(body=(STATIC / name).read_bytes(), content_type=content_type, charset="utf-8", headers=HEADERS)
