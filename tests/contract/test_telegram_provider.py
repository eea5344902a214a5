"""Telegram's provider, held to the contract of all."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from functions.telegram.telegram_provider import TelegramProvider, TelegramSettings
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.delivery.model import SuppressionReason
from shared.sending.provider import Provider
from tests.contract.providers import TOKEN, Lab, SessionContract, Where


class TestTelegram(SessionContract):
    channel = "telegram"
    name = "telegram"
    address = "@canary"

    def provider(self, where: Where) -> Provider:
        return TelegramProvider(
            TelegramSettings(
                telegram_bot_token=SecretStr(f"123:{TOKEN}"), telegram_base_url=f"http://{where.host}:{where.port}"
            )
        )

    async def test_all_parts_arrive(self, lab: Lab) -> None:
        parts = {"silent": True, "topic": 7, "link_preview": True}
        sent = await self.sent(lab.where, self.outgoing_with(parts))
        [item] = await lab.inbox()
        assert item["shown"] == {"without a sound": True, "topic": 7}
        assert sent == item["message_id"]

    @pytest.mark.parametrize(
        ("code", "said", "expected", "suppresses"),
        [
            (400, "Bad Request: chat not found", Permanent, None),
            (400, "Bad Request: PEER_ID_INVALID", Permanent, None),
            (400, "Bad Request: something new", Refused, None),
            (400, "Bad Request: TOPIC_CLOSED", Refused, None),
            (403, "Forbidden: bot was blocked by the user", Permanent, SuppressionReason.STOP),
            (403, "Forbidden: user is deactivated", Permanent, SuppressionReason.INVALID),
            (403, "Forbidden: bot was kicked from the supergroup chat", Refused, None),
            (403, "Forbidden: something new", Refused, None),
            (409, "Conflict: canary", Refused, None),
            (500, "Internal Server Error", Unknown, None),
            (999, "canary", Unknown, None),
        ],
    )
    async def test_an_error_means_what_its_code_and_words_say(
        self, code: int, said: str, expected: type[SendError], suppresses: SuppressionReason | None
    ) -> None:
        error = await self.refused_with({"ok": False, "error_code": code, "description": said})
        assert type(error) is expected
        assert getattr(error, "suppresses", None) is suppresses
        assert "canary" not in str(error)

    @pytest.mark.parametrize("code", [401, 404])
    async def test_a_token_of_no_bot_is_an_operators(self, code: int) -> None:
        error = await self.refused_with({"ok": False, "error_code": code, "description": "Not Found"})
        assert isinstance(error, Retryable)
        assert error.credentials
        assert "TELEGRAM_BOT_TOKEN" in str(error)

    async def test_a_throttle_names_its_time_in_the_body(self) -> None:
        error = await self.refused_with({"ok": False, "error_code": 429, "parameters": {"retry_after": 35}})
        assert isinstance(error, Throttled)
        assert error.retry_after == 35

    async def test_a_group_that_has_moved_says_so(self) -> None:
        moved = {"ok": False, "error_code": 400, "parameters": {"migrate_to_chat_id": -100123}}
        error = await self.refused_with(moved)
        assert type(error) is Permanent
        assert "-100123" not in str(error)
        assert "another number" in str(error)

    @pytest.mark.parametrize(
        "result", [None, {}, {"message_id": "5", "chat": {"id": 1}}, {"message_id": True, "chat": {"id": 1}}]
    )
    async def test_a_success_that_names_no_message_is_unknown(self, result: Any) -> None:
        assert type(await self.refused_with({"ok": True, "result": result}, 200)) is Unknown

    @pytest.mark.parametrize("token", ["", "1:a/b", "1:a?b", "1:ä"])
    def test_a_token_that_cannot_stand_in_a_path_stops_the_start(self, token: str) -> None:
        with pytest.raises(ValidationError, match="as BotFather gave it"):
            TelegramSettings(telegram_bot_token=SecretStr(token))
