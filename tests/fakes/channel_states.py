"""What operators say of channels, in memory, as strict as Firestore about versions."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.sending.channel_states import ChannelState


class MemoryChannelStates:
    """See `shared.sending.channel_states.ChannelStateStore`. reads: how often it was asked"""

    def __init__(self) -> None:
        self.records: dict[str, ChannelState] = {}
        self.reads = 0

    async def states(self) -> Mapping[str, ChannelState]:
        self.reads += 1
        await asyncio.sleep(0)
        return dict(self.records)

    async def put(self, state: ChannelState) -> None:
        await asyncio.sleep(0)
        there = self.records.get(state.channel)
        if there is not None and state.version is None:
            raise AlreadyExists(state.channel)
        if there is None and state.version is not None:
            raise NotFound(state.channel)
        if there is not None and there.version != state.version:
            raise Conflict(state.channel)
        version = 1 if there is None or there.version is None else there.version + 1
        self.records[state.channel] = replace(state, version=version)
