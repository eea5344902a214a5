"""The provider for Microsoft Teams, held to the contract of all."""

import pytest
from pydantic import SecretStr

from functions.teams.channel import LARGEST
from functions.teams.content import Content
from functions.teams.message import posted
from functions.teams.workflows_provider import WorkflowsProvider, WorkflowsSettings
from shared.delivery.errors import Refused, Unknown
from shared.http.client import ANSWER_LIMIT
from shared.sending.provider import Provider
from tests.contract.providers import BODIES, TEXT, TOKEN, Lab, SessionContract, Where
from tests.contract.scripted import answer, say, serving

CARD = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "**Build 42**"}]}


class TestWorkflows(SessionContract):
    channel = "teams"
    name = "workflows"
    address = "canary"
    gives_id = False
    has_subject = True
    unknown_address = Refused

    def provider(self, where: Where) -> Provider:
        url = f"{self.origin(where)}/workflows/canary/triggers/manual/paths/invoke?api-version=1&sig={TOKEN}"
        return WorkflowsProvider(WorkflowsSettings(teams_urls=SecretStr(f"canary={url}")))

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    async def test_a_malformed_success_is_unknown(self, body: bytes) -> None:
        """A workflow that has begun says so by its status alone."""
        assert type(await self.refused_by(say(answer(200, body)))) is Unknown
        if len(body) > ANSWER_LIMIT:
            return
        async with serving(self.script(say(answer(202, body)))) as server:
            assert await self.sent(Where("127.0.0.1", server.port, 0), self.outgoing()) is None

    @pytest.mark.parametrize("status", [200, 201, 203, 204, 206, 226, 299])
    async def test_an_unexpected_success_is_unknown(self, status: int) -> None:
        await super().test_an_unexpected_success_is_unknown(status)

    @pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 429, 500, 503])
    async def test_an_answer_that_repeats_the_request_gives_nothing_away(self, status: int) -> None:
        await super().test_an_answer_that_repeats_the_request_gives_nothing_away(status)

    @pytest.mark.parametrize("status", [404, 410])
    async def test_a_workflow_that_is_gone_is_an_operators(self, status: int) -> None:
        error = await self.refused_with({"error": {"code": "WorkflowNotFound"}}, status)
        assert type(error) is Refused
        assert "TEAMS_URLS" in str(error)

    async def test_a_card_takes_the_place_of_ours(self, lab: Lab) -> None:
        await self.sent(lab.where, self.outgoing_with({"card": CARD}))
        [item] = await lab.inbox()
        assert (item["text"], item["subject"], item["shown"]) == (TEXT, None, {"card": CARD["body"]})

    async def test_what_just_fits_is_taken(self, lab: Lab) -> None:
        text = "x" * 500
        while len(str(posted("Deploy", text)).encode()) < LARGEST - 600:
            text += "x" * 100
        content = Content(message=text, subject="Deploy")
        await self.sent(lab.where, self.outgoing(content.message))
        [item] = await lab.inbox()
        assert item["text"] == text
