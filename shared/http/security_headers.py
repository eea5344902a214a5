"""What a browser is told with every answer: it is what it says, runs nothing, stands in no frame, names us to nobody.

No Strict-Transport-Security: the gateway speaks HTTP, and the promise is for whoever owns the name in front of it.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def secured(app: ASGIApp) -> ASGIApp:
    """The application with these headers on every answer, but for those that an answer has of its own."""

    async def secured_app(scope: Scope, receive: Receive, send: Send) -> None:
        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                there = {name for name, _ in headers}  # in lower case, as ASGI wants them
                message = {**message, "headers": headers + [each for each in HEADERS if each[0] not in there]}
            await send(message)

        await app(scope, receive, adding)

    return secured_app
