"""SendGrid, by its SDK.

The SDK is synchronous, has no time limit and reads answers of any length. So each call runs in a thread, on
connections that bound what they read and that are shut down when the call is given up, which ends the thread.
"""

import asyncio
import http.client
import json
import re
import socket
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Any
from urllib.error import URLError

import python_http_client
from pydantic import EmailStr, SecretStr
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import CustomArg, Mail
from sendgrid.helpers.mail.exceptions import ApiKeyIncludedException

from functions.email.message import subject_of
from shared.errors import Permanent, Retryable, Unknown
from shared.http import ANSWER_LIMIT, UNREADABLE, header, of_status
from shared.provider import Outgoing, Provider
from shared.settings import HttpUrl, Settings, load

_THREADS = 80  # as many calls at once as the function takes requests
_CONNECT_TIMEOUT = 10.0  # seconds


class SendGridSettings(Settings):
    sendgrid_api_key: SecretStr
    sendgrid_base_url: HttpUrl = "https://api.sendgrid.com"
    email_from: EmailStr


class SendGridProvider:
    name = "sendgrid"

    def __init__(self, settings: SendGridSettings) -> None:
        self._from = settings.email_from
        self._api = SendGridAPIClient(settings.sendgrid_api_key.get_secret_value(), host=settings.sendgrid_base_url)
        self._api.client = _Client(
            host=settings.sendgrid_base_url, request_headers=self._api._default_headers, version=3
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sendgrid")

    async def send(self, outgoing: Outgoing) -> str | None:
        try:
            mail = Mail(self._from, outgoing.address, subject_of(outgoing), plain_text_content=outgoing.text)
        except ApiKeyIncludedException:
            raise Permanent("SendGrid's SDK takes no text that begins like one of its API keys") from None
        mail.add_custom_arg(CustomArg("notification_id", outgoing.notification_id))
        call = _Call(outgoing.timeout)
        _CALL.set(call)
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._threads, copy_context().run, self._api.send, mail)
        except HTTPError as error:
            retry_after, field = header(error.headers, "Retry-After"), _field(error.body)
            if error.status_code == 400 and field and field.startswith("personalizations."):  # the recipient's part
                raise Permanent(f"SendGrid answered 400 ({field})") from None
            raise of_status("SendGrid", error.status_code, field, retry_after) from None
        except URLError as error:
            # urllib wraps what fails while it connects and while it writes; only the first is known not to have left.
            if call.connected:
                raise Unknown(f"no readable answer from SendGrid ({type(error.reason).__name__})") from None
            raise Retryable(f"SendGrid could not be reached ({type(error.reason).__name__})") from None
        except (OSError, http.client.HTTPException, *UNREADABLE) as error:
            raise Unknown(f"no readable answer from SendGrid ({type(error).__name__})") from None
        finally:
            call.end()
        message_id = header(answer.headers, "X-Message-Id")
        if answer.status_code != 202 or message_id is None:
            raise of_status("SendGrid", answer.status_code)
        return message_id

    async def aclose(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _field(body: bytes) -> str | None:
    """The field that SendGrid is at odds with; its message may repeat an address, so that stays out."""
    try:
        field = json.loads(body)["errors"][0]["field"]
    except UNREADABLE:
        return None
    return field if isinstance(field, str) and re.fullmatch(r"[a-z0-9_.\[\]]{1,80}", field) else None


def provider() -> Callable[[], Provider]:
    settings = load(SendGridSettings)
    return lambda: SendGridProvider(settings)


class _Call:
    """One call's socket, so that whoever awaits the call can end it."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.connected = False
        self._socket: socket.socket | None = None
        self._ended = False

    def began(self, opened: socket.socket) -> None:
        self.connected, self._socket = True, opened
        if self._ended:
            self.end()

    def end(self) -> None:
        self._ended = True
        if self._socket is not None:
            with suppress(OSError):  # the peer was first
                self._socket.shutdown(socket.SHUT_RDWR)


_CALL: ContextVar[_Call] = ContextVar("call")


class _Response(http.client.HTTPResponse):
    def read(self, amt: int | None = None) -> bytes:
        """The SDK reads once, without a limit, and closes nothing."""
        try:
            return super().read(ANSWER_LIMIT if amt is None else amt)
        finally:
            self.close()


class _Connection(http.client.HTTPConnection):
    response_class = _Response

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_CALL.get().timeout)
        _CALL.get().began(self.sock)


class _TlsConnection(http.client.HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(_CALL.get().timeout)
        _CALL.get().began(self.sock)


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_TlsConnection, req)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would come back as a GET's 200 and look like success."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Http, _Https, _NoRedirect)


class _Client(python_http_client.Client):  # type: ignore[misc] # the SDK has no types
    """The SDK's HTTP client on the connections above."""

    def _build_client(self, name: str | None = None) -> "_Client":
        built = super()._build_client(name)
        return _Client(built.host, built.request_headers, built._version, built._url_path)

    def _make_request(self, opener: Any, request: Any, timeout: float | None = None) -> Any:
        return super()._make_request(_OPENER, request, timeout=_CONNECT_TIMEOUT)
