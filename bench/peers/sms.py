"""What both peers have in common: the request, and the sending by Twilio's client."""

import os
from functools import cache
from typing import Any

from pydantic import BaseModel, Field
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client


class NotificationRequest(BaseModel):
    to: dict[str, str]
    message: str = Field(min_length=1, max_length=1600)
    subject: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)


@cache
def _client() -> Any:
    """One a process: it keeps its connection."""
    twilio = Client(
        os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"], http_client=TwilioHttpClient(timeout=10)
    )
    twilio.api.base_url = os.environ["TWILIO_BASE_URL"]
    return twilio


def send(to: str, message: str) -> str:
    """The message's id at Twilio. Raises what the SDK raises."""
    sent = _client().messages.create(to=to, from_=os.environ["TWILIO_FROM"], body=message)
    return str(sent.sid)
