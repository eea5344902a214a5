"""The inbox page. It shows hostile text, so nothing inline may run and nothing from elsewhere may load.

A mail's HTML is a page of its own, which the inbox has in a frame: it may style itself, and no more.
"""

import html
from pathlib import Path

from aiohttp import web

from emulator.lab.witness import Witness

STATIC = Path(__file__).parent / "static"
FILES = {
    "/": ("index.html", "text/html"),
    "/static/lab.js": ("lab.js", "text/javascript"),
    "/static/lab.css": ("lab.css", "text/css"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
    "/static/speaks.svg": ("speaks.svg", "image/svg+xml"),
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
MAIL_HEADERS = {
    **HEADERS,
    # The same in a tab of its own: no scripts, no forms, an origin of nobody's, and nothing from elsewhere.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'; sandbox"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}


def routes(witness: Witness, gateway: str | None = None) -> list[web.RouteDef]:
    """gateway: its address, to whose console the page links; None: the lab stands alone"""
    console = "" if gateway is None else f"{gateway.rstrip('/')}/console"

    async def show(request: web.Request) -> web.Response:
        name, content_type = FILES[request.path]
        body = (STATIC / name).read_bytes()
        if content_type == "text/html":
            body = body.replace(b"{console_url}", html.escape(console).encode())
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=HEADERS)

    async def show_mail(request: web.Request) -> web.Response:
        """The HTML of the mail that was accepted `at` this time."""
        mail = witness.html(request.query.get("at", ""))
        if mail is None:
            return web.Response(status=404, text="There is no such mail in the inbox.")
        return web.Response(text=mail, content_type="text/html", charset="utf-8", headers=MAIL_HEADERS)

    return [*(web.get(path, show) for path in FILES), web.get("/mail.html", show_mail)]
