"""GET /u/{token} shows, POST /u/{token} acts: whoever has the link is let in, and nobody else learns a thing.

GET changes nothing: programs that scan mails for dangerous links open each of them (RFC 8058, 1).
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.services import Gateway
from functions.gateway.unsubscribe import choices, forms
from functions.gateway.unsubscribe.choices import NobodyChooses, View
from functions.gateway.unsubscribe.forms import Asked, Chosen
from functions.gateway.unsubscribe.page import choices_page, refusal_page
from functions.gateway.unsubscribe.texts import Notice, language
from shared.delivery.errors import BodyTooLarge, BodyTooSlow, StoreUnavailable, UnreadableRecord
from shared.http import request_body
from shared.people.unsubscribe_tokens import Unsubscribe
from shared.runtime.logs import get_logger

log = get_logger(__name__)

_CLOSE = {"Connection": "close"}  # the rest of the body is not read, so no other request can follow it


def unsubscribe_router(gateway: Gateway) -> APIRouter:
    """Not in /openapi.json: it is a page for people, which a link leads to."""
    routes = APIRouter(include_in_schema=False)
    tokens = gateway.unsubscribe_tokens

    @routes.get("/u/{token:path}")
    async def show_choices(token: str, request: Request) -> Response:
        """What the link is about. Changes nothing, whatever comes with the request."""
        about = None if tokens is None else tokens.opened(token)
        if about is None:
            return _unknown(request)
        try:
            view = await choices.look(gateway, about)
        except (StoreUnavailable, UnreadableRecord) as error:
            return _later(request, about, error)
        return choices_page(about, token, view, _language(request, about, view))

    @routes.post("/u/{token:path}")
    async def act(token: str, request: Request) -> Response:
        """Unsubscribes with one click (RFC 8058, 3.2), takes it back, or saves choices."""
        about = None if tokens is None else tokens.opened(token)
        if about is None:
            return _unknown(request)
        try:
            body = await request_body.read(request, forms.LONG)
        except (BodyTooLarge, BodyTooSlow) as error:
            status = 413 if isinstance(error, BodyTooLarge) else 408
            answer = refusal_page(status, Notice.NOT_UNDERSTOOD, _language(request, about))
            answer.headers.update(_CLOSE)
            return answer
        asked = forms.read(request.headers.get("content-type", ""), body)
        try:
            done = None if asked is None else await _done(about, asked)
        except (StoreUnavailable, UnreadableRecord) as error:
            return _later(request, about, error)
        if done is None:
            return refusal_page(422, Notice.NOT_UNDERSTOOD, _language(request, about))
        log.info("unsubscribe page", done=done, channel=about.channel, category=about.category)
        view = await _view_after(about, done)
        return choices_page(about, token, view, _language(request, about, view), done)

    async def _done(about: Unsubscribe, asked: Asked | Chosen) -> Notice | None:
        """None: there is nobody to choose for. Raises StoreUnavailable, UnreadableRecord."""
        match asked:
            case Asked.UNSUBSCRIBE:
                await choices.unsubscribe(gateway, about)
                return Notice.DONE
            case Asked.SUBSCRIBE_AGAIN:
                await choices.subscribe_again(gateway, about)
                return Notice.UNDONE
            case Chosen():
                try:
                    await choices.choose(gateway, about, asked)
                except NobodyChooses:
                    return None
                return Notice.SAVED

    async def _view_after(about: Unsubscribe, done: Notice) -> View:
        """It is done and on record: that the page cannot be made in full is no reason to say otherwise."""
        try:
            return await choices.look(gateway, about)
        except (StoreUnavailable, UnreadableRecord) as error:
            log.warning("the unsubscribe page is made without records", error=str(error))
            return View(about.category, stopped=done is Notice.DONE, unsubscribed=done is Notice.DONE)

    return routes


def _language(request: Request, about: Unsubscribe | None = None, view: View | None = None) -> str:
    locales = (view.locale if view else None, about.locale if about else None)
    return language(locales, request.headers.get("accept-language", ""))


def _unknown(request: Request) -> Response:
    return refusal_page(404, Notice.UNKNOWN, _language(request))


def _later(request: Request, about: Unsubscribe, error: Exception) -> Response:
    log.error("the records cannot be reached", error=str(error))
    return refusal_page(503, Notice.LATER, _language(request, about))
