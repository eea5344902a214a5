"""Vonage's Messages API: https://developer.vonage.com/en/api/messages

The SDK makes the credentials, and not the calls: its client sends a message again, up to ten times, when a connection
is closed without an answer, logs what it sends and what it is answered, and has no time limit for the whole
(docs/decisions/023-second-sms-provider.md).
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import aiohttp
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, SecretStr, field_validator, model_validator
from vonage_http_client import Auth

from functions.sms.destinations import screen
from functions.sms.senders import VonageSender
from functions.sms.vonage_codes import CODES, SUPPRESSES, code_of
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.http.client import UNREADABLE, of_client_error, of_status, seconds, session
from shared.runtime.settings import BaseUrl, HttpUrl, Settings, load
from shared.sending.provider import Found, Outgoing, Provider, Sent

_ACCEPTED = 202
_MESSAGE_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PEM = b"-----BEGIN PRIVATE KEY-----"  # pragma: allowlist secret
_TOKEN_SECONDS = 600.0  # a token is good for 900; to make one takes 50 ms, most of it to read the key
_REPORT_LAG = 900.0  # seconds until what was taken is in the reports: an assumption, Vonage says "a few minutes"
_REPORTED_AT_ONCE = timedelta(hours=24)  # the longest time that one question may be about


class VonageSettings(Settings):
    """With an application the account's secret is not needed: its key can send, and has no say in the account."""

    vonage_application_id: str | None = Field(default=None, pattern=f"^{_MESSAGE_ID.pattern}$")
    vonage_private_key: SecretStr | None = None
    vonage_api_key: str | None = Field(default=None, pattern=r"^[0-9A-Za-z]{6,20}$")
    vonage_api_secret: SecretStr | None = None
    vonage_from: VonageSender
    vonage_base_url: HttpUrl = "https://api.nexmo.com"
    vonage_reports: bool = False
    """Whether the account has bought the Reports API, by which a message can be looked for."""
    public_url: BaseUrl | None = None
    """Of the gateway, where Vonage is to report what became of a message; None: where the account says."""

    @field_validator("vonage_private_key")
    @classmethod
    def _key_is_an_rsa_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        pem = key.get_secret_value().encode()
        try:
            # Its form alone: to check the numbers takes 40 ms, and is done again for each token.
            read = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            read = None
        if not isinstance(read, RSAPrivateKey) or not pem.startswith(_PEM):
            raise ValueError("must be the application's private.key as Vonage makes it: an RSA key in PEM (PKCS #8)")
        return key

    @model_validator(mode="after")
    def _credentials_are_whole(self) -> Self:
        pairs = (("vonage_application_id", "vonage_private_key"), ("vonage_api_key", "vonage_api_secret"))
        for one, other in (*pairs, *((other, one) for one, other in pairs)):
            if getattr(self, one) is None and getattr(self, other) is not None:
                raise ValueError(f"{one.upper()} is missing beside {other.upper()}")
        if self.vonage_application_id is None and self.vonage_api_key is None:
            raise ValueError(
                "VONAGE_APPLICATION_ID and VONAGE_PRIVATE_KEY must be set, or VONAGE_API_KEY and VONAGE_API_SECRET"
            )
        if self.vonage_reports and self.vonage_api_key is None:
            raise ValueError("VONAGE_REPORTS needs VONAGE_API_KEY and VONAGE_API_SECRET")
        return self

    def auth(self) -> Auth:
        return Auth(
            api_key=self.vonage_api_key,
            api_secret=self.vonage_api_secret and self.vonage_api_secret.get_secret_value(),
            application_id=self.vonage_application_id,
            private_key=self.vonage_private_key and self.vonage_private_key.get_secret_value(),
        )


class VonageProvider:
    """refusal: why nothing is sent to a number (`destinations.py`), asked again as at `twilio_provider.py`.
    now: Unix time in seconds
    """

    name = "vonage"

    def __init__(
        self,
        settings: VonageSettings,
        refusal: Callable[[str], str | None] = lambda _: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._refusal = refusal
        self._now = now
        self._auth = settings.auth()
        self._http = session("Vonage")
        self._url = settings.vonage_base_url.rstrip("/")
        self._token = ""
        self._token_until = 0.0

    async def send(self, outgoing: Outgoing) -> str | None:
        refusal = self._refusal(outgoing.address)
        if refusal is not None:
            raise Refused(refusal)
        try:
            async with self._http.post(
                f"{self._url}/v1/messages",
                json=self._message(outgoing),
                headers={"Authorization": self._credentials()},
                allow_redirects=False,
            ) as answer:
                status, headers, said = answer.status, answer.headers, _object(await answer.read())
        except aiohttp.ClientError as error:
            raise of_client_error("Vonage", error) from None
        except (OSError, *UNREADABLE) as error:
            raise Unknown(f"no readable answer from Vonage ({type(error).__name__})") from None
        if status == 429:
            raise Throttled("Vonage answered 429", retry_after=seconds(headers.get("Retry-After")))
        if status != _ACCEPTED:
            raise of_code(status, code_of(said.get("type")))
        message_id = said.get("message_uuid")
        if not isinstance(message_id, str) or not _MESSAGE_ID.fullmatch(message_id):
            raise Unknown("Vonage's answer has no message id")
        return message_id

    async def find(self, outgoing: Outgoing, since: datetime) -> Sequence[Found] | None:
        """By our id, which each message has as its client_ref: https://developer.vonage.com/en/api/reports"""
        if not self._settings.vonage_reports:
            return None
        now = datetime.fromtimestamp(self._now(), UTC)
        query = {
            "account_id": self._settings.vonage_api_key or "",
            "product": "MESSAGES",
            "direction": "outbound",
            "to": _digits(outgoing.address),
            "date_start": since.isoformat(timespec="seconds"),
            "date_end": min(max(now, since) + timedelta(seconds=1), since + _REPORTED_AT_ONCE).isoformat(
                timespec="seconds"
            ),
        }
        credentials = {"Authorization": self._auth.create_basic_auth_string()}
        url = f"{self._url}/v2/reports/records"
        async with self._http.get(url, params=query, headers=credentials, allow_redirects=False) as answer:
            if answer.status != 200:
                raise of_status("Vonage", answer.status)
            page = json.loads(await answer.read())
        ids = [record["message_id"] for record in page["records"] if record["client_ref"] == outgoing.notification_id]
        if not ids and ("next" in page["_links"] or now - since < timedelta(seconds=_REPORT_LAG)):
            return None  # it may be on a later page, or come later
        return [Found(Sent(str(message_id)), since, is_ours=True) for message_id in ids]

    async def aclose(self) -> None:
        await self._http.close()

    def _message(self, outgoing: Outgoing) -> Mapping[str, str]:
        message = {
            "channel": "sms",
            "message_type": "text",
            "to": _digits(outgoing.address),
            "from": _digits(self._settings.vonage_from),
            "text": outgoing.text,
            "client_ref": outgoing.notification_id,
        }
        if self._settings.public_url is None:
            return message
        url = f"{self._settings.public_url.rstrip('/')}/v1/receipts/vonage"
        return {**message, "webhook_url": url, "webhook_version": "v1"}

    def _credentials(self) -> str:
        if self._settings.vonage_application_id is None:
            return str(self._auth.create_basic_auth_string())
        now = self._now()
        if now >= self._token_until or self._token_until - now > _TOKEN_SECONDS:  # also after the clock was set back
            self._token = self._auth.create_jwt_auth_string().decode()
            self._token_until = now + _TOKEN_SECONDS
        return self._token


def provider() -> Callable[[], Provider]:
    settings, refusal = load(VonageSettings), screen().refusal
    return lambda: VonageProvider(settings, refusal)


def of_code(status: int, code: str | None) -> SendError:
    """The error that Vonage's answer means. A code that is not known goes by the status; a 4xx is then Refused, since
    nobody can say that it is the recipient's fault. Of a success that could not be read the code counts for nothing.
    """
    if status < 400 or code is None or code not in CODES:
        # A number is Vonage's, and can be looked up; a word may be anybody's.
        return of_status("Vonage", status, code if code is not None and code.isdigit() else None)
    kind, words = CODES[code]
    text = f"Vonage answered {status}: {words} ({code})"
    if isinstance(kind, str):
        return Retryable(text, credentials=True)
    return Permanent(text, suppresses=SUPPRESSES.get(code)) if kind is Permanent else kind(text)


def _digits(number: str) -> str:
    """Of a number in E.164, as Vonage wants it; a short code or a name as it is."""
    return number.removeprefix("+")


def _object(body: bytes) -> Mapping[str, Any]:
    """The answer's JSON object; an empty one where it has none."""
    try:
        document = json.loads(body)
    except UNREADABLE:
        return {}
    return document if isinstance(document, dict) else {}
