"""What goes out over each channel: the request's subject and message, and over them what it says for that channel.

Frozen at accept: what a channel makes of it, as its message in plain text of HTML, is on record as it will be sent.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from functions.gateway.channels.addresses import unknown_channel
from functions.gateway.notifications.schemas import NotificationRequest
from functions.gateway.web.problem_details import FieldError, field_error, field_errors, invalid
from shared.channels.content import content_of
from shared.channels.declaration import Channel
from shared.delivery.model import Attachment, Segments


@dataclass(frozen=True, slots=True)
class ChannelContent:
    """field: of the request, where the message is; message: as it goes out

    content: `Delivery.content`; None: the request's subject and message, as for every channel
    """

    field: str
    message: str
    content: str | None = None
    files: Sequence[Attachment] = ()
    earlier: Mapping[str, str] = field_of(default_factory=dict)


def own_contents(
    channels: Mapping[str, Channel],
    request: NotificationRequest,
    rendered: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    names: Iterable[str] = (),
) -> Mapping[str, ChannelContent]:
    """By channel, for those that the request says something of their own for, and for these names. Problem 422.

    rendered: what a template makes for each channel; what the request says goes over it
    """
    wrong: list[FieldError] = []
    made: dict[str, ChannelContent] = {}
    asked = request.content or {}
    for name in dict.fromkeys([*asked, *names]):
        own = {**rendered.get(name, {}), **asked.get(name, {})}
        if name not in channels:
            wrong.append(unknown_channel(f"content.{name}", channels))
            continue
        try:
            made[name] = _frozen(channels[name], request, own)
        except ValidationError as error:
            wrong += field_errors(error, "content", name)
        except ValueError as error:
            wrong.append(field_error(f"content.{name}", str(error)))
    if wrong:
        raise invalid(*wrong)
    return made


def _frozen(channel: Channel, request: NotificationRequest, own: Mapping[str, object]) -> ChannelContent:
    """Raises ValidationError, or ValueError for what the channel can say only when it makes something of it."""
    model = content_of(channel)
    common = {} if request.template else {"subject": request.subject, "message": request.message}
    content = model.model_validate(model.merged(common, own), context=channel.content_context)
    parts = content.parts()
    where = f"content.{channel.name}.message" if "message" in own else "message"
    return ChannelContent(where, parts["message"], json.dumps(parts), content.files(), content.earlier())


def common_content(request: NotificationRequest) -> ChannelContent:
    return ChannelContent("message", request.message or "")


def too_long_of(
    channels: Mapping[str, Channel],
    names: Iterable[str],
    request: NotificationRequest,
    own: Mapping[str, ChannelContent],
) -> list[FieldError]:
    """What is wrong with the messages of those of these channels that take no such long one."""
    common = common_content(request)
    wanted = [(channels[name], own.get(name, common)) for name in names]
    return [
        field_error(content.field, f"{channel.name} takes {channel.limit}")
        for channel, content in wanted
        if not channel.fits(content.message)
    ]


def segments_of(
    channels: Mapping[str, Channel],
    names: Iterable[str],
    request: NotificationRequest,
    own: Mapping[str, ChannelContent],
) -> dict[str, Segments]:
    """What the message is cut into, by channel, for those that are paid by the piece."""
    common = common_content(request)
    return {
        name: counted(own.get(name, common).message)
        for name in names
        if (counted := channels[name].segments) is not None
    }
