"""What a template's version makes for a channel, as it would go."""

from typing import Any

from pydantic import ValidationError

from functions.gateway.web.problem_details import field_error, field_errors, invalid
from shared.channels.content import content_of
from shared.channels.declaration import Channel


def as_it_would_go(channel: Channel, parts: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """With what the channel makes of it, and its segments; as it is, where something is missing in it.

    Problem 422 for what is whole and would be refused when it is sent.
    """
    model = content_of(channel)
    try:
        made = model.model_validate(model.merged({}, parts), context=channel.content_context).parts()
        if not channel.fits(made["message"]) and whole:
            raise invalid(field_error(f"content.{channel.name}.message", f"{channel.name} takes {channel.limit}"))
    except ValidationError as error:
        if whole:
            raise invalid(*field_errors(error, "content", channel.name)) from None
        made = parts
    if channel.segments is not None and isinstance(made.get("message"), str):
        counted = channel.segments(made["message"])
        made |= {"segments": counted.count, "encoding": counted.encoding}
    return made
