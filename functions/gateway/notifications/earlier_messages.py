"""Earlier notifications that a new one names: its messages go with theirs, as a reply does."""

import json
from collections.abc import Mapping
from dataclasses import replace

from functions.gateway.access.caller import Caller
from functions.gateway.notifications.contents import ChannelContent
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import FieldError, field_error, invalid


async def with_earlier(
    gateway: Gateway, caller: Caller, own: Mapping[str, ChannelContent], addresses: Mapping[str, str]
) -> Mapping[str, ChannelContent]:
    """The contents, where each notification that they name is one that the caller may see, to the same address over
    the same channel. Problem 422.

    Of one that itself goes with an earlier one by the same part, that is named: a reply to a reply is one of the same
    conversation.
    """
    if not any(content.earlier for content in own.values()):
        return own
    wrong: list[FieldError] = []
    made = dict(own)
    for channel, content in own.items():
        for part, notification_id in content.earlier.items() if channel in addresses else ():
            field = f"content.{channel}.{part}"
            loaded = await gateway.store.load(notification_id, channel)
            if loaded is None or not caller.may_see(loaded[0]):
                wrong.append(field_error(field, f"names no notification over {channel} that is on record"))
            elif loaded[1].address != addresses[channel]:
                wrong.append(field_error(field, "names a notification to another address"))
            else:
                made[channel] = _naming(made[channel], part, loaded[1].earlier.get(part, notification_id))
    if wrong:
        raise invalid(*wrong)
    return made


def _naming(content: ChannelContent, part: str, notification_id: str) -> ChannelContent:
    parts = json.loads(content.content or "{}") | {part: notification_id}
    return replace(content, content=json.dumps(parts), earlier={**content.earlier, part: notification_id})
