"""What a stop would come to, before it is made: deliveries are looked at, and nothing is written."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from shared.delivery.model import Delivery
from shared.delivery.state_machine import cancelled, may_have_arrived

SECONDS = 10.0  # of looking


class WouldStopJson(TypedDict):
    """cancelled: deliveries that would be, and channels: of these; may_have_arrived: of these, those with an attempt of
    which nobody knows; under_way: those that somebody may be sending now, which would go
    """

    cancelled: int
    may_have_arrived: int
    under_way: int
    channels: dict[str, int]
    estimated: Annotated[bool, Field(description="There was no time to look at all: these are of those that were.")]


async def would_stop(pages: AsyncIterator[Sequence[Delivery]], now: datetime) -> WouldStopJson:
    """Of the deliveries of these pages that are pending. Raises StoreUnavailable."""
    channels: Counter[str] = Counter()
    perhaps = under_way = 0
    estimated, give_up_at = False, time.monotonic() + SECONDS
    async for page in pages:
        if time.monotonic() >= give_up_at:
            estimated = True
            break
        for delivery in page:
            ended = cancelled(delivery, now, "")
            if ended is not None:
                channels[delivery.channel] += 1
                perhaps += may_have_arrived(ended)
            elif delivery.pending:
                under_way += 1
    return WouldStopJson(
        cancelled=channels.total(),
        may_have_arrived=perhaps,
        under_way=under_way,
        channels=dict(channels),
        estimated=estimated,
    )
