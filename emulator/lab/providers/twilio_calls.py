"""Twilio's Calls resource. Shape: https://www.twilio.com/docs/voice/api/call-resource"""

import secrets
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from emulator.lab.faults import Mode
from emulator.lab.messages import Acceptable, Answer, Call, Message, timestamp
from emulator.lab.providers import twilio

PATH = "/2010-04-01/Accounts/{sid}/Calls.json"
LONGEST_TWIML = 4000
_ECHOED = ("StatusCallback", "From", "To")


def read(call: Call) -> Acceptable | Answer:
    sid, name = call.path["sid"], twilio.user(call.headers)
    if name is None or (name != sid and not twilio.API_KEY.fullmatch(name)):
        return twilio.unauthorized()
    form = dict(parse_qsl(call.body.decode(errors="replace")))
    to, twiml = form.get("To", ""), form.get("Twiml", "")
    if not twilio.NUMBER.fullmatch(to):
        return twilio.invalid_number(to)
    if not twilio.NUMBER.fullmatch(form.get("From", "")):
        return twilio.error(400, 21212, "Invalid From Number (caller ID)")
    try:
        said = ElementTree.fromstring(twiml).find("Say") if len(twiml) <= LONGEST_TWIML else None
    except ElementTree.ParseError:
        said = None
    if said is None:
        return twilio.error(400, 12100, "Document parse failure")
    message = Message(
        at=timestamp(call.at),
        channel="voice",
        provider="twilio_voice",
        to=to,
        subject=None,
        text=said.text or "",
        message_id="CA" + secrets.token_hex(16),
        notification_id=call.headers.get("X-Hark-Notification-Id"),
        shown={"language": said.get("language", "en-US")},
    )
    made = resource(sid, message.message_id, to, form["From"], call.at)
    echoed = {name: form[name] for name in _ECHOED if name in form}
    return Acceptable(message, Answer.json(201, made, twilio.request_id()), {**echoed, "AccountSid": sid})


def resource(sid: str, call_id: str, to: str, sender: str | None, at: datetime) -> dict[str, object]:
    return {
        "sid": call_id,
        "account_sid": sid,
        "api_version": "2010-04-01",
        "date_created": format_datetime(at),
        "date_updated": format_datetime(at),
        "direction": "outbound-api",
        "from": sender,
        "status": "queued",
        "subresource_uris": {},
        "to": to,
        "uri": f"/2010-04-01/Accounts/{sid}/Calls/{call_id}.json",
    }


def failures(message: Message) -> dict[Mode, Answer]:
    return twilio.failures(message)
