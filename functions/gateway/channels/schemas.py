"""The JSON of /v1/channels."""

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from shared.channels.content import content_schema
from shared.channels.declaration import Channel


class ProviderJson(TypedDict):
    """`receipts`: whether it reports back what became of a message."""

    name: str
    receipts: bool


class ChannelJson(TypedDict):
    """`measure`: what `max_length` counts; `segments`: whether it is paid by the piece."""

    name: str
    address: str
    max_length: int
    measure: str
    content: Annotated[dict[str, Any], Field(description="The JSON Schema of the parts that a message may have.")]
    segments: bool
    providers: list[ProviderJson]


class ChannelsJson(TypedDict):
    items: list[ChannelJson]


def channel_json(channel: Channel) -> ChannelJson:
    return ChannelJson(
        name=channel.name,
        address=channel.address,
        max_length=channel.max_length,
        measure=channel.measure.name,
        content=content_schema(channel),
        segments=channel.segments is not None,
        providers=[ProviderJson(name=name, receipts=name in channel.receipts) for name in channel.providers],
    )
