"""A publisher that keeps what it was given."""

import asyncio
from collections.abc import Sequence

from shared.delivery.errors import PublishFailed
from shared.sending.event_messages import EventMessage
from shared.sending.messages import Message


class MemoryPublisher:
    """See `shared.sending.messages.Publisher`. `messages`: what got out, in order."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.calls = 0
        self._failing: list[bool] = []

    def fail(self, times: int = 1, *, after_taking: bool = False) -> None:
        """The next calls raise PublishFailed: before they took the messages, or after."""
        self._failing += [after_taking] * times

    async def publish(self, messages: Sequence[Message]) -> None:
        self.calls += 1
        await asyncio.sleep(0)
        failing = bool(self._failing)
        if not failing or self._failing.pop(0):
            self.messages += messages
        await asyncio.sleep(0)
        if failing:
            raise PublishFailed("the fake was told to fail")

    def taken(self) -> list[Message]:
        """What got out since the last time this was asked."""
        taken, self.messages = self.messages, []
        return taken


class MemoryEvents:
    """See `shared.sending.event_messages.EventPublisher`. `events`: what got out, in order."""

    def __init__(self) -> None:
        self.events: list[EventMessage] = []
        self.calls = 0
        self._failing: list[bool] = []

    def fail(self, times: int = 1, *, after_taking: bool = False) -> None:
        """As of `MemoryPublisher`."""
        self._failing += [after_taking] * times

    async def publish_events(self, events: Sequence[EventMessage]) -> None:
        self.calls += 1
        await asyncio.sleep(0)
        failing = bool(self._failing)
        if not failing or self._failing.pop(0):
            self.events += events
        await asyncio.sleep(0)
        if failing:
            raise PublishFailed("the fake was told to fail")
