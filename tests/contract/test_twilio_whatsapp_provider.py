"""WhatsApp by Twilio, held to the contract of all."""

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from functions.whatsapp.channel import TemplateSettings
from functions.whatsapp.content import Content
from functions.whatsapp.twilio_whatsapp_provider import WhatsAppProvider, WhatsAppSettings
from functions.whatsapp.whatsapp_codes import MEANINGS
from shared.delivery.errors import Permanent, Refused
from shared.delivery.model import SuppressionReason
from shared.sending.pipeline import call
from tests.contract.providers import TOKEN, Lab, SessionContract, Where
from tests.contract.scripted import answer, http, say, serving
from tests.contract.test_providers import error_of_twilio

TEMPLATE = "HX0123456789abcdef0123456789abcdef"  # pragma: allowlist secret


class TestWhatsApp(SessionContract):
    name, channel = "twilio_whatsapp", "whatsapp"
    address = "+15551230000"
    good_status = 201
    throttle_seconds = None

    def provider(self, where: Where, **changes: Any) -> WhatsAppProvider:
        told = {
            "twilio_account_sid": "AC" + "0" * 32,
            "twilio_auth_token": SecretStr(TOKEN),
            "whatsapp_from": "+15550001111",
            "twilio_base_url": f"http://{where.host}:{where.port}",
        }
        return WhatsAppProvider(WhatsAppSettings.model_validate(told | changes), {"order_shipped": TEMPLATE})

    async def test_a_template_goes_with_its_variables(self, lab: Lab) -> None:
        parts = {"template": "order_shipped", "variables": {"1": "Größe", "name": "a"}}
        await self.sent(lab.where, self.outgoing_with(parts))
        [item] = await lab.inbox()
        assert item["shown"] == {"template": TEMPLATE, "variables": parts["variables"]}
        assert item["text"] == ""

    async def test_a_template_that_is_gone_from_the_settings_is_an_operators_to_mend(self, lab: Lab) -> None:
        error = await self.refused(lab.where, self.outgoing_with({"template": "gone"}))
        assert type(error) is Refused
        assert "WHATSAPP_TEMPLATES" in str(error)
        assert await lab.inbox() == []

    async def test_sender_and_number_are_of_whatsapp(self) -> None:
        heard: list[bytes] = []
        async with serving(http(say(answer(503)), heard)) as server:
            await self.refused(Where("127.0.0.1", server.port, 0))
        assert b"To=whatsapp%3A%2B15551230000" in heard[0]
        assert b"From=whatsapp%3A%2B15550001111" in heard[0]

    async def test_a_messaging_service_can_send(self, lab: Lab) -> None:
        async with aclosing(self.provider(lab.where, whatsapp_from="MG" + "a" * 32)) as provider:
            assert await provider.send(self.outgoing())

    @pytest.mark.parametrize("code", MEANINGS)
    async def test_a_code_means_what_the_table_says(self, code: int) -> None:
        error = await self.refused_by(say(answer(400, error_of_twilio(code))))
        assert type(error) is MEANINGS[code][0]

    async def test_what_only_a_template_may_says_so(self) -> None:
        error = await self.refused_by(say(answer(400, error_of_twilio(63016))))
        assert type(error) is Permanent
        assert "24 hours" in str(error)

    async def test_the_settings_that_an_operator_has_to_change_are_whatsapps(self) -> None:
        error = await self.refused_by(say(answer(400, error_of_twilio(63007))))
        assert "WHATSAPP_FROM" in str(error)

    async def test_who_has_stopped_gets_nothing_more(self) -> None:
        error = await self.refused_by(say(answer(400, error_of_twilio(21610))))
        assert isinstance(error, Permanent)
        assert error.suppresses is SuppressionReason.STOP

    async def test_it_can_be_asked_of_a_text_and_whether_there_may_be_a_template(self, lab: Lab) -> None:
        since = datetime.now(UTC) - timedelta(seconds=5)
        text, template = self.outgoing(), self.outgoing_with({"template": "order_shipped"})
        async with aclosing(self.provider(lab.where)) as provider:
            assert await provider.find(template, since) == []
            sent = await call(provider, text)
            await provider.send(template)
            found = await provider.find(text, since)
            assert found is not None
            assert [each.sent.id for each in found] == [sent.id]
            assert await provider.find(template, since) is None


@pytest.mark.parametrize(
    "text", ["order", "a=HX12", f"a b={TEMPLATE}", f"a={TEMPLATE};b={TEMPLATE}", f"a={TEMPLATE},a={TEMPLATE}"]
)
def test_templates_that_are_not_name_and_sid_stop_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match=r"must be name=HX|names a twice"):
        TemplateSettings.model_validate({"whatsapp_templates": text})


def test_a_template_is_one_of_the_settings() -> None:
    known = TemplateSettings.model_validate({"whatsapp_templates": f"order={TEMPLATE}, b={TEMPLATE}"})
    own = {"template": "order", "variables": {"1": "x"}}
    assert Content.model_validate(Content.merged({"message": "m"}, own), context=known).parts() == {
        "message": "m",
        **own,
    }
    for wrong, why in (
        ({"template": "gone"}, "must be a name of WHATSAPP_TEMPLATES: there are b, order"),
        ({"variables": {"1": "x"}}, "variables go with a template"),
        ({"template": "order", "variables": {"a b": "x"}}, "should match pattern"),
    ):
        with pytest.raises(ValidationError, match=why):
            Content.model_validate({"message": "m", **wrong}, context=known)
