"""What a WhatsApp message must be."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from functions.whatsapp.providers import PROVIDERS
from shared.channels.declaration import UTF_16_UNITS, Channel
from shared.channels.phone_numbers import in_e164
from shared.runtime.settings import Settings, load

# https://www.twilio.com/docs/whatsapp/api: "up to 1600 characters"; counted as in text messages.
MAX_LENGTH = 1600

_TEMPLATE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})=(HX[0-9a-fA-F]{32})")


def _templates(text: object) -> object:
    if not isinstance(text, str):
        return text
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        named = _TEMPLATE.fullmatch(pair)
        if named is None:
            raise ValueError("must be name=HX… (the Content SID, of 32 hexadecimal digits) with commas between")
        if named[1] in found:
            raise ValueError(f"names {named[1]} twice")
        found[named[1]] = named[2]
    return found


class TemplateSettings(Settings):
    whatsapp_templates: Annotated[Mapping[str, str], BeforeValidator(_templates)] = {}
    """By a name of yours, the SID of Twilio's Content API."""


CHANNEL = Channel(
    name="whatsapp",
    address="phone number in E.164",
    content="functions.whatsapp.content",
    content_settings=lambda: load(TemplateSettings),
    max_length=MAX_LENGTH,
    measure=UTF_16_UNITS,
    normalise=in_e164,
    providers=PROVIDERS,
    receipts={"twilio_whatsapp": "functions.whatsapp.twilio_whatsapp_receipts"},
)
