"""The JSON of /v1/channels."""

from typing_extensions import TypedDict


class ChannelJson(TypedDict):
    """`measure`: what `max_length` counts."""

    name: str
    address: str
    max_length: int
    measure: str


class ChannelsJson(TypedDict):
    items: list[ChannelJson]
