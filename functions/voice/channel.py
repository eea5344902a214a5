"""What a call that reads a message out must be."""

from xml.sax.saxutils import escape

from functions.voice.providers import PROVIDERS
from shared.channels.declaration import Channel, Measure
from shared.channels.phone_numbers import in_e164

# https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource: TwiML of at most 4,000 characters; what
# is around the text has the rest.
MAX_LENGTH = 3800

IN_XML = Measure("characters in XML", lambda text: len(escape(text)))

CHANNEL = Channel(
    name="voice",
    address="phone number in E.164",
    content="functions.voice.content",
    max_length=MAX_LENGTH,
    measure=IN_XML,
    normalise=in_e164,
    providers=PROVIDERS,
    screen="functions.voice.destinations",
    receipts={"twilio_voice": "functions.voice.twilio_voice_receipts"},
)
