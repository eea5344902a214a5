"""SendGrid, by its SDK."""

import asyncio
import base64
import http.client
import json
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from functools import partial
from typing import Any, Self
from urllib.error import URLError

from pydantic import SecretStr, model_validator
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import (
    Attachment,
    ClickTracking,
    CustomArg,
    From,
    Ganalytics,
    Header,
    Mail,
    OpenTracking,
    ReplyTo,
    SubscriptionTracking,
    TrackingSettings,
)
from sendgrid.helpers.mail.exceptions import ApiKeyIncludedException

from functions.email.addresses import in_ascii
from functions.email.message import headers_of, subject_of
from functions.email.sender import SenderSettings
from functions.email.sendgrid_http import CALL, Call, Client
from functions.email.sendgrid_refusals import of_refusal
from functions.email.unsubscribe_header import UnsubscribeLinks, UnsubscribeLinkSettings
from shared.delivery.errors import Permanent, Retryable, Unknown
from shared.http.client import UNREADABLE, header, of_status
from shared.runtime.settings import HttpUrl, load
from shared.sending.provider import Found, Outgoing, Provider, Sent

_THREADS = 80  # as many calls at once as the function takes requests
_ACCEPTED = 202
_ACTIVITY_LAG = 900.0  # seconds until what was taken shows in the activity: an assumption, SendGrid names no time
_MESSAGE_ID = re.compile(r"[!-~]{1,256}")  # SendGrid's have 22 characters; the record's index takes no endless one


class SendGridSettings(SenderSettings):
    sendgrid_api_key: SecretStr
    sendgrid_base_url: HttpUrl = "https://api.sendgrid.com"
    sendgrid_click_tracking: bool = False
    sendgrid_open_tracking: bool = False
    sendgrid_subscription_tracking: bool = False
    sendgrid_activity: bool = False
    """Whether the account has bought Email Activity, by which a message can be looked for."""

    @model_validator(mode="after")
    def _sender_is_in_ascii(self) -> Self:
        # https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations
        senders = {"EMAIL_FROM": self.sender()}
        senders |= {f"EMAIL_SENDERS: {name}": sender for name, sender in self.named().items()}
        for where, sender in senders.items():
            if not sender.address.isascii():
                raise ValueError(f"{where}: SendGrid takes no address with letters beyond ASCII before its @")
        return self


class SendGridProvider:
    name = "sendgrid"

    def __init__(
        self,
        settings: SendGridSettings,
        links: UnsubscribeLinks | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """now: Unix time in seconds"""
        self._senders = settings.senders()
        self._settings = settings
        self._links = links
        self._now = now
        self._api = SendGridAPIClient(settings.sendgrid_api_key.get_secret_value(), host=settings.sendgrid_base_url)
        self._api.client = Client(
            host=settings.sendgrid_base_url, request_headers=self._api._default_headers, version=3
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sendgrid")

    async def send(self, outgoing: Outgoing) -> str | None:
        mail = self._mail(outgoing)
        try:
            answer = await self._called(Call(outgoing.timeout), partial(self._api.send, mail))
        except HTTPError as error:
            raise of_refusal(error.status_code, error.body, error.headers, self._now()) from None
        except URLError as error:
            # urllib wraps what fails while it connects and while it writes; only the first is known not to have left.
            if CALL.get().connected:
                raise Unknown(f"no readable answer from SendGrid ({type(error.reason).__name__})") from None
            raise Retryable(f"SendGrid could not be reached ({type(error.reason).__name__})") from None
        except (OSError, http.client.HTTPException, *UNREADABLE) as error:
            raise Unknown(f"no readable answer from SendGrid ({type(error).__name__})") from None
        if answer.status_code != _ACCEPTED:
            raise of_status("SendGrid", answer.status_code)
        message_id = header(answer.headers, "X-Message-Id")
        return message_id if message_id and _MESSAGE_ID.fullmatch(message_id) else None

    async def find(self, outgoing: Outgoing, since: datetime) -> Sequence[Found] | None:
        """By our id, which each mail has as a unique argument. The key needs the right to read the activity.

        https://www.twilio.com/docs/sendgrid/api-reference/e-mail-activity/filter-all-messages
        """
        if not self._settings.sendgrid_activity:
            return None
        query = {"query": f"(unique_args['notification_id']=\"{outgoing.notification_id}\")", "limit": 10}
        ask = partial(self._api.client.messages.get, query_params=query)
        answer = await self._called(Call(outgoing.timeout), ask)
        messages = json.loads(answer.body)["messages"]
        if not messages and self._now() - since.timestamp() < _ACTIVITY_LAG:
            return None
        # The activity's id has that of the answer before its first dot, and which recipient it is behind it.
        ids = [str(message["msg_id"]).partition(".")[0] for message in messages]
        return [Found(Sent(message_id), since, is_ours=True) for message_id in ids]

    async def _called(self, call: Call, ask: Callable[[], Any]) -> Any:
        CALL.set(call)
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, copy_context().run, ask)
        finally:
            call.end()

    def _mail(self, outgoing: Outgoing) -> Mail:
        try:
            to = in_ascii(outgoing.address)
        except ValueError:
            raise Permanent("the address makes no mail header") from None
        sender, parts = self._senders.of(outgoing), outgoing.parts
        try:
            mail = Mail(
                From(sender.address, sender.name),
                to,
                subject_of(outgoing),
                plain_text_content=outgoing.text,
                html_content=parts.get("html"),
            )
        except ApiKeyIncludedException:
            raise Permanent("SendGrid's SDK takes no text that begins like one of its API keys") from None
        headers = headers_of(outgoing, sender, self._links)
        for name, value in headers.items():
            mail.add_header(Header(name, value))
        if "reply_to" in parts:
            mail.reply_to = ReplyTo(in_ascii(parts["reply_to"]))
        for file in reversed(outgoing.attachments):  # the SDK puts each before the others
            data = base64.b64encode(file.data).decode()
            mail.add_attachment(Attachment(data, file.name, file.type, "attachment"))
        mail.add_custom_arg(CustomArg("notification_id", outgoing.notification_id))
        mail.tracking_settings = _tracking(self._settings, own_link="List-Unsubscribe" in headers)
        return mail

    async def aclose(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _tracking(settings: SendGridSettings, *, own_link: bool) -> TrackingSettings:
    """Said in each mail, whatever the account's settings are: SendGrid rewrites links, one-time ones too.

    own_link: the mail has ours to unsubscribe, which SendGrid's would replace, and keep what it is told to itself
    """
    clicks = settings.sendgrid_click_tracking
    return TrackingSettings(
        click_tracking=ClickTracking(enable=clicks, enable_text=clicks),
        open_tracking=OpenTracking(enable=settings.sendgrid_open_tracking),
        subscription_tracking=SubscriptionTracking(enable=settings.sendgrid_subscription_tracking and not own_link),
        ganalytics=Ganalytics(enable=False),  # it adds to links, too
    )


def provider() -> Callable[[], Provider]:
    settings, links = load(SendGridSettings), load(UnsubscribeLinkSettings).links()
    return lambda: SendGridProvider(settings, links)
