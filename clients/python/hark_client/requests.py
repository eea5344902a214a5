"""What is sent, as typed dicts: a plain dict will do, and a type checker looks at its keys.

The gateway judges what is in them, and its 422 names the field. Times are RFC 3339 with an offset, or aware datetimes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Union

from typing_extensions import Required, TypedDict

from hark_client.models.words import CallerKind, ChannelName, Scope

Time = Union[datetime, str]


class Addresses(TypedDict, total=False):
    """An address by channel."""

    email: str
    sms: str
    slack: str
    whatsapp: str
    voice: str
    push: str
    webpush: str
    telegram: str
    teams: str
    discord: str
    googlechat: str
    apprise: str


class AttachedFile(TypedDict):
    """data: base64"""

    name: str
    type: str
    data: str


EmailContent = TypedDict(
    "EmailContent",
    {
        "subject": str,
        "message": str,
        "html": str,
        "from": str,
        "reply_to": str,
        "attachments": Sequence[AttachedFile],
    },
    total=False,
)


class SmsContent(TypedDict, total=False):
    message: str


class SlackContent(TypedDict, total=False):
    """thread, update: the id of an earlier notification to the same address"""

    message: str
    blocks: Sequence[Mapping[str, Any]]
    thread: str
    update: str
    unfurl_links: bool
    unfurl_media: bool


class WhatsAppContent(TypedDict, total=False):
    """template: a name of the deployment's WHATSAPP_TEMPLATES"""

    message: str
    template: str
    variables: Mapping[str, str]


class VoiceContent(TypedDict, total=False):
    message: str
    language: str


class PushContent(TypedDict, total=False):
    subject: str
    message: str
    image: str
    data: Mapping[str, str]


class WebPushContent(TypedDict, total=False):
    subject: str
    message: str
    icon: str
    image: str
    data: Mapping[str, Any]
    urgency: Literal["very-low", "low", "normal", "high"]


class TelegramContent(TypedDict, total=False):
    """topic: a forum's message_thread_id"""

    message: str
    silent: bool
    link_preview: bool
    topic: int


class TeamsContent(TypedDict, total=False):
    """card: an Adaptive Card"""

    subject: str
    message: str
    card: Mapping[str, Any]


class DiscordContent(TypedDict, total=False):
    message: str
    embeds: Sequence[Mapping[str, Any]]
    username: str


class GoogleChatContent(TypedDict, total=False):
    """cards: cardsV2; thread: a key of yours"""

    message: str
    cards: Sequence[Mapping[str, Any]]
    thread: str


class AppriseContent(TypedDict, total=False):
    subject: str
    message: str


class Content(TypedDict, total=False):
    """What one channel gets instead, and what only it can have."""

    email: EmailContent
    sms: SmsContent
    slack: SlackContent
    whatsapp: WhatsAppContent
    voice: VoiceContent
    push: PushContent
    webpush: WebPushContent
    telegram: TelegramContent
    teams: TeamsContent
    discord: DiscordContent
    googlechat: GoogleChatContent
    apprise: AppriseContent


class TemplateChoice(TypedDict, total=False):
    """version: by default the latest; locale: by default the recipient's"""

    name: Required[str]
    version: int
    locale: str


class EscalationStep(TypedDict, total=False):
    """after: seconds that the step before has"""

    channel: Required[ChannelName]
    after: int
    unless: Literal["sent", "delivered"]


class MessageFields(TypedDict, total=False):
    """What to send: exactly one of `message` and `template`."""

    channels: Sequence[ChannelName]
    subject: str
    message: str
    content: Union[Content, Mapping[str, Mapping[str, Any]]]
    category: str
    template: TemplateChoice
    data: Mapping[str, Any]
    send_at: Time
    deliver_by: Time
    collapse_key: str
    ordering_key: str
    escalation: Sequence[EscalationStep]
    tags: Mapping[str, str]


class NotificationFields(MessageFields, total=False):
    """What to send, and to whom: exactly one of `to` and `recipient`."""

    to: Union[Addresses, Mapping[str, str]]
    recipient: str


class BatchItem(NotificationFields, total=False):
    """A notification's request. key: its Idempotency-Key; the client makes one where there is none"""

    key: str


class BroadcastFields(MessageFields, total=False):
    """What to send to a list. per_second: notifications, 100 by default"""

    per_second: int


QuietHours = TypedDict("QuietHours", {"days": Sequence[str], "from": Required[str], "to": Required[str]}, total=False)


class RecipientFields(TypedDict, total=False):
    """A recipient's addresses, at least one, and what the person wants: `preferences` by category and channel."""

    addresses: Required[Union[Addresses, Mapping[str, str]]]
    locale: str
    time_zone: str
    attributes: Mapping[str, Union[str, float, bool]]
    quiet_hours: Sequence[QuietHours]
    preferences: Mapping[str, Mapping[str, bool]]


class CallerLimits(TypedDict, total=False):
    """What a caller may do. A limit that is left out is the gateway's default; None: there is none."""

    name: Required[str]
    scopes: Required[Sequence[Scope]]
    channels: Union[Sequence[ChannelName], None]
    recipients: Union[Sequence[str], None]
    addresses: Union[Mapping[str, Sequence[str]], None]
    requests_per_minute: Union[int, None]
    notifications_per_day: Union[int, None]
    segments_per_day: Union[int, None]


class CallerFields(CallerLimits, total=False):
    """A new caller. identity: of a certificate or a token, which have no key; issuer: of the token"""

    kind: Required[CallerKind]
    identity: str
    issuer: str


ReplayFilter = TypedDict(
    "ReplayFilter",
    {
        "channel": ChannelName,
        "status": Sequence[Literal["dead", "failed"]],
        "error": str,
        "from": Time,
        "to": Time,
    },
    total=False,
)
"""Which dead letters; an empty one is all that are dead."""
