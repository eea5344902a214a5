"""The JSON of /v1/channels."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from shared.channels.content import PRINTABLE, content_schema
from shared.channels.declaration import Channel
from shared.channels.text_checks import printable
from shared.delivery.model import Rule
from shared.sending.breaker import Breaker
from shared.sending.channel_states import ChannelState, hold_of

ChannelActivity = Literal["active", "paused", "open"]
ProviderState = Literal["active", "open"]


class PauseRequest(BaseModel):
    """Why it is paused, for whoever asks later."""

    model_config = ConfigDict(strict=True, extra="forbid")

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(printable)] = Field(
        json_schema_extra={"pattern": PRINTABLE}
    )
    dry_run: bool = Field(default=False, description="Only says what would wait.")


class WouldHoldJson(TypedDict):
    """waiting: deliveries that are pending now, and would wait; estimated: there are more"""

    waiting: int
    estimated: bool


class ProviderJson(TypedDict):
    """`receipts`: whether it reports back what became of a message

    `state`: `open` while it is down, and only probed; `since`, `reason`: when that began or ended, and what its last
    answer was; null where it never was
    """

    name: str
    receipts: bool
    state: ProviderState
    since: datetime | None
    reason: str | None


class ChannelJson(TypedDict):
    """`measure`: what `max_length` counts; `segments`: whether it is paid by the piece

    `state`: `open` while none of its providers is there
    `since`, `by`, `reason`: when it was last paused or resumed, by which caller and why; null where it never was,
    `reason` also where it is active. Where it is open: when and why it came to be so, and `by` is null
    """

    name: str
    address: str
    max_length: int
    measure: str
    content: Annotated[dict[str, Any], Field(description="The JSON Schema of the parts that a message may have.")]
    segments: bool
    providers: list[ProviderJson]
    state: ChannelActivity
    since: datetime | None
    by: str | None
    reason: str | None
    would_hold: Annotated[NotRequired[WouldHoldJson], Field(description="Of a dry run: nothing is paused.")]


class ChannelsJson(TypedDict):
    items: list[ChannelJson]


def channel_json(channel: Channel, state: ChannelState) -> ChannelJson:
    hold = hold_of(state)
    down = hold if hold is not None and hold.rule is Rule.PROVIDER_DOWN else None
    return ChannelJson(
        name=channel.name,
        address=channel.address,
        max_length=channel.max_length,
        measure=channel.measure.name,
        content=content_schema(channel),
        segments=channel.segments is not None,
        providers=[_provider_json(name, channel, state.breakers) for name in channel.providers],
        state="open" if down else state.activity.value,
        since=down.since if down else state.since,
        by=None if down else state.by,
        reason=down.what if down else state.reason,
    )


def _provider_json(name: str, channel: Channel, breakers: Mapping[str, Breaker]) -> ProviderJson:
    # Some are on record with their channel's name before the word that chooses them.
    breaker = breakers.get(name) or breakers.get(f"{channel.name}-{name}")
    return ProviderJson(
        name=name,
        receipts=name in channel.receipts,
        state="open" if breaker is not None and breaker.is_open else "active",
        since=None if breaker is None else breaker.since,
        reason=None if breaker is None else breaker.reason,
    )
