"""Pub/Sub: at least once, in no order; what is nacked five times goes to the dead letters. It loses nothing."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import Any

from shared.sending.messages import Answer, Message
from tests.simulation.fate import Fate, Fault
from tests.simulation.invariants import Invariant, S, Violation
from tests.simulation.processes import Process, Tasks
from tests.simulation.records import Records

ACK_DEADLINE = 60.0
MOST_PUSHES = 5
DEAD_LETTER = "dead_letter"


class PubSub:
    """`lives`: one task for each message that is not done with; `there`: it pushes."""

    def __init__(
        self,
        fate: Fate,
        records: Records,
        process: Callable[[str], Process],
        handle: Callable[[Process, Message], Coroutine[Any, Any, Answer]],
        broken: Callable[[Violation], None],
    ) -> None:
        self.lives = Tasks()
        self.there = asyncio.Event()
        self.there.set()
        self._fate = fate
        self._records = records
        self._process = process
        self._handle = handle
        self._broken = broken

    async def publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            for _ in range(1 + self._fate.strikes(Fault.DOUBLE)):
                self.lives.spawn(self._live(message))

    async def _live(self, message: Message) -> None:
        random = self._fate.random
        for pushes in count():
            await asyncio.sleep(random.choice((0.0, random.uniform(0, 1), random.uniform(0, 20))) * 2 ** min(pushes, 5))
            await self.there.wait()
            acked = await self._push(message, message.channel if pushes < MOST_PUSHES else DEAD_LETTER)
            if acked and not self._fate.strikes(Fault.ACK_LOST):
                return

    async def _push(self, message: Message, kind: str) -> bool:
        """Whether it is acked. What is raised is a nack, as in push_handler.py; and so is no answer."""
        process = self._process(kind)
        key = message.notification_id, message.channel
        before = self._records.find(key)
        seen = self._records.moves[key], process.calls["publish"]
        answer = await process.ask(self._handle(process, message), ACK_DEADLINE)
        nothing_done = seen == (self._records.moves[key], process.calls["publish"])
        if answer is Answer.ACK and before and nothing_done:
            if kind == DEAD_LETTER and before.pending:
                self._broken(Violation(Invariant.ACKED, f"the dead letter of a {before.status} delivery"))
            elif kind != DEAD_LETTER and before.status is S.QUEUED and not self._may_be_held(kind):
                self._broken(Violation(Invariant.ACKED, "the message of a delivery that nobody has claimed"))
        return answer is Answer.ACK

    def _may_be_held(self, channel: str) -> bool:
        return any(pause.channel == channel for pause in self._records.pauses) or self._records.may_be_down(channel)
