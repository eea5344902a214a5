"""SendGrid's `POST /v3/mail/send`. Errors: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors"""

import base64
import binascii
import json
import math
import secrets
from datetime import datetime
from typing import Any

from emulator.lab.faults import Mode
from emulator.lab.messages import Acceptable, Answer, Call, File, Message, json_object, timestamp

PATH = "/v3/mail/send"
REQUESTS, PERIOD_SECONDS = 600, 60
MOST_RECIPIENTS = 1000
CUSTOM_BYTES = 10_000
RESERVED = frozenset({"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"})
RESERVED |= {"to", "from", "subject", "reply-to", "cc", "bcc"}
HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message."


def error(status: int, message: str, field: str | None = None, topic: str | None = None) -> Answer:
    return Answer.json(status, errors(message, field, HELP + topic if topic else None))


def errors(message: str, field: str | None = None, link: str | None = None) -> dict[str, object]:
    return {"errors": [{"message": message, "field": field, "help": link}]}


def read(call: Call) -> Acceptable | Answer:
    if not call.headers.get("Authorization", "").removeprefix("Bearer").strip():
        return error(401, "authorization required")
    mail = json_object(call.body)
    if mail is None:
        return error(400, "Bad Request")
    return wrong_field(mail) or accepted(call, mail)


def accepted(call: Call, mail: dict[str, Any]) -> Acceptable:
    people = mail["personalizations"]
    parts = {part.get("type"): part["value"] for part in reversed(mail["content"])}
    arguments = [mail.get("custom_args"), *(person.get("custom_args") for person in people)]
    ids = [each.get("notification_id") for each in arguments if isinstance(each, dict)]
    known = [str(each) for each in ids if each is not None]
    message = Message(
        at=timestamp(call.at),
        channel="email",
        provider="sendgrid",
        to=", ".join(address["email"] for person in people for address in person["to"]),
        subject=mail["subject"] if has_text(mail, "subject") else people[0]["subject"],
        text=parts.get("text/plain", mail["content"][0]["value"]),
        message_id=secrets.token_urlsafe(16),
        notification_id=known[0] if known else None,
        headers=headers_of(mail),
        html=parts.get("text/html"),
        attachments=[attached(each) for each in mail.get("attachments") or []] or None,
    )
    echoed = {name: str(value) for each in arguments if isinstance(each, dict) for name, value in each.items()}
    headers = {"X-Message-Id": message.message_id, **rate(message, REQUESTS - 1, PERIOD_SECONDS)}
    return Acceptable(message, Answer(202, headers=headers), echoed)


def headers_of(mail: dict[str, Any]) -> dict[str, str]:
    """Of the e-mail that SendGrid makes, as far as the request says."""
    person = mail["personalizations"][0]
    made = {
        "From": mailbox(mail["from"]),
        "To": ", ".join(mailbox(address) for address in person["to"]),
        "Subject": str(person.get("subject") or mail.get("subject")),
    }
    if mail.get("reply_to"):
        made["Reply-To"] = mailbox(mail["reply_to"])
    asked = [mail.get("headers"), person.get("headers")]
    return made | {name: str(value) for each in asked if isinstance(each, dict) for name, value in each.items()}


def mailbox(address: dict[str, Any]) -> str:
    return f"{address['name']} <{address['email']}>" if address.get("name") else str(address["email"])


def attached(file: dict[str, Any]) -> File:
    size = len(base64.b64decode(file["content"]))
    return File(file["filename"], str(file.get("type") or "application/octet-stream"), size)


def rate(message: Message, remaining: int, seconds: int) -> dict[str, str]:
    """https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits

    seconds: until the next period. It is named as a Unix time, and there is no Retry-After.
    """
    reset = math.floor(datetime.fromisoformat(message.at).timestamp()) + seconds
    return {
        "X-RateLimit-Limit": str(REQUESTS),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(reset),
    }


def wrong_field(mail: dict[str, Any]) -> Answer | None:
    people = mail.get("personalizations")
    if not (isinstance(people, list) and people and all(isinstance(person, dict) for person in people)):
        text = "The personalizations field is required and must have at least one personalization."
        return error(400, text, "personalizations", "personalizations")
    for number, person in enumerate(people):
        to = person.get("to")
        if not (isinstance(to, list) and to):
            text = (
                "The to array is required for all personalization objects, and must have at least one email "
                "object with a valid email address."
            )
            return error(400, text, f"personalizations.{number}.to", "personalizations.to")
        for position, address in enumerate(to):
            if not is_address(address):
                return invalid_address(f"personalizations.{number}.to.{position}.email")
    if sum(len(person["to"]) for person in people) > MOST_RECIPIENTS:
        text = f"The total number of recipients must be no more than {MOST_RECIPIENTS}."
        return error(400, text, "personalizations", "personalizations")
    if wrong := wrong_extras(mail, people):
        return wrong
    if not (is_address(mail.get("from")) and mail["from"]["email"].isascii()):
        text = (
            "The from object must be provided for every email send. It is an object that requires the email "
            'parameter, but may also contain a name parameter.  e.g. {"email" : "example@example.com"}  or '
            '{"email" : "example@example.com", "name" : "Example Recipient"}.'
        )
        return error(400, text, "from.email", "from")
    if "reply_to" in mail and not is_address(mail["reply_to"]):
        return error(400, "The reply_to email must be a valid address.", "reply_to.email", "reply_to")
    if not has_text(mail, "subject") and not all(has_text(person, "subject") for person in people):
        text = (
            "The subject is required. You can get around this requirement if you use a template with a "
            "subject defined or if every personalization has a subject defined."
        )
        return error(400, text, "subject", "subject")
    return wrong_content(mail) or wrong_files(mail)


def wrong_content(mail: dict[str, Any]) -> Answer | None:
    content = mail.get("content")
    if not (isinstance(content, list) and content):
        text = (
            "Unless a valid template_id is provided, the content parameter is required. There must be at "
            "least one defined content block. We typically suggest both text/plain and text/html blocks are "
            "included, but only one block is required."
        )
        return error(400, text, "content", "content")
    for number, part in enumerate(content):
        if not (isinstance(part, dict) and has_text(part, "value")):
            text = "The content value must be a string at least one character in length."
            return error(400, text, f"content.{number}.value", "content.value")
    kinds = [part.get("type") for part in content]
    if "text/plain" in kinds[1:]:
        text = "If present, text/plain and text/html may only be provided once, and text/plain must be first."
        return error(400, text, "content", "content")
    return None


def wrong_files(mail: dict[str, Any]) -> Answer | None:
    for number, file in enumerate(mail.get("attachments") or []):
        if not (isinstance(file, dict) and has_text(file, "filename")):
            text = "The attachment filename is required."
            return error(400, text, f"attachments.{number}.filename", "attachments.filename")
        if not (has_text(file, "content") and is_base64(file["content"])):
            text = "The attachment content must be base64 encoded."
            return error(400, text, f"attachments.{number}.content", "attachments.content")
        kind = file.get("type", "x/y")
        if not isinstance(kind, str) or not kind or {";", "\r", "\n"} & {*kind}:
            text = "The attachment type must be a string of at least one character, without ';' and CRLF."
            return error(400, text, f"attachments.{number}.type", "attachments.type")
    return None


def is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def wrong_extras(mail: dict[str, Any], people: list[dict[str, Any]]) -> Answer | None:
    """https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations"""
    for number, part in [(None, mail), *enumerate(people)]:
        at = "" if number is None else f"personalizations.{number}."
        if len(json.dumps(part.get("custom_args") or {}, ensure_ascii=False).encode()) >= CUSTOM_BYTES:
            text = f"The total length of custom arguments must be less than {CUSTOM_BYTES} bytes."
            return error(400, text, f"{at}custom_args", "custom_args")
        headers = part.get("headers")
        if isinstance(headers, dict) and RESERVED & {name.lower() for name in headers}:
            text = "The headers parameter has a header that is reserved."
            return error(400, text, f"{at}headers", "headers")
    return None


def invalid_address(field: str) -> Answer:
    return error(400, "Does not contain a valid address.", field, "personalizations.to")


def is_address(value: object) -> bool:
    return isinstance(value, dict) and isinstance(email := value.get("email"), str) and "@" in email.strip("@")


def has_text(value: dict[str, Any], name: str) -> bool:
    return isinstance(value.get(name), str) and value[name] != ""


def failures(message: Message) -> dict[Mode, Answer]:
    return {
        Mode.UNAVAILABLE: error(503, "Service Unavailable"),
        Mode.THROTTLED: Answer.json(429, errors("too many requests"), rate(message, 0, 1)),
        Mode.REFUSED: invalid_address("personalizations.0.to.0.email"),
        Mode.UNAUTHORIZED: error(401, "The provided authorization grant is invalid, expired, or revoked"),
    }
