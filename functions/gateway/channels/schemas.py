"""The JSON of /v1/channels."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from shared.channels.content import PRINTABLE, content_schema
from shared.channels.declaration import Channel
from shared.channels.text_checks import printable
from shared.sending.channel_states import Activity, ChannelState


class PauseRequest(BaseModel):
    """Why it is paused, for whoever asks later."""

    model_config = ConfigDict(strict=True, extra="forbid")

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(printable)] = Field(
        json_schema_extra={"pattern": PRINTABLE}
    )


class ProviderJson(TypedDict):
    """`receipts`: whether it reports back what became of a message."""

    name: str
    receipts: bool


class ChannelJson(TypedDict):
    """`measure`: what `max_length` counts; `segments`: whether it is paid by the piece

    `since`, `by`, `reason`: when its state was last changed, by which caller and why; null where it never was, `reason`
    also where it is active
    """

    name: str
    address: str
    max_length: int
    measure: str
    content: Annotated[dict[str, Any], Field(description="The JSON Schema of the parts that a message may have.")]
    segments: bool
    providers: list[ProviderJson]
    state: Activity
    since: datetime | None
    by: str | None
    reason: str | None


class ChannelsJson(TypedDict):
    items: list[ChannelJson]


def channel_json(channel: Channel, state: ChannelState | None) -> ChannelJson:
    """state: None: it was never paused"""
    return ChannelJson(
        name=channel.name,
        address=channel.address,
        max_length=channel.max_length,
        measure=channel.measure.name,
        content=content_schema(channel),
        segments=channel.segments is not None,
        providers=[ProviderJson(name=name, receipts=name in channel.receipts) for name in channel.providers],
        state=Activity.ACTIVE if state is None else state.activity,
        since=None if state is None else state.since,
        by=None if state is None else state.by,
        reason=None if state is None else state.reason,
    )
