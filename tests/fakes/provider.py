"""A provider that follows a script."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from shared.sending.provider import Outgoing

HANG: Literal["hang"] = "hang"

Result = str | Exception | None
"""A message id (or None) of an accepted message, HANG, or what `send` raises."""


class ScriptedProvider:
    """Answers each `send` with the next result of its script, and accepts all when the script is at its end."""

    name = "scripted"

    def __init__(self, script: Sequence[Result] = ()) -> None:
        self.script = list(script)
        self.sent: list[Outgoing] = []
        self.accepted: list[Outgoing] = []
        self.closed = False

    async def send(self, outgoing: Outgoing) -> str | None:
        self.sent.append(outgoing)
        await asyncio.sleep(0)
        result = self.script.pop(0) if self.script else f"message-{len(self.sent)}"
        if result == HANG:
            await asyncio.Event().wait()
        if isinstance(result, Exception):
            raise result
        self.accepted.append(outgoing)
        await asyncio.sleep(0)
        return result

    async def aclose(self) -> None:
        self.closed = True
