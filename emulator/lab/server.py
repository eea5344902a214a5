"""The lab over HTTP: the fake providers, the inbox, the faults and what is reported back."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from emulator.lab import faults, page, receipt_faults
from emulator.lab.core import Lab
from emulator.lab.faults import ACCEPTING, AnyFault, F, FieldError, InvalidFault, Mode, Plan
from emulator.lab.messages import Acceptable, Answer, Call, Provider, timestamp
from emulator.lab.providers import fakes, twilio_inbound
from emulator.lab.questions import QUESTIONS, Answered, Question
from emulator.lab.receipts import Receipts
from emulator.lab.transport import PROXY_PAGE, cut, drip, hold, reset
from emulator.lab.webhooks import Webhooks
from shared.http import security_headers

# SendGrid's own limit for a whole mail; the other providers' are lower.
MAX_BODY = 30 * 1024 * 1024
LIMIT = re.compile(r"[1-9][0-9]{0,4}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(lab: Lab, receipts: Receipts, slow_seconds: float, gateway: str | None = None) -> web.Application:
    app = web.Application(client_max_size=MAX_BODY)
    app.on_response_prepare.append(dress)
    for provider in fakes():
        app.router.add_post(provider.PATH, provider_handler(lab, receipts, provider, slow_seconds))
    webhooks = Webhooks()
    app.router.add_post(webhooks.PATH, provider_handler(lab, receipts, webhooks, slow_seconds, webhooks.took))
    app.router.add_routes(webhooks.routes())
    for question in QUESTIONS:
        app.router.add_route(question.method, question.path, question_handler(lab, question))
    app.router.add_routes(inbox_routes(lab))
    app.router.add_routes(plan_routes("/faults", lab.faults, faults.parse))
    app.router.add_routes(plan_routes("/receipts", receipts.faults, receipt_faults.parse))
    app.router.add_post("/inbound", inbound_handler(receipts, gateway))
    app.router.add_routes([*sent_routes(receipts), *page.routes(lab.witness, gateway), web.get("/healthz", healthz)])
    return app


async def dress(request: web.Request, answer: web.StreamResponse) -> None:
    """What each answer that a browser shows has, and no word about which software this is."""
    answer.headers.popall("Server", None)
    if request.method != "POST":  # which is to a provider, and its answer is as that one's
        for name, value in security_headers.HEADERS:
            answer.headers.setdefault(name.decode(), value.decode())


def provider_handler(
    lab: Lab,
    receipts: Receipts,
    provider: Provider,
    slow_seconds: float,
    took: Callable[[Acceptable], None] = lambda _: None,
) -> Handler:
    """took: is told of what is accepted"""

    async def accept(asked: Acceptable) -> Mode | None:
        mode = await lab.handle(asked.message)
        if mode is None or mode in ACCEPTING:
            took(asked)
            await receipts.report(asked)
        return mode

    async def receive(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        outcome = provider.read(
            Call(lab.now(), request.match_info, request.headers, body, request.query, lab.witness.posted)
        )
        if isinstance(outcome, Answer):
            return response(outcome)
        # Shielded: what a sender that leaves meanwhile has sent is accepted all the same, and reported.
        mode = await asyncio.shield(receipts.start(accept(outcome)))
        answer = provider.failures(outcome.message).get(mode, outcome.answer) if mode else outcome.answer
        return await deliver(request, answer, mode, slow_seconds)

    return receive


def question_handler(lab: Lab, question: Answered) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        form = await request.post() if request.method == "POST" else request.query
        asked = Question(request.match_info, request.headers, {name: str(value) for name, value in form.items()})
        match lab.faults.always(question.channel, question.provider):
            case None | Mode.SLOW | Mode.REFUSED:
                return response(question.answer(asked, lab))
            case Mode.UNAUTHORIZED:
                return response(question.unauthorized)
            case _:
                return response(question.unavailable)

    return answer


async def deliver(request: web.Request, answer: Answer, mode: Mode | None, slow: float) -> web.StreamResponse:
    """Send the answer the way the mode says."""
    transport = request.transport
    if transport is None:
        return response(answer)
    match mode:
        case Mode.TIMEOUT | Mode.ACCEPT_THEN_TIMEOUT:
            await hold()
        case Mode.RESET | Mode.ACCEPT_THEN_RESET:
            reset(transport)
            await hold()
        case Mode.TRUNCATED:
            # SendGrid's success has no body to cut short, so one is announced.
            length = len(answer.body) or 100
            cut(transport, answer.head(length) + (answer.body or b'{"message')[: length // 2])
            await hold()
        case Mode.SLOW:
            await drip(transport, answer.head(len(answer.body)) + answer.body, slow)
            transport.close()
            await hold()
        case Mode.HTML:
            return response(Answer(200, PROXY_PAGE, {"Content-Type": "text/html; charset=utf-8"}))
    return response(answer)


def response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def inbox_routes(lab: Lab) -> list[web.RouteDef]:
    async def show(request: web.Request) -> web.Response:
        """Oldest first; `limit` keeps only the newest, for the page."""
        limit = request.query.get("limit")
        if limit is not None and not LIMIT.fullmatch(limit):
            return problem(FieldError("limit", "must be a whole number from 1 to 99999"))
        lines = lab.witness.lines(request.query.get("notification_id") or None)
        shown = lines[-int(limit) :] if limit else lines
        return web.Response(text=f'{{"items": [{", ".join(shown)}]}}', content_type="application/json")

    async def clear(request: web.Request) -> web.Response:
        await lab.witness.clear(timestamp(lab.now()))
        return web.Response(status=204)

    return [web.get("/inbox.json", show), web.delete("/inbox.json", clear)]


def plan_routes(path: str, plan: Plan[F], parse: Callable[[object], F]) -> list[web.RouteDef]:
    async def show(request: web.Request) -> web.Response:
        return web.json_response({"items": [_shown(fault) for fault in plan.items]})

    async def put(request: web.Request) -> web.Response:
        try:
            plan.set(parse(json.loads(await request.read())))
        except InvalidFault as error:
            return problem(*error.errors)
        except (ValueError, RecursionError):
            return problem(FieldError("body", "must be JSON"))
        return await show(request)

    async def clear(request: web.Request) -> web.Response:
        plan.clear()
        return web.Response(status=204)

    return [web.get(path, show), web.put(path, put), web.delete(path, clear)]


def _shown(fault: AnyFault[Any]) -> dict[str, Any]:
    """Without a provider where it strikes each of them."""
    return {name: value for name, value in asdict(fault).items() if name != "provider" or value is not None}


def sent_routes(receipts: Receipts) -> list[web.RouteDef]:
    async def show(request: web.Request) -> web.Response:
        sent = receipts.sent(request.query.get("notification_id") or None)
        return web.json_response({"items": [asdict(each) for each in sent]})

    return [web.get("/receipts/sent.json", show)]


def inbound_handler(receipts: Receipts, gateway: str | None) -> Handler:
    async def receive(request: web.Request) -> web.Response:
        """A text message from a person, which Twilio hands over to the gateway."""
        if gateway is None:
            return problem(FieldError("body", "goes to no gateway: start the lab with --receipts-url"))
        try:
            text = twilio_inbound.parse(json.loads(await request.read()))
        except twilio_inbound.InvalidText as error:
            return problem(*error.errors)
        except (ValueError, RecursionError):
            return problem(FieldError("body", "must be JSON"))
        message_id, callback = twilio_inbound.callback(gateway, text)
        return web.json_response({"message_id": message_id, "answer": await receipts.hand_over("twilio", callback)})

    return receive


def problem(*errors: FieldError) -> web.Response:
    document = {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "; ".join(f"{error.field} {error.message}" for error in errors),
        "errors": [asdict(error) for error in errors],
    }
    return web.json_response(document, status=422, content_type="application/problem+json")


async def healthz(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})
