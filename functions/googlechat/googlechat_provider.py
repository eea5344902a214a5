"""Webhooks of Google Chat, by plain HTTP: https://developers.google.com/workspace/chat/quickstart/webhooks"""

from collections.abc import Callable

from functions.googlechat.message import posted
from shared.channels import named_urls
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Unknown
from shared.http.client import HttpAnswer, of_status, post_json, session
from shared.runtime.settings import Settings, load
from shared.sending.provider import Outgoing, Provider, Sent

# Without a thread there is nothing to reply to, and Chat begins one.
_IN_ITS_THREAD = "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"


class GoogleChatSettings(Settings):
    googlechat_urls: named_urls.Urls


class GoogleChatProvider:
    name = "googlechat"

    def __init__(self, settings: GoogleChatSettings) -> None:
        self._urls = named_urls.urls(settings.googlechat_urls)
        self._session = session("Chat")

    async def send(self, outgoing: Outgoing) -> Sent:
        url = named_urls.url_of(self._urls, outgoing.address, "GOOGLECHAT_URLS")
        url = named_urls.with_query(url, messageReplyOption=_IN_ITS_THREAD)
        said = posted(outgoing.text, outgoing.parts)
        answer = await post_json(self._session, "Chat", url, said, outgoing.notification_id)
        body = answer.body if isinstance(answer.body, dict) else {}
        if answer.status != 200:
            raise _of_answer(answer, body.get("error"))
        name = body.get("name")
        if not isinstance(name, str) or not name:
            raise Unknown("Chat's answer names no message")
        thread = body.get("thread")
        conversation = thread.get("name") if isinstance(thread, dict) else None
        return Sent(name, conversation=conversation if isinstance(conversation, str) else None)

    async def aclose(self) -> None:
        await self._session.close()


def _of_answer(answer: HttpAnswer, error: object) -> SendError:
    """Errors are google.rpc.Status: https://cloud.google.com/apis/design/errors"""
    status = error.get("status") if isinstance(error, dict) else None
    text = f"Chat answered {answer.status}"
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and str(detail.get("reason")).startswith("API_KEY_"):
            return Retryable(f"{text}: the key in GOOGLECHAT_URLS is not valid", credentials=True)
    match answer.status, status:
        case 400, "INVALID_ARGUMENT":
            return Permanent(f"{text}: a part of the message is not as Chat wants it")
        case (404, "NOT_FOUND") | (400, "FAILED_PRECONDITION"):
            return Refused(f"{text}: there is no such space or webhook: look at GOOGLECHAT_URLS, then replay")
        case _:
            return of_status("Chat", answer.status, retry_after=answer.retry_after)


def provider() -> Callable[[], Provider]:
    settings = load(GoogleChatSettings)
    return lambda: GoogleChatProvider(settings)
