"""Slack's chat.postMessage and chat.update, by its SDK."""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
from pydantic import SecretStr, field_validator
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from functions.slack.message import LARGEST_ANSWER, changed, of_error, payload
from shared.delivery.errors import Permanent, Unknown
from shared.http.client import UNREADABLE, of_client_error, seconds, session
from shared.runtime.settings import HttpUrl, Settings, load
from shared.sending.provider import Earlier, Found, Outgoing, Provider, Sent

_LATEST = 100  # messages of a conversation, when one is looked for
_PAGES = 3  # of a workspace's channels, when one is looked for by its name
_CONVERSATION = re.compile(r"[CDG][A-Z0-9]{2,20}")


class SlackSettings(Settings):
    slack_bot_token: SecretStr
    slack_base_url: HttpUrl = "https://slack.com/api/"

    @field_validator("slack_base_url")
    @classmethod
    def _ends_with_slash(cls, url: str) -> str:
        """The SDK joins by RFC 3986, which drops a last part without one."""
        return url if url.endswith("/") else url + "/"


class SlackProvider:
    name = "slack"

    def __init__(self, settings: SlackSettings) -> None:
        self._session = session("Slack", LARGEST_ANSWER)
        self._ids: dict[str, str] = {}  # by #name; one that is renamed is found in the next process
        self._client = AsyncWebClient(
            token=settings.slack_bot_token.get_secret_value(),
            base_url=settings.slack_base_url,
            session=self._session,
            retry_handlers=[],
        )

    async def send(self, outgoing: Outgoing) -> Sent:
        try:
            answer = await self._call(outgoing)
        except SlackApiError as refused:
            raise _of_answer(refused.response) from None
        except aiohttp.ClientError as error:
            raise of_client_error("Slack", error) from None
        except (SlackClientError, OSError, *UNREADABLE) as error:
            raise Unknown(f"no readable answer from Slack ({type(error).__name__})") from None
        ts = answer.get("ts")
        if not isinstance(ts, str):
            raise Unknown("Slack's answer has no message id")
        channel = answer.get("channel")
        known = isinstance(channel, str) and _CONVERSATION.fullmatch(channel)
        return Sent(ts, channel if known else None)

    def _call(self, outgoing: Outgoing) -> Awaitable[Any]:
        """Raises Permanent when there is no message to update."""
        if (update := outgoing.earlier.get("update")) is not None:
            return self._client.chat_update(
                channel=_conversation(outgoing, update), ts=update.sent.id or "", **changed(outgoing)
            )
        arguments = payload(outgoing)
        channel = outgoing.address
        if (thread := outgoing.earlier.get("thread")) is not None and thread.sent.id is not None:
            # In a conversation with one person a thread is known by the conversation's id, not by the person's.
            channel = thread.sent.conversation or channel
            arguments["thread_ts"] = thread.sent.id
        return self._client.chat_postMessage(channel=channel, **arguments)

    async def find(self, outgoing: Outgoing, since: datetime) -> Sequence[Found] | None:
        """By the message's metadata, among the conversation's latest. The token needs channels:history, and groups:,
        im: and mpim:history for other conversations; for a #name channels:read and groups:read besides.

        https://docs.slack.dev/reference/methods/conversations.history
        """
        conversation = await self._conversation(outgoing.address)
        if conversation is None:
            return None
        answer = await self._client.conversations_history(
            channel=conversation, oldest=f"{since.timestamp():.6f}", limit=_LATEST, include_all_metadata=True
        )
        ours = [message for message in answer["messages"] if _notification_id(message) == outgoing.notification_id]
        if not ours and answer.get("has_more"):
            return None
        return [
            Found(Sent(message["ts"], conversation), datetime.fromtimestamp(float(message["ts"]), UTC), is_ours=True)
            for message in ours
        ]

    async def _conversation(self, address: str) -> str | None:
        """Its id; None where there is none by that name, as far as the app can see."""
        if address.startswith(("U", "W")):
            opened = await self._client.conversations_open(users=address)
            return str(opened["channel"]["id"])
        if not address.startswith("#"):
            return address
        if address not in self._ids:
            cursor = None
            for _ in range(_PAGES):
                page = await self._client.conversations_list(
                    types="public_channel,private_channel", exclude_archived=True, limit=1000, cursor=cursor
                )
                self._ids |= {f"#{channel['name']}": str(channel["id"]) for channel in page["channels"]}
                cursor = (page.get("response_metadata") or {}).get("next_cursor")
                if address in self._ids or not cursor:
                    break
        return self._ids.get(address)

    async def aclose(self) -> None:
        await self._session.close()


def _conversation(outgoing: Outgoing, update: Earlier) -> str:
    if update.sent.id is None:
        raise Permanent(f"there is no message to update: {update.why_not}")
    found = update.sent.conversation or outgoing.address
    if not _CONVERSATION.fullmatch(found):
        raise Permanent("there is no message to update: its record does not say in which conversation it is")
    return found


def _notification_id(message: Any) -> Any:
    return ((message.get("metadata") or {}).get("event_payload") or {}).get("notification_id")


def provider() -> Callable[[], Provider]:
    settings = load(SlackSettings)
    return lambda: SlackProvider(settings)


def _of_answer(answer: Any) -> Exception:
    """`answer`: the SDK's response, or aiohttp's own where the body was no JSON."""
    data = getattr(answer, "data", None)
    code = data.get("error") if isinstance(data, dict) else None
    status: int = answer.status_code if hasattr(answer, "status_code") else answer.status
    retry_after = seconds(answer.headers.get("Retry-After"))
    return of_error(status, code if isinstance(code, str) else None, retry_after)
