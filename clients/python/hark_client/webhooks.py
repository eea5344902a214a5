"""Whether a webhook is Hark's, by https://www.standardwebhooks.com, and the event in it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Optional, Union

from pydantic import BaseModel, ConfigDict, ValidationError

from hark_client.errors import InvalidWebhook, NotConfigured

if TYPE_CHECKING:
    from standardwebhooks import Webhook


class Event(BaseModel):
    """type: as `delivery.delivered`; timestamp: when it happened; data: by its type"""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    timestamp: datetime
    data: dict[str, Any]


def verify(body: Union[bytes, str], headers: Mapping[str, str], secrets: Union[str, Sequence[str]]) -> Event:
    """The event, of a request that is signed with one of the secrets and not more than five minutes old.

    body: as it came, not parsed and written again; headers: by any case
    one of several secrets is enough, while one is being changed. Raises InvalidWebhook, NotConfigured
    """
    try:
        # Imported here: only who takes webhooks needs it.
        from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook  # noqa: PLC0415
    except ImportError:
        raise ImportError("hark_client.webhooks needs: pip install 'hark-client[webhooks]'") from None
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        known = [Webhook(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    except (ValueError, EmptyWebhookSecretError):
        raise NotConfigured("a webhook's secret must be whsec_ and base64") from None
    if not known:
        raise NotConfigured("there is no secret to verify a webhook with")
    whys = [_why_not(webhook, body, lowered) for webhook in known]
    if None not in whys:
        raise InvalidWebhook(whys[-1])
    return _event(body)


def _why_not(webhook: "Webhook", body: Union[bytes, str], headers: dict[str, str]) -> Optional[str]:
    from standardwebhooks import WebhookVerificationError  # noqa: PLC0415

    try:
        webhook.verify(body, headers, json_parse=False)
    except WebhookVerificationError as error:
        return str(error)
    except ValueError:  # what it raises of headers that it cannot take apart
        return "Invalid signature headers"
    return None


def _event(body: Union[bytes, str]) -> Event:
    try:
        return Event.model_validate_json(body)
    except ValidationError:
        raise InvalidWebhook("it is signed, but has not the type, timestamp and data of an event") from None
