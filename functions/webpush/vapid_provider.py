"""Push services of browsers (RFC 8030), with VAPID (RFC 8292), encrypted by pywebpush (RFC 8291).

pywebpush sends, too, but follows redirects and reads answers of any length; and the endpoint comes from whoever
subscribed, so it may lead to public addresses alone.
"""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

import aiohttp
from py_vapid import Vapid02, VapidException
from pydantic import AfterValidator, Field, SecretStr, field_validator
from pywebpush import WebPusher

from functions.webpush.message import payload
from shared.delivery.errors import Permanent, Refused, SendError, Unknown
from shared.delivery.model import SuppressionReason
from shared.http.client import HttpAnswer, of_status, post, session
from shared.http.public_addresses import AddressRefused, PublicResolver
from shared.runtime.settings import BaseUrl, Settings, load
from shared.sending.provider import Outgoing, Provider

LONGEST_TTL = timedelta(days=28)  # some push services take no more
_CREATED = 201
_LOCATION = re.compile("[!-~]{1,1024}")  # what is longer or not ASCII is no name of a message
_TOKEN_SECONDS = 12 * 3600  # RFC 8292, 2: at most 24 hours
_GONE = {404: "the subscription is no more", 410: "the browser has unsubscribed"}  # RFC 8030, 7.3


def _subject(text: str) -> str:
    if not text.startswith(("mailto:", "https://")):
        raise ValueError("must be a mailto: or https: URL, by which a push service can reach you")
    return text


class VapidSettings(Settings):
    vapid_private_key: SecretStr
    vapid_subject: Annotated[str, AfterValidator(_subject)] = Field(min_length=9)
    webpush_base_url: BaseUrl | None = None
    """Called in the place of each endpoint's own origin: the lab's."""

    @field_validator("vapid_private_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr) -> SecretStr:
        try:
            Vapid02.from_string(key.get_secret_value())
        except (ValueError, TypeError, VapidException):
            raise ValueError("must be a private key on P-256: 32 bytes, or DER, in base64url") from None
        return key


class VapidProvider:
    name = "vapid"

    def __init__(self, settings: VapidSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._vapid = Vapid02.from_string(settings.vapid_private_key.get_secret_value())
        self._subject = settings.vapid_subject
        self._base_url = settings.webpush_base_url
        self._now = now
        self._session = session("the push service", resolver=None if self._base_url else PublicResolver(loopback=False))

    async def send(self, outgoing: Outgoing) -> str | None:
        """The message's own address at the push service, where it gives one."""
        subscription = json.loads(outgoing.address)
        endpoint = subscription["endpoint"]
        said = payload(outgoing.subject, outgoing.text, outgoing.parts)
        # A millisecond: in a thread it would wait behind names that nobody resolves.
        body = WebPusher(subscription).encode(said)["body"]
        url = endpoint if self._base_url is None else self._base_url.rstrip("/") + urlsplit(endpoint).path
        try:
            answer = await post(
                *(self._session, "the push service", url, body, outgoing.notification_id),
                self._headers(outgoing, endpoint),
            )
        except SendError as error:
            if isinstance(_cause(error), AddressRefused):
                raise Permanent("the endpoint's name leads to an address that is not public") from None
            raise
        if answer.status != _CREATED:
            raise _of_answer(answer)
        location = answer.headers.get("Location", "")
        return location if _LOCATION.fullmatch(location) else None

    async def aclose(self) -> None:
        await self._session.close()

    def _headers(self, outgoing: Outgoing, endpoint: str) -> dict[str, str]:
        now, parts = self._now(), urlsplit(endpoint)
        claims = {
            "sub": self._subject,
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int(now.timestamp()) + _TOKEN_SECONDS,
        }
        left = LONGEST_TTL if outgoing.deliver_by is None else outgoing.deliver_by - now
        ttl = int(min(max(left, timedelta()), LONGEST_TTL).total_seconds())
        headers = {**self._vapid.sign(claims), "Content-Encoding": "aes128gcm", "TTL": str(ttl)}
        headers["Content-Type"] = "application/octet-stream"
        if outgoing.collapse is not None:  # RFC 8030, 5.4: at most 32 characters of base64url
            headers["Topic"] = hashlib.sha256(outgoing.collapse.encode()).hexdigest()[:32]
        if "urgency" in outgoing.parts:
            headers["Urgency"] = str(outgoing.parts["urgency"])
        return headers


def _cause(error: SendError) -> object:
    """What the resolver said, in aiohttp's own error."""
    said = error.__context__
    return said.os_error if isinstance(said, aiohttp.ClientConnectorError) else None


def _of_answer(answer: HttpAnswer) -> SendError:
    """RFC 8030, 7.3 and 8.4; RFC 8292, 4.2."""
    text = f"the push service answered {answer.status}"
    if answer.status in _GONE:
        return Permanent(f"{text}: {_GONE[answer.status]}", suppresses=SuppressionReason.INVALID)
    if answer.status == 413:
        return Permanent(f"{text}: the message is too large")
    if 200 <= answer.status < 300:
        return Unknown(f"{text}, and one that has taken it answers {_CREATED}")
    if answer.status in {401, 403}:
        return Refused(f"{text}: the browser has subscribed with the public key of another VAPID_PRIVATE_KEY")
    return of_status("the push service", answer.status, retry_after=answer.retry_after)


def provider() -> Callable[[], Provider]:
    settings = load(VapidSettings)
    return lambda: VapidProvider(settings)
