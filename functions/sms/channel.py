"""What a text message must be."""

from functions.sms.providers import PROVIDERS
from functions.sms.segments import segments
from shared.channels.declaration import UTF_16_UNITS, Channel
from shared.channels.phone_numbers import in_e164

# https://www.twilio.com/docs/errors/21617: an emoji is more than one of its characters.
MAX_LENGTH = 1600

CHANNEL = Channel(
    name="sms",
    address="phone number in E.164",
    max_length=MAX_LENGTH,
    measure=UTF_16_UNITS,
    segments=segments,
    screen="functions.sms.destinations",
    normalise=in_e164,
    providers=PROVIDERS,
    unsubscribes=True,  # by answering STOP
    receipts={"twilio": "functions.sms.twilio_receipts", "vonage": "functions.sms.vonage_receipts"},
    replies={"twilio": "functions.sms.twilio_replies"},
)
