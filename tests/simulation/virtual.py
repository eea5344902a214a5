"""Time that passes only when nobody has anything left to do, and then at once; and chance that a seed repeats."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from functions.dead_letter import given_up_messages
from functions.gateway.batches import batch_acceptance
from functions.gateway.broadcasts import broadcasting
from functions.gateway.callers import revocation
from functions.gateway.channels import pausing
from functions.gateway.notifications import acceptance, cancellation, idempotency, superseding
from functions.gateway.web import error_handlers
from functions.relay import overdue_deliveries, scheduled_deliveries, untold_events
from functions.relay import waiting_receipts as waiting
from shared.sending import (
    asking_people,
    asking_providers,
    breaker,
    breakers,
    operations,
    pipeline,
    receipts,
    telling_store,
    waiting_deliveries,
)

SHARDS = 2  # fewer to sweep, none of another kind


class VirtualLoop(asyncio.BaseEventLoop):
    """Where another event loop waits for its sockets, this one moves its clock to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self._time = 0.0
        self._selector = self
        self._clock_resolution = 1e-9
        self.faults: list[Exception] = []

    def time(self) -> float:
        return self._time

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        self._time += timeout
        return []

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.faults.append(context.get("exception") or RuntimeError(context["message"]))

    def _process_events(self, events: list[Any]) -> None:
        """There are none."""


class Log:
    """Stands for the modules' loggers: what they say becomes part of the trace."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self.info = self.warning = self.error = tell


@contextmanager
def virtual(loop: VirtualLoop, random: Random, log: Log) -> Iterator[None]:
    """The real code on this loop's time, this chance and this log."""
    ids = SimpleNamespace(uuid4=lambda: uuid.UUID(int=random.getrandbits(128), version=4), uuid5=uuid.uuid5)
    with ExitStack() as stack:

        def put(name: str, value: object, *modules: object) -> None:
            for module in modules:
                stack.enter_context(patch.object(module, name, value))

        of_time = (
            acceptance,
            batch_acceptance,
            pipeline,
            overdue_deliveries,
            scheduled_deliveries,
            revocation,
            waiting,
            operations,
            pausing,
            untold_events,
        )
        put("time", SimpleNamespace(monotonic=loop.time), *of_time)
        put(
            "log",
            log,
            *of_time,
            asking_people,
            asking_providers,
            breakers,
            broadcasting,
            error_handlers,
            receipts,
            telling_store,
            given_up_messages,
            cancellation,
            superseding,
            waiting_deliveries,
        )
        # A history has few calls, and of each channel few addresses.
        put("FEWEST_FAILED", 2, breaker)
        put("FEWEST_ADDRESSES", 1, breaker)
        put("SHARDS", SHARDS, acceptance, overdue_deliveries, waiting)
        put("random", random, acceptance, revocation)
        put("uuid", ids, idempotency)
        yield
