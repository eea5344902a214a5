"""Sends the receipts for what the lab has accepted, and remembers how they were answered."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from emulator.lab.callbacks import Callback, Lost, Outcome, Reporter, State
from emulator.lab.faults import Plan
from emulator.lab.fixed import Behaviour, behaviour_of
from emulator.lab.messages import Acceptable, Message, timestamp
from emulator.lab.receipt_faults import ReceiptFault, ReceiptMode

AT_ONCE = 32
TIMEOUT_SECONDS = 5.0
EARLY_SECONDS = 2.0
REMEMBERED = 10_000
AFTERWARDS = {ReceiptMode.COMPLAINT: State.COMPLAINED, ReceiptMode.UNSUBSCRIBE: State.UNSUBSCRIBED}

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """One receipt in one request. `answer`: its status, None when there was none; `mode`: the fault it shows."""

    at: str
    channel: str
    provider: str
    message_id: str
    notification_id: str | None
    status: str
    mode: ReceiptMode | None
    answer: int | None


class Receipts:
    def __init__(
        self,
        reporters: Mapping[str, Reporter],
        http: aiohttp.ClientSession,
        delay: float,
        now: Callable[[], datetime],
    ) -> None:
        """reporters: by provider; delay: seconds between an accept and its first receipt."""
        self.faults = Plan[ReceiptFault]()
        self._reporters = reporters
        self._http = http
        self._delay = delay
        self._now = now
        self._sent: deque[Sent] = deque(maxlen=REMEMBERED)
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[Any]] = set()

    def sent(self, notification_id: str | None = None) -> list[Sent]:
        """What was sent, oldest first."""
        return [each for each in self._sent if notification_id in {None, each.notification_id}]

    async def report(self, accepted: Acceptable) -> None:
        """Has the message's receipts sent. Returns at once, unless they are to be early."""
        reporter = self._reporters.get(accepted.message.provider)
        if reporter is None or not reporter.callbacks(accepted, [*State], self._now()):
            return
        fault = self.faults.strike(accepted.message.channel, accepted.message.provider, random.random())
        if fault is not None and fault.mode is ReceiptMode.OFF:
            return
        reporting = self.start(self._report(reporter, accepted, fault))
        if fault is not None and fault.mode is ReceiptMode.EARLY:
            await asyncio.wait({reporting}, timeout=EARLY_SECONDS)

    async def hand_over(self, provider: str, callback: Callback) -> int | None:
        """A request about no message of ours, signed as the provider does. The answer's status, None when none came."""
        headers = self._reporters[provider].sign(callback, self._now(), True)
        outcome = await self._post(callback, {"Content-Type": callback.content_type, **headers})
        return outcome if isinstance(outcome, int) else None

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task of the lab's own, which ends with the lab and not with the request that began it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _report(self, reporter: Reporter, accepted: Acceptable, fault: ReceiptFault | None) -> None:
        mode = None if fault is None else fault.mode
        if mode is not ReceiptMode.EARLY:
            await asyncio.sleep(self._delay)
        at = self._now()  # a receipt that comes late still says when it was
        if fault is not None and fault.seconds is not None:
            await asyncio.sleep(fault.seconds)
        end, opposite = (State.GONE, State.DELIVERED) if mode is ReceiptMode.BOUNCE else ends(accepted.message)
        steps = [[end], [State.PASSED_ON]] if mode is ReceiptMode.REORDER else [[State.PASSED_ON, end]]
        steps += [[AFTERWARDS[mode]]] if mode in AFTERWARDS else []
        if mode is ReceiptMode.FORGE:
            mode = None  # of the true ones
            for callback in reporter.callbacks(accepted, [opposite], at):
                await self._try(reporter, accepted.message, callback, ReceiptMode.FORGE)
        for callback in (callback for states in steps for callback in reporter.callbacks(accepted, states, at)):
            for _ in range(2 if mode is ReceiptMode.DOUBLE else 1):
                outcome = await self._try(reporter, accepted.message, callback, mode)
                self.start(self._again(reporter, accepted.message, callback, mode, outcome))

    async def _again(
        self, reporter: Reporter, message: Message, callback: Callback, mode: ReceiptMode | None, outcome: Outcome
    ) -> None:
        """Tries on for as long as the provider would. The next receipt does not wait for it."""
        tries = 1
        while (pause := reporter.pause(callback, tries, outcome)) is not None:
            await asyncio.sleep(pause)
            outcome = await self._try(reporter, message, callback, mode)
            tries += 1

    async def _try(self, reporter: Reporter, message: Message, callback: Callback, mode: ReceiptMode | None) -> Outcome:
        async with self._at_once:
            at = self._now()
            genuine = mode is not ReceiptMode.FORGE
            headers = {"Content-Type": callback.content_type, **reporter.sign(callback, at, genuine)}
            outcome = await self._post(callback, headers)
        answer = outcome if isinstance(outcome, int) else None
        about = (message.channel, message.provider, message.message_id, message.notification_id)
        self._sent.extend(Sent(timestamp(at), *about, word, mode, answer) for word in callback.words)
        return outcome

    async def _post(self, callback: Callback, headers: Mapping[str, str]) -> Outcome:
        try:
            # Encoded: the provider signs the URL as it was written.
            async with self._http.post(
                URL(callback.sent_to, encoded=True),
                data=callback.body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            ) as answer:
                return answer.status
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            return Lost.CONNECT
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Lost.READ

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("lab: a task of its own failed with %s", type(error).__name__)


def ends(message: Message) -> tuple[State, State]:
    """What becomes of the message, and the opposite."""
    if behaviour_of(message.to) is Behaviour.UNDELIVERED:
        return State.UNDELIVERED, State.DELIVERED
    return State.DELIVERED, State.UNDELIVERED
