"""Discord's provider, held to the contract of all."""

import pytest
from pydantic import SecretStr, ValidationError

from functions.discord.discord_codes import CODES
from functions.discord.discord_provider import DiscordProvider, DiscordSettings
from shared.delivery.errors import Refused, SendError, Throttled, Unknown
from shared.sending.provider import Provider
from tests.contract.providers import TOKEN, Lab, SessionContract, Where


class TestDiscord(SessionContract):
    channel = "discord"
    name = "discord"
    address = "canary"
    unknown_address = Refused

    def provider(self, where: Where) -> Provider:
        url = f"{self.origin(where)}/api/webhooks/canary/{TOKEN}"
        return DiscordProvider(DiscordSettings(discord_urls=SecretStr(f"canary={url}")))

    async def test_all_parts_arrive_and_nobody_is_mentioned(self, lab: Lab) -> None:
        embeds = [{"title": "Build 42", "url": "https://a.test"}]
        await self.sent(lab.where, self.outgoing_with({"embeds": embeds, "username": "Deploys"}))
        [item] = await lab.inbox()
        assert item["shown"] == {"username": "Deploys", "embeds": embeds}

    async def test_a_name_that_is_gone_from_the_settings_is_an_operators_to_mend(self, lab: Lab) -> None:
        error = await self.refused(lab.where, self.outgoing_to("sales"))
        assert type(error) is Refused
        assert "DISCORD_URLS" in str(error)
        assert await lab.inbox() == []

    @pytest.mark.parametrize("code", CODES)
    async def test_a_code_means_what_the_table_says(self, code: int) -> None:
        error = await self.refused_with({"code": code, "message": "canary"})
        assert type(error) is CODES[code][0]

    @pytest.mark.parametrize(
        ("code", "expected"), [(0, Refused), (99999, Refused), ("10015", Refused), (True, Refused)]
    )
    async def test_an_unknown_code_goes_by_its_status(self, code: object, expected: type[SendError]) -> None:
        assert type(await self.refused_with({"code": code, "message": "canary"})) is expected

    async def test_a_throttle_names_its_time_in_the_body(self) -> None:
        error = await self.refused_with({"retry_after": 0.35, "global": True}, 429, {"Retry-After": "1"})
        assert isinstance(error, Throttled)
        assert error.retry_after == 0.35

    async def test_a_success_that_names_no_message_is_unknown(self) -> None:
        for document in ({}, {"id": 5}, {"id": ""}):
            assert type(await self.refused_with(document, 200)) is Unknown

    def test_a_url_without_a_name_stops_the_start_and_is_not_repeated(self) -> None:
        with pytest.raises(ValidationError, match="entry 1 has no name") as wrong:
            DiscordSettings(discord_urls=SecretStr("https://discord.com/api/webhooks/1/canary"))
        assert "canary" not in str(wrong.value)
