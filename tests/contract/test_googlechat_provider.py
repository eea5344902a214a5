"""Google Chat's provider, held to the contract of all."""

import pytest
from pydantic import SecretStr

from functions.googlechat.googlechat_provider import GoogleChatProvider, GoogleChatSettings
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.sending.provider import Provider
from tests.contract.providers import TOKEN, Lab, SessionContract, Where


class TestGoogleChat(SessionContract):
    channel = "googlechat"
    name = "googlechat"
    address = "canary"
    unknown_address = Refused

    def provider(self, where: Where) -> Provider:
        url = f"{self.origin(where)}/v1/spaces/canary/messages?key=k&token={TOKEN}"
        return GoogleChatProvider(GoogleChatSettings(googlechat_urls=SecretStr(f"canary={url}")))

    async def test_all_parts_arrive(self, lab: Lab) -> None:
        cards = [{"cardId": "one", "card": {"header": {"title": "Build 42"}}}]
        await self.sent(lab.where, self.outgoing_with({"thread": "build-42", "cards": cards}))
        [item] = await lab.inbox()
        assert item["shown"] == {"thread": "build-42", "cards": cards}

    async def test_nobody_is_mentioned(self, lab: Lab) -> None:
        await self.sent(lab.where, self.outgoing("<users/all> and <users/1234>: *now*"))
        [item] = await lab.inbox()
        assert "<users/" not in item["text"]
        assert item["text"].replace("\u200b", "") == "<users/all> and <users/1234>: *now*"

    @pytest.mark.parametrize(
        ("code", "status", "expected"),
        [
            (400, "INVALID_ARGUMENT", Permanent),
            (400, "FAILED_PRECONDITION", Refused),
            (400, "canary", Refused),
            (403, "PERMISSION_DENIED", Retryable),
            (404, "NOT_FOUND", Refused),
            (429, "RESOURCE_EXHAUSTED", Throttled),
            (500, "INTERNAL", Unknown),
            (503, "UNAVAILABLE", Retryable),
        ],
    )
    async def test_an_error_means_what_its_status_says(self, code: int, status: str, expected: type[SendError]) -> None:
        error = await self.refused_with({"error": {"code": code, "status": status, "message": "canary"}}, code)
        assert type(error) is expected
        assert getattr(error, "credentials", False) == (code == 403)

    async def test_a_key_that_is_not_valid_is_an_operators(self) -> None:
        details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
        error = await self.refused_with({"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": details}})
        assert isinstance(error, Retryable)
        assert error.credentials
        assert "GOOGLECHAT_URLS" in str(error)

    async def test_a_success_that_names_no_message_is_unknown(self) -> None:
        for document in ({}, {"name": 5}, {"name": ""}):
            assert type(await self.refused_with(document, 200)) is Unknown
