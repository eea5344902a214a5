"""Vonage's Messages API. Shape: https://developer.vonage.com/en/api/messages"""

import re
from collections.abc import Mapping
from uuid import uuid4

import jwt

from emulator.lab.faults import Mode
from emulator.lab.fixed import behaviour_of
from emulator.lab.messages import Acceptable, Answer, Call, Message, json_object, timestamp
from emulator.lab.providers import twilio
from emulator.lab.segments import segments

PATH = "/v1/messages"
NUMBER = re.compile(r"[1-9]\d{6,14}")
SENDER = re.compile(r"\d{3,15}|(?=.*[A-Za-z])[A-Za-z0-9]{1,11}")
MAX_LENGTH = 3200
CODES = "messages#"


def error(status: int, type_: str, title: str, detail: str = "") -> Answer:
    """type_: what follows the address of the list of errors"""
    type_ = f"https://developer.vonage.com/api-errors{'' if type_.startswith('#') else '/'}{type_}"
    return Answer.json(status, {"type": type_, "title": title, "detail": detail or title, "instance": uuid4().hex})


def unauthorized() -> Answer:
    return error(401, "#unauthorized", "Unauthorized", "You did not provide correct credentials.")


def read(call: Call) -> Acceptable | Answer:
    if not is_known(call.headers):
        return unauthorized()
    form = json_object(call.body)
    if form is None:
        return error(422, f"{CODES}1020", "Invalid params", "The value of one or more parameters is invalid.")
    wrong = problem(form)
    if wrong is not None:
        return wrong
    message = Message(
        at=timestamp(call.at),
        channel="sms",
        provider="vonage",
        to=f"+{form['to']}",
        subject=None,
        text=form["text"],
        message_id=str(uuid4()),
        notification_id=form.get("client_ref"),
        segments=segments(form["text"]),
    )
    echoed: dict[str, str] = {name: form[name] for name in ("from", "webhook_url") if name in form}
    return Acceptable(message, Answer.json(202, {"message_uuid": message.message_id}), echoed)


def is_known(headers: Mapping[str, str]) -> bool:
    """An account's key and secret, or a token of an application. Whose key has signed it, the lab does not know."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        return twilio.user(headers) is not None
    try:
        claims = jwt.decode_complete(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return False
    named = {"application_id", "iat", "jti"} <= {*claims["payload"]}
    return named and bool(claims["header"]["alg"] == "RS256")


def problem(form: Mapping[str, object]) -> Answer | None:
    texts = {name: form.get(name, "") for name in ("channel", "message_type", "to", "from", "text", "client_ref")}
    texts["webhook_url"] = form.get("webhook_url", "https://hark.example.com")
    given = {name: value for name, value in texts.items() if isinstance(value, str)}
    missing = [name for name in ("channel", "message_type", "to", "from", "text") if not given.get(name)]
    if missing:
        return error(422, f"{CODES}1010", "Missing params", f"Missing: {', '.join(missing)}")
    if given["channel"] != "sms":
        return error(422, f"{CODES}1400", "Unsupported channel")
    if given["message_type"] != "text":
        return error(422, f"{CODES}1440", "Invalid message type")
    if not NUMBER.fullmatch(given["to"]):
        return invalid_number()
    if not SENDER.fullmatch(given["from"]):
        return error(422, f"{CODES}1420", "Invalid sender", "The `from` parameter is invalid for the given channel.")
    if len(given["text"]) > MAX_LENGTH or not twilio.is_url(given.get("webhook_url", "")):
        return error(422, f"{CODES}1020", "Invalid params", "The value of one or more parameters is invalid.")
    if len(given.get("client_ref", "")) > 100:
        return error(422, f"{CODES}1450", "Invalid client reference")
    return None


def invalid_number() -> Answer:
    return error(422, f"{CODES}1170", "Invalid or Missing Msisdn Param")


def failures(message: Message) -> dict[Mode, Answer]:
    unreachable = error(422, f"{CODES}1260", "Destination unreachable")
    return {
        Mode.UNAVAILABLE: error(503, "#unavailable", "Service unavailable"),
        Mode.THROTTLED: error(429, f"{CODES}1000", "Throttled"),  # it names no time
        Mode.REFUSED: invalid_number() if behaviour_of(message.to) else unreachable,
        Mode.UNAUTHORIZED: unauthorized(),
    }
