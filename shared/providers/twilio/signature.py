"""Twilio's signed forms, whatever they say: https://www.twilio.com/docs/usage/security#validating-requests

The gateway imports this module at its start, and a cold start must load no SDK: twilio is imported with the first
request.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from pydantic import SecretStr
from starlette.datastructures import Headers

from shared.delivery.errors import ForgedReceipt, MalformedReceipt
from shared.runtime.settings import BaseUrl, Settings, load
from shared.sending.receipts import ReceiptRequest

_TARGET_LIMIT = 1024  # characters; the path and query that our own callback's URL has are below 100
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{27}=")  # 20 bytes in base64: HMAC-SHA1
_MESSAGE_ID = re.compile(r"(SM|MM)[0-9a-fA-F]{32}")


class WebhookSettings(Settings):
    """public_url: the gateway's address as Twilio calls it, which is part of what Twilio signs."""

    twilio_auth_token: SecretStr | None = None
    public_url: BaseUrl | None = None


class Form(dict[str, list[str]]):
    """A form's values by name, as the SDK asks for them: it signs all values of a name.

    Starlette's form looks through all fields for each name, which for a hundred is a millisecond.
    """

    def getall(self, name: str) -> list[str]:
        return self[name]

    def one(self, *names: str) -> str:
        """The value of the first of these names that is there. Raises MalformedReceipt."""
        for name in names:
            values = self.get(name, [])
            if len(values) == 1:
                return values[0]
            if values:
                raise MalformedReceipt(f"{name} is there {len(values)} times")
        raise MalformedReceipt(f"{names[0]} is missing")

    def message_id(self) -> str:
        """Raises MalformedReceipt."""
        message_id = self.one("MessageSid", "SmsSid")
        if not _MESSAGE_ID.fullmatch(message_id):
            raise MalformedReceipt("MessageSid is no message's id")
        return message_id


@dataclass(frozen=True, slots=True)
class SignedForms:
    """body_limit: bytes; most_fields: that Twilio sends, with room for those that it adds"""

    auth_token: str
    public_url: str
    body_limit: int
    most_fields: int

    def check_head(self, target: str, headers: Headers) -> None:
        """Raises ForgedReceipt."""
        signatures = headers.getlist("X-Twilio-Signature")
        if len(signatures) != 1 or not _SIGNATURE.fullmatch(signatures[0]):
            raise ForgedReceipt("X-Twilio-Signature must be there once, 20 bytes in base64")
        media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type != "application/x-www-form-urlencoded":
            raise ForgedReceipt("Twilio sends forms")
        if not target.startswith("/") or len(target) > _TARGET_LIMIT:
            raise ForgedReceipt("the target is no path that Twilio was given")

    def verified(self, request: ReceiptRequest) -> Form:
        """The form's fields. Raises ForgedReceipt."""
        from twilio.request_validator import RequestValidator  # noqa: PLC0415 - see the module's docstring

        self.check_head(request.target, request.headers)
        form = self._form(request.body)
        url = self.public_url.rstrip("/") + request.target
        try:
            genuine = RequestValidator(self.auth_token).validate(url, form, request.headers["X-Twilio-Signature"])
        except ValueError:  # what is no URL
            genuine = False
        if not genuine:
            raise ForgedReceipt("X-Twilio-Signature is not Twilio's for this URL and body")
        return form

    def _form(self, body: bytes) -> Form:
        """Raises ForgedReceipt."""
        if len(body) > self.body_limit:
            raise ForgedReceipt(f"the body has more than {self.body_limit} bytes")
        try:
            fields = parse_qs(
                body.decode(),
                keep_blank_values=True,  # they are part of what is signed
                errors="strict",
                max_num_fields=self.most_fields,
            )
        except ValueError:
            raise ForgedReceipt(f"the body is no form of at most {self.most_fields} fields in UTF-8") from None
        return Form(fields)


def credentials() -> tuple[str, str] | None:
    """The account's token and our own address; None when one is not set. SystemExit when one is wrong."""
    settings = load(WebhookSettings)
    if settings.twilio_auth_token is None or settings.public_url is None:
        return None
    return settings.twilio_auth_token.get_secret_value(), settings.public_url
