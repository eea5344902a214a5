"""Slack's incoming webhook, by its SDK. It posts to one channel, so what is for another is not sent."""

from collections.abc import Callable

import aiohttp
from pydantic import SecretStr, field_validator
from slack_sdk.webhook.async_client import AsyncWebhookClient

from functions.slack.message import of_error, payload
from functions.slack.webhook_channel import ChannelAddress, refusals
from shared.delivery.errors import Refused, Unknown
from shared.http.client import UNREADABLE, header, of_client_error, seconds, session
from shared.runtime.settings import Settings, http_url, load
from shared.sending.provider import Outgoing, Provider


class WebhookSettings(Settings):
    slack_webhook_url: SecretStr
    slack_webhook_channel: ChannelAddress

    @field_validator("slack_webhook_url")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        http_url(url.get_secret_value())
        return url


class WebhookProvider:
    name = "slack-webhook"

    def __init__(self, settings: WebhookSettings) -> None:
        self._refusal = refusals(settings.slack_webhook_channel)
        self._session = session("Slack")
        self._client = AsyncWebhookClient(
            settings.slack_webhook_url.get_secret_value(), session=self._session, retry_handlers=[]
        )

    async def send(self, outgoing: Outgoing) -> str | None:
        if refusal := self._refusal(outgoing.address):
            raise Refused(f"{refusal}: send with SLACK_PROVIDER=slack, or mend the setting, then replay")
        if outgoing.earlier:
            asked = " and ".join(outgoing.earlier)
            raise Refused(f"a webhook posts new messages alone, and no {asked}: set SLACK_PROVIDER=slack, then replay")
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
