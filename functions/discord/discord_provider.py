"""Discord's webhooks, by plain HTTP: https://docs.discord.com/developers/resources/webhook#execute-webhook"""

from collections.abc import Callable
from typing import Any

from functions.discord.discord_codes import CODES
from shared.channels import named_urls
from shared.delivery.errors import SendError, Throttled, Unknown
from shared.http.client import HttpAnswer, of_status, post_json, seconds, session
from shared.runtime.settings import Settings, load
from shared.sending.provider import Outgoing, Provider, Sent


class DiscordSettings(Settings):
    discord_urls: named_urls.Urls


class DiscordProvider:
    name = "discord"

    def __init__(self, settings: DiscordSettings) -> None:
        self._urls = named_urls.urls(settings.discord_urls)
        self._session = session("Discord")

    async def send(self, outgoing: Outgoing) -> Sent:
        url = named_urls.url_of(self._urls, outgoing.address, "DISCORD_URLS")
        said = {"content": outgoing.text, "allowed_mentions": {"parse": []}, **outgoing.parts}
        answer = await post_json(
            # Without `wait` it answers before it has looked at the message, and names none.
            *(self._session, "Discord", named_urls.with_query(url, wait="true"), said, outgoing.notification_id)
        )
        body = answer.body if isinstance(answer.body, dict) else {}
        if answer.status != 200:
            raise _of_answer(answer, body)
        message_id, channel_id = body.get("id"), body.get("channel_id")
        if not isinstance(message_id, str) or not message_id:
            raise Unknown("Discord's answer names no message")
        return Sent(message_id, conversation=channel_id if isinstance(channel_id, str) else None)

    async def aclose(self) -> None:
        await self._session.close()


def _of_answer(answer: HttpAnswer, body: dict[str, Any]) -> SendError:
    code = body.get("code")
    meaning = CODES.get(code) if type(code) is int else None
    if answer.status == 429 or (meaning is not None and meaning[0] is Throttled):
        # Cloudflare's own 429 has no body of Discord's.
        said = body.get("retry_after")
        pause = seconds(str(said)) if isinstance(said, int | float) else None
        return Throttled("Discord answered 429", retry_after=seconds(answer.retry_after) if pause is None else pause)
    if meaning is None:
        return of_status("Discord", answer.status, code if type(code) is int else None)
    error, words = meaning
    return error(f"Discord answered {answer.status} ({code}): {words}")


def provider() -> Callable[[], Provider]:
    settings = load(DiscordSettings)
    return lambda: DiscordProvider(settings)
