"""Telegram's Bot API, by plain HTTP: https://core.telegram.org/bots/api#sendmessage"""

from collections.abc import Callable
from typing import Any

from pydantic import SecretStr, field_validator

from functions.telegram.telegram_answers import of_answer
from shared.delivery.errors import Unknown
from shared.http.client import HttpAnswer, post_json, session
from shared.runtime.settings import BaseUrl, Settings, load
from shared.sending.provider import Outgoing, Provider, Sent


class TelegramSettings(Settings):
    telegram_bot_token: SecretStr
    telegram_base_url: BaseUrl = "https://api.telegram.org"

    @field_validator("telegram_bot_token")
    @classmethod
    def _can_stand_in_a_path(cls, token: SecretStr) -> SecretStr:
        value = token.get_secret_value()
        if not value or not all(c.isascii() and (c.isalnum() or c in ":_-") for c in value):
            raise ValueError("must be as BotFather gave it, like 123456:ABC-def")
        return token


class TelegramProvider:
    name = "telegram"

    def __init__(self, settings: TelegramSettings) -> None:
        token = settings.telegram_bot_token.get_secret_value()
        self._url = f"{settings.telegram_base_url.rstrip('/')}/bot{token}/sendMessage"
        self._session = session("Telegram")

    async def send(self, outgoing: Outgoing) -> Sent:
        answer = await post_json(self._session, "Telegram", self._url, _arguments(outgoing), outgoing.notification_id)
        if answer.status != 200 or not isinstance(answer.body, dict) or answer.body.get("ok") is not True:
            raise of_answer(answer)
        return _sent(answer)

    async def aclose(self) -> None:
        await self._session.close()


def _arguments(outgoing: Outgoing) -> dict[str, Any]:
    parts = outgoing.parts
    said: dict[str, Any] = {
        "chat_id": outgoing.address,
        "text": outgoing.text,
        "link_preview_options": {"is_disabled": not parts.get("link_preview", False)},
    }
    if "silent" in parts:
        said["disable_notification"] = parts["silent"]
    if "topic" in parts:
        said["message_thread_id"] = parts["topic"]
    return said


def _sent(answer: HttpAnswer) -> Sent:
    """A message's number is one of its chat's. Raises Unknown."""
    result = answer.body.get("result")
    message = result if isinstance(result, dict) else {}
    chat = message.get("chat")
    number, chat_id = message.get("message_id"), chat.get("id") if isinstance(chat, dict) else None
    if type(number) is not int or type(chat_id) is not int:
        raise Unknown("Telegram's answer names no message")
    return Sent(str(number), conversation=str(chat_id))


def provider() -> Callable[[], Provider]:
    settings = load(TelegramSettings)
    return lambda: TelegramProvider(settings)
