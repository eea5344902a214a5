"""Twilio's Messages resource, for text messages and WhatsApp.
Shape: https://www.twilio.com/docs/messaging/api/message-resource
"""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlsplit

from emulator.lab.faults import Mode
from emulator.lab.fixed import behaviour_of
from emulator.lab.messages import Acceptable, Answer, Call, Message, json_object, timestamp
from emulator.lab.segments import segments

PATH = "/2010-04-01/Accounts/{sid}/Messages.json"
ECHOED = ("StatusCallback", "From", "MessagingServiceSid", "To")
WHATSAPP = "whatsapp:"
TEMPLATE = re.compile("HX[0-9a-fA-F]{32}")
NUMBER = re.compile(r"\+[1-9]\d{6,14}")
API_KEY = re.compile("SK[0-9a-fA-F]{32}")
SERVICE = re.compile("MG[0-9a-fA-F]{32}")
# A number, a short code, or a name: https://www.twilio.com/docs/glossary/what-alphanumeric-sender-id
SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}")
MAX_LENGTH = 1600  # UTF-16 units


def error(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    document = {"code": code, "message": message, "more_info": more_info, "status": status}
    return Answer.json(status, document, {**request_id(), **(headers or {})})


def request_id() -> dict[str, str]:
    return {"Twilio-Request-Id": "RQ" + secrets.token_hex(16)}


def unauthorized() -> Answer:
    return error(401, 20003, "Authenticate", {"WWW-Authenticate": 'Basic realm="Twilio API"'})


def read(call: Call) -> Acceptable | Answer:
    sid = call.path["sid"]
    name = user(call.headers)
    if name is None or (name != sid and not API_KEY.fullmatch(name)):
        return unauthorized()
    form = dict(parse_qsl(call.body.decode(errors="replace")))
    whatsapp = form.get("To", "").startswith(WHATSAPP)
    to, text = form.get("To", "").removeprefix(WHATSAPP), form.get("Body", "")
    if not to:
        return error(400, 21604, "A 'To' phone number is required.")
    if not NUMBER.fullmatch(to):
        return invalid_number(to)
    if not (form.get("From") or form.get("MessagingServiceSid")):
        return error(400, 21603, "A 'From' phone number is required.")
    if "MessagingServiceSid" in form and not SERVICE.fullmatch(form["MessagingServiceSid"]):
        return error(400, 21705, "The Messaging Service Sid is invalid.")
    if whatsapp and "From" in form and not form["From"].startswith(WHATSAPP):
        return error(400, 63007, "Twilio could not find a Channel with the specified From address")
    if "From" in form and not SENDER.fullmatch(form["From"].removeprefix(WHATSAPP)):
        return error(400, 21212, "The 'From' number is not a valid phone number, shortcode, or alphanumeric sender ID.")
    template, variables = form.get("ContentSid"), json_object(form.get("ContentVariables", "{}").encode())
    if template is not None and not TEMPLATE.fullmatch(template):
        return error(400, 21655, "The ContentSid is Invalid")
    if variables is None:
        return error(400, 21656, "The ContentVariables Parameter is invalid")
    if not text and template is None:
        return error(400, 21602, "Message body is required.")
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > MAX_LENGTH:
        return error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    callback = form.get("StatusCallback")
    if callback is not None and not is_url(callback):
        return error(400, 21609, "The 'StatusCallback' URL is not a valid URL.")
    message = Message(
        at=timestamp(call.at),
        channel="whatsapp" if whatsapp else "sms",
        provider="twilio_whatsapp" if whatsapp else "twilio",
        to=to,
        subject=None,
        text=text,
        message_id="SM" + secrets.token_hex(16),
        notification_id=call.headers.get("X-Hark-Notification-Id"),
        segments=None if whatsapp else segments(text),
        shown=None if template is None else {"template": template, "variables": variables},
    )
    echoed = {name: form[name] for name in ECHOED if name in form}
    return Acceptable(
        message, Answer.json(201, resource(call, form, message), request_id()), {**echoed, "AccountSid": sid}
    )


def is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def user(headers: Mapping[str, str]) -> str | None:
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name if scheme.lower() == "basic" and password else None


def resource(call: Call, form: dict[str, str], message: Message) -> dict[str, object]:
    date = format_datetime(call.at)
    sid = call.path["sid"]
    uri = f"/2010-04-01/Accounts/{sid}/Messages/{message.message_id}"
    service = form.get("MessagingServiceSid")
    return {
        "account_sid": sid,
        "api_version": "2010-04-01",
        "body": message.text,
        "date_created": date,
        "date_sent": None,
        "date_updated": date,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": form.get("From"),
        "messaging_service_sid": service,
        "num_media": "0",
        # A messaging service picks the sender later, and only then are the segments known.
        "num_segments": "0" if service else str(message.segments or 1),
        "price": None,
        "price_unit": "USD",
        "sid": message.message_id,
        "status": "accepted" if service else "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": form["To"],
        "uri": f"{uri}.json",
    }


def invalid_number(to: str) -> Answer:
    return error(400, 21211, f"Invalid 'To' Phone Number: {to}")


def unreachable(to: str) -> Answer:
    """A refusal for good of this message, and not of all that ever goes to the number."""
    return error(400, 21612, f"The 'To' phone number {to} is not currently reachable via SMS")


def failures(message: Message) -> dict[Mode, Answer]:
    return {
        Mode.UNAVAILABLE: error(503, 20503, "Service is unavailable. Please try again."),
        Mode.THROTTLED: error(429, 20429, "Too Many Requests"),  # it names no time
        Mode.REFUSED: invalid_number(message.to) if behaviour_of(message.to) else unreachable(message.to),
        Mode.UNAUTHORIZED: unauthorized(),
    }
