"""A system that takes events, by https://www.standardwebhooks.com: it checks signatures, knows a repeat, and may play
deaf.

Its secrets come from whoever made the endpoint: PUT /webhooks/{name} {"secrets": ["whsec_…"]}. What it does not know a
secret of it takes without a look.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from emulator.lab.faults import Mode
from emulator.lab.messages import Acceptable, Answer, Call, Message, json_object, timestamp

_MOST = 5000  # that it remembers


@dataclass(frozen=True)
class Taken:
    """One request that was taken. verified: by how many of the secrets it was signed; None: it knows none"""

    at: str
    endpoint: str
    id: str
    type: str
    verified: int | None
    signatures: int
    is_repeat: bool
    body: str


class Webhooks:
    """See `emulator.lab.messages.Provider`."""

    PATH = "/webhooks/{name}"

    def __init__(self) -> None:
        self._secrets: dict[str, Sequence[Webhook]] = {}
        self._taken: deque[Taken] = deque(maxlen=_MOST)
        self._ids: set[tuple[str, str]] = set()

    def read(self, call: Call) -> Acceptable | Answer:
        name, headers = call.path["name"], {key.lower(): value for key, value in call.headers.items()}
        event, event_id = json_object(call.body), headers.get("webhook-id", "")
        if event is None or not event_id:
            return Answer.json(400, {"error": "no event by Standard Webhooks"})
        known = self._secrets.get(name)
        verified = None if known is None else sum(_is_signed(webhook, call.body, headers) for webhook in known)
        if verified == 0:
            return Answer.json(401, {"error": "not signed by a secret of this endpoint"})
        data = event.get("data")
        message = Message(
            at=timestamp(call.at),
            channel="webhook",
            provider="webhook",
            to=name,
            subject=str(event.get("type")),
            text=call.body.decode(errors="replace"),
            message_id=event_id,
            notification_id=data.get("notification_id") if isinstance(data, dict) else None,
            headers={key: value for key, value in headers.items() if key.startswith("webhook-")},
        )
        return Acceptable(message, Answer(204), {"verified": "" if verified is None else str(verified)})

    def failures(self, message: Message) -> dict[Mode, Answer]:
        return {
            Mode.UNAVAILABLE: Answer.text(503, "not now", {"Retry-After": "1"}),
            Mode.THROTTLED: Answer.text(429, "too many", {"Retry-After": "1"}),
            Mode.REFUSED: Answer.text(400, "no"),
            Mode.UNAUTHORIZED: Answer.text(401, "who are you"),
            Mode.FAULT: Answer.text(500, "it broke"),
            Mode.GONE: Answer.text(410, "it is over"),
        }

    def took(self, asked: Acceptable) -> None:
        """It is accepted, whatever its sender hears of that."""
        message = asked.message
        key = (message.to, message.message_id)
        verified = asked.echoed["verified"]
        self._taken.append(
            Taken(
                at=message.at,
                endpoint=message.to,
                id=message.message_id,
                type=message.subject or "",
                verified=int(verified) if verified else None,
                signatures=len((message.headers or {}).get("webhook-signature", "").split()),
                is_repeat=key in self._ids,
                body=message.text,
            )
        )
        self._ids.add(key)

    def routes(self) -> list[web.RouteDef]:
        async def put(request: web.Request) -> web.Response:
            try:
                secrets = json.loads(await request.read())["secrets"]
                self._secrets[request.match_info["name"]] = [Webhook(str(secret)) for secret in secrets]
            except (ValueError, LookupError, TypeError, RuntimeError):
                return web.json_response({"error": 'the body must be {"secrets": ["whsec_…"]}'}, status=422)
            return web.Response(status=204)

        async def show(request: web.Request) -> web.Response:
            """Oldest first."""
            name = request.query.get("endpoint")
            items = [asdict(taken) for taken in self._taken if name in {None, taken.endpoint}]
            return web.json_response({"items": items})

        async def clear(request: web.Request) -> web.Response:
            self._taken.clear()
            self._ids.clear()
            return web.Response(status=204)

        return [web.put(self.PATH, put), web.get("/webhooks.json", show), web.delete("/webhooks.json", clear)]


def _is_signed(webhook: Webhook, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        webhook.verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True
