"""What a phone number and a text message must be."""

import re

import phonenumbers

from functions.sms.segments import segments
from shared.channels.declaration import UTF_16_UNITS, Channel
from shared.channels.text_checks import one_line

# https://www.twilio.com/docs/errors/21617: an emoji is more than one of its characters.
MAX_LENGTH = 1600

# phonenumbers finds a number within other text, spells letters as digits and drops an extension: the message would
# go to a number that nobody wrote.
_WRITTEN = re.compile(r"\+[0-9][0-9\s().\-/\u2010-\u2015]*")

_FORM = "must be a phone number with its country code and without an extension, like +14155552671"


def normalise(address: str) -> str:
    """The number in E.164. Raises ValueError."""
    try:
        if not _WRITTEN.fullmatch(one_line(address).strip()):
            raise ValueError(_FORM)
        number = phonenumbers.parse(address)
    except phonenumbers.NumberParseException:
        raise ValueError(_FORM) from None
    # Possible, not valid: the tables of valid ranges age, and the provider knows better.
    if not phonenumbers.is_possible_number(number):
        raise ValueError("must be a phone number that can exist in its country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


CHANNEL = Channel(
    name="sms",
    address="phone number in E.164",
    example="+14155552671",
    content="functions.sms.content",
    max_length=MAX_LENGTH,
    measure=UTF_16_UNITS,
    segments=segments,
    screen="functions.sms.destinations",
    normalise=normalise,
    providers={
        "twilio": "functions.sms.twilio_provider",
        "log": "shared.sending.log_provider",
    },
    receipts={"twilio": "functions.sms.twilio_receipts"},
)
