"""What the fake providers say when they are asked what they have taken: each as its provider's own API answers.

Twilio: https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
Slack: https://docs.slack.dev/reference/methods/conversations.history, conversations.list, conversations.open
SendGrid: https://www.twilio.com/docs/sendgrid/api-reference/e-mail-activity/filter-all-messages
Vonage: https://developer.vonage.com/en/api/reports

While a fault strikes all of a provider's messages it answers no question either; one that strikes some strikes none.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

from emulator.lab.core import Lab
from emulator.lab.messages import Answer
from emulator.lab.providers import slack, twilio, twilio_calls, vonage

_MOST = 1000
_QUERY = re.compile(r"""\(unique_args\['notification_id'\]="([^"]*)"\)""")


@dataclass(frozen=True)
class Question:
    """One GET, or Slack's POST with a form. asked: its parameters"""

    path: Mapping[str, str]
    headers: Mapping[str, str]
    asked: Mapping[str, str]


@dataclass(frozen=True)
class Answered:
    """A question that a provider's API takes. unauthorized: its answer to a key that is not taken"""

    method: str
    path: str
    channel: str
    provider: str
    answer: Callable[[Question, Lab], Answer]
    unavailable: Answer
    unauthorized: Answer


def twilio_messages(question: Question, lab: Lab) -> Answer:
    if twilio.user(question.headers) is None:
        return twilio.unauthorized()
    to = question.asked.get("To", "")
    by = "twilio_whatsapp" if to.startswith(twilio.WHATSAPP) else "twilio"
    taken = lab.witness.taken(by, to.removeprefix(twilio.WHATSAPP))
    limit = min(int(question.asked.get("PageSize", 50)), _MOST)
    sid = question.path["sid"]
    found = [_twilio_message(sid, message, question.asked.get("From")) for message in reversed(taken)][:limit]
    page = {"first_page_uri": "", "next_page_uri": None, "page": 0, "page_size": limit, "start": 0, "uri": ""}
    return Answer.json(200, {"messages": found, "end": len(found) - 1, "previous_page_uri": None, **page})


def _twilio_message(sid: str, message: Mapping[str, Any], sender: str | None) -> Mapping[str, Any]:
    date = format_datetime(_time(message))
    return {
        "account_sid": sid,
        "body": message["text"],
        "date_created": date,
        "date_sent": date,
        "date_updated": date,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": sender,
        "num_segments": str(message.get("segments", 1)),
        "sid": message["message_id"],
        "status": "sent",
        "to": message["to"],
        "uri": f"/2010-04-01/Accounts/{sid}/Messages/{message['message_id']}.json",
    }


def twilio_calls_to(question: Question, lab: Lab) -> Answer:
    if twilio.user(question.headers) is None:
        return twilio.unauthorized()
    sid, sender = question.path["sid"], question.asked.get("From")
    taken = lab.witness.taken("twilio_voice", question.asked.get("To", ""))
    found = [
        twilio_calls.resource(sid, message["message_id"], message["to"], sender, _time(message)) for message in taken
    ]
    page = {"first_page_uri": "", "next_page_uri": None, "page": 0, "page_size": _MOST, "start": 0, "uri": ""}
    return Answer.json(200, {"calls": found[::-1], "end": len(found) - 1, "previous_page_uri": None, **page})


def slack_history(question: Question, lab: Lab) -> Answer:
    conversation, oldest = question.asked.get("channel", ""), float(question.asked.get("oldest", 0))
    taken = [message for message in _posted_to(lab, conversation) if _time(message).timestamp() >= oldest]
    limit = min(int(question.asked.get("limit", 100)), _MOST)
    messages = [_slack_message(message) for message in sorted(taken, key=_time, reverse=True)]
    return Answer.json(200, {"ok": True, "messages": messages[:limit], "has_more": len(messages) > limit})


def _posted_to(lab: Lab, conversation: str) -> Sequence[Mapping[str, Any]]:
    """Whatever its channel was called; no replies, and no changes of what was there."""
    names = [name for name in lab.addressed["slack"] if slack.conversation(name) == conversation]
    posted = [message for name in names for message in lab.witness.taken("slack", name)]
    return [message for message in posted if not message.get("thread") and not message.get("update")]


def _slack_message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    payload = {"notification_id": message["notification_id"]}
    return {
        "type": "message",
        "subtype": "bot_message",
        "text": message["text"],
        "ts": message["message_id"],
        "bot_id": "B0LAB00000",
        "metadata": {"event_type": "hark_notification", "event_payload": payload},
    }


def slack_channels(_: Question, lab: Lab) -> Answer:
    names = [name for name in lab.addressed["slack"] if name.startswith("#")]
    channels = [{"id": slack.conversation(name), "name": name[1:], "is_member": True} for name in names]
    return Answer.json(200, {"ok": True, "channels": channels, "response_metadata": {"next_cursor": ""}})


def slack_open(question: Question, _: Lab) -> Answer:
    user = question.asked.get("users", "")
    return Answer.json(200, {"ok": True, "channel": {"id": slack.conversation(user)}})


def sendgrid_activity(question: Question, lab: Lab) -> Answer:
    found = _QUERY.search(question.asked.get("query", ""))
    if found is None:
        return Answer.json(400, {"errors": [{"message": "invalid query"}]})
    lines = [message for message in lab.witness.of(found[1]) if message["provider"] == "sendgrid"]
    messages = [
        {
            "from_email": "",
            "msg_id": f"{message['message_id']}.recvd-lab-0",
            "subject": message["subject"],
            "to_email": message["to"],
            "status": "delivered",
            "opens_count": 0,
            "clicks_count": 0,
            "last_event_time": message["at"],
        }
        for message in lines
    ]
    return Answer.json(200, {"messages": messages})


def vonage_records(question: Question, lab: Lab) -> Answer:
    if twilio.user(question.headers) is None:  # Basic alone
        return vonage.unauthorized()
    asked = question.asked
    if asked.get("product") != "MESSAGES" or asked.get("direction") != "outbound":
        return vonage.error(422, "reports#invalid-request-parameters", "Invalid request parameters")
    start, end = (datetime.fromisoformat(asked.get(name, "")) for name in ("date_start", "date_end"))
    taken = [message for message in lab.witness.taken("vonage", f"+{asked.get('to')}") if start <= _time(message) < end]
    records = [
        {
            "account_id": asked.get("account_id"),
            "client_ref": message["notification_id"],
            "date_finalized": message["at"],
            "date_received": message["at"],
            "direction": "outbound",
            "error_code": "0",
            "message_id": message["message_id"],
            "provider": "sms",
            "status": "submitted",
            "to": message["to"].removeprefix("+"),
        }
        for message in taken
    ]
    about = {"request_id": str(uuid4()), "request_status": "SUCCESS", "items_count": len(records)}
    links = {"self": {"href": "https://api.nexmo.com/v2/reports/records"}}
    return Answer.json(200, {"_links": links, **about, "product": "MESSAGES", "records": records})


def _time(message: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(message["at"])


_TWILIO_DOWN = twilio.error(503, 20503, "Service is unavailable. Please try again.")
_SENDGRID_DOWN = Answer.json(503, {"errors": [{"message": "unavailable"}]})
_SENDGRID_401 = Answer.json(401, {"errors": [{"message": "authorization required"}]})
_VONAGE_DOWN = vonage.error(503, "#unavailable", "Service unavailable")
_SLACK = ("slack", "slack")
_SLACK_ANSWERS = (slack.error("service_unavailable", 503), slack.error("invalid_auth"))

QUESTIONS: Sequence[Answered] = (
    Answered("GET", twilio.PATH, "sms", "twilio", twilio_messages, _TWILIO_DOWN, twilio.unauthorized()),
    Answered("GET", twilio_calls.PATH, "voice", "twilio_voice", twilio_calls_to, _TWILIO_DOWN, twilio.unauthorized()),
    Answered("GET", "/v2/reports/records", "sms", "vonage", vonage_records, _VONAGE_DOWN, vonage.unauthorized()),
    Answered("GET", "/v3/messages", "email", "sendgrid", sendgrid_activity, _SENDGRID_DOWN, _SENDGRID_401),
    Answered("GET", "/api/conversations.history", *_SLACK, slack_history, *_SLACK_ANSWERS),
    Answered("GET", "/api/conversations.list", *_SLACK, slack_channels, *_SLACK_ANSWERS),
    Answered("POST", "/api/conversations.open", *_SLACK, slack_open, *_SLACK_ANSWERS),
)
