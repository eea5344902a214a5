"""Slack's incoming webhook, by its SDK.

The webhook decides the channel, whatever the request says, and nobody can ask it which: a setting names it, and what is
for another channel is not sent.
"""

from collections.abc import Callable
from typing import Annotated

import aiohttp
from pydantic import AfterValidator, SecretStr, field_validator
from slack_sdk.webhook.async_client import AsyncWebhookClient

from functions.slack.channel import normalise
from functions.slack.message import of_error, payload
from shared.errors import Refused, Unknown
from shared.http import UNREADABLE, header, of_client_error, seconds, session
from shared.provider import Outgoing, Provider
from shared.settings import Settings, http_url, load


class WebhookSettings(Settings):
    slack_webhook_url: SecretStr
    slack_webhook_channel: Annotated[str, AfterValidator(normalise)]
    """The webhook's own channel, spelt as deliveries spell their addresses."""

    @field_validator("slack_webhook_url")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        http_url(url.get_secret_value())
        return url


class WebhookProvider:
    name = "slack-webhook"

    def __init__(self, settings: WebhookSettings) -> None:
        self._channel = settings.slack_webhook_channel
        self._session = session("Slack")
        self._client = AsyncWebhookClient(
            settings.slack_webhook_url.get_secret_value(), session=self._session, retry_handlers=[]
        )

    async def send(self, outgoing: Outgoing) -> str | None:
        if outgoing.address != self._channel:
            raise Refused(
                "the webhook posts to the channel that SLACK_WEBHOOK_CHANNEL names, which is not the one addressed: "
                "send with SLACK_PROVIDER=slack, or mend the setting, then replay"
            )
        try:
            answer = await self._client.send_dict(payload(outgoing))
        except aiohttp.ClientError as error:
            raise of_client_error("Slack", error) from None
        except (OSError, *UNREADABLE) as error:
            raise Unknown(f"no readable answer from Slack ({type(error).__name__})") from None
        if answer.status_code != 200:
            # The body is a bare code, or a proxy's page, which `of_error` goes by the status of.
            # Only a refusal has a code; any other 2xx is an answer we cannot read.
            code = answer.body if answer.status_code >= 400 else None
            retry_after = seconds(header(answer.headers, "Retry-After"))
            raise of_error(answer.status_code, code, retry_after, ours_to_name=True)
        if answer.body != "ok":
            raise Unknown("Slack's answer to the webhook is not 'ok'")
        return None

    async def aclose(self) -> None:
        await self._session.close()


def provider() -> Callable[[], Provider]:
    settings = load(WebhookSettings)
    return lambda: WebhookProvider(settings)
