"""Slack's chat.postMessage, by its SDK."""

from collections.abc import Callable
from typing import Any

import aiohttp
from pydantic import SecretStr, field_validator
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from functions.slack.message import LARGEST_ANSWER, of_error, payload
from shared.delivery.errors import Unknown
from shared.http.client import UNREADABLE, of_client_error, seconds, session
from shared.runtime.settings import HttpUrl, Settings, load
from shared.sending.provider import Outgoing, Provider


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
        self._client = AsyncWebClient(
            token=settings.slack_bot_token.get_secret_value(),
            base_url=settings.slack_base_url,
            session=self._session,
            retry_handlers=[],
        )

    async def send(self, outgoing: Outgoing) -> str | None:
        try:
            answer = await self._client.chat_postMessage(channel=outgoing.address, **payload(outgoing))
        except SlackApiError as refused:
            raise _of_answer(refused.response) from None
        except aiohttp.ClientError as error:
            raise of_client_error("Slack", error) from None
        except (SlackClientError, OSError, *UNREADABLE) as error:
            raise Unknown(f"no readable answer from Slack ({type(error).__name__})") from None
        ts = answer.get("ts")
        if not isinstance(ts, str):
            raise Unknown("Slack's answer has no message id")
        return ts

    async def aclose(self) -> None:
        await self._session.close()


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
