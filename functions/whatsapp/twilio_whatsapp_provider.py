"""Twilio, for WhatsApp: https://www.twilio.com/docs/whatsapp/api"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from pydantic import Field

from functions.whatsapp.channel import TemplateSettings
from functions.whatsapp.whatsapp_codes import MEANINGS
from shared.delivery.errors import Refused
from shared.providers.twilio.client import Account, AccountSettings
from shared.providers.twilio.messages import Messages
from shared.runtime.settings import load
from shared.sending.provider import Found, Outgoing, Provider

_PREFIX = "whatsapp:"


class WhatsAppSettings(AccountSettings):
    whatsapp_from: str = Field(pattern=r"^(\+[1-9][0-9]{6,14}|MG[0-9a-fA-F]{32})$")
    """A number in E.164, or a messaging service's id."""


class WhatsAppProvider(Messages):
    """templates: by name, their Content SIDs"""

    def __init__(self, settings: WhatsAppSettings, templates: Mapping[str, str]) -> None:
        sender = settings.whatsapp_from
        by_service = re.match("MG", sender)
        super().__init__(
            Account(settings, "WHATSAPP_FROM", MEANINGS),
            "twilio_whatsapp",
            {"messaging_service_sid": sender} if by_service else {"from_": _PREFIX + sender},
            prefix=_PREFIX,
        )
        self._templates = templates

    def content(self, outgoing: Outgoing) -> Mapping[str, str]:
        name = outgoing.parts.get("template")
        if name is None:
            return {"body": outgoing.text}
        if name not in self._templates:
            raise Refused("WHATSAPP_TEMPLATES has no template by that name: add it, deploy, then replay")
        variables = outgoing.parts.get("variables")
        said = {} if variables is None else {"content_variables": json.dumps(variables)}
        return {"content_sid": self._templates[name], **said}

    async def find(self, outgoing: Outgoing, since: datetime) -> Sequence[Found] | None:
        """Of a template, whose text is made at Twilio, it is known only that nothing has gone to the number."""
        if "template" not in outgoing.parts:
            return await super().find(outgoing, since)
        messages = await self.newest(outgoing, since)
        return None if messages is None or messages else []


def provider() -> Callable[[], Provider]:
    settings, templates = load(WhatsAppSettings), load(TemplateSettings).whatsapp_templates
    return lambda: WhatsAppProvider(settings, templates)
