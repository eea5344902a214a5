"""What was accepted: in memory for the inbox, and on disk as the independent witness of every send.

The file is append-only, one JSON line a message, and fsynced before the sender hears of it. Emptying the
inbox appends `{"cleared": at}`. A line without its newline was never answered for, so it is cut off on start.
"""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emulator.lab.messages import OPTIONAL, Message


class Witness:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lines: list[str] = []
        self._by_notification: dict[str, list[str]] = {}
        self._with_html: dict[str, str] = {}
        self._by_message: dict[str, str] = {}
        self._by_address: dict[tuple[str, str], list[str]] = {}
        self._queue: list[tuple[dict[str, Any], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = self._load(path)
        os.ftruncate(self._file, self._size)

    def lines(self, notification_id: str | None = None) -> Sequence[str]:
        """The accepted messages as JSON objects, oldest first."""
        return self._lines if notification_id is None else self._by_notification.get(notification_id, [])

    def of(self, notification_id: str) -> Sequence[Mapping[str, Any]]:
        """The notification's messages; those before the inbox was emptied are not among them."""
        return [json.loads(line) for line in self.lines(notification_id)]

    def html(self, at: str) -> str | None:
        """Of the mail in the inbox that was accepted at this time, if it has some."""
        line = self._with_html.get(at)
        return None if line is None else str(json.loads(line)["html"])

    def posted(self, message_id: str) -> Mapping[str, Any] | None:
        """The newest item that has this id. A provider forgets nothing when the inbox is emptied."""
        line = self._by_message.get(message_id)
        found: dict[str, Any] | None = None if line is None else json.loads(line)
        return found

    def taken(self, provider: str, to: str) -> Sequence[Mapping[str, Any]]:
        """What a provider has taken for an address, the oldest first; it forgets nothing, either."""
        return [json.loads(line) for line in self._by_address.get((provider, to), [])]

    async def append(self, message: Message) -> None:
        """Returns when the message is on disk and in the inbox. Raises OSError if it cannot be written."""
        record = asdict(message)
        await self._enqueue({k: v for k, v in record.items() if v is not None or k not in OPTIONAL})

    async def clear(self, at: str) -> None:
        """Empty the inbox; the file keeps all lines."""
        await self._enqueue({"cleared": at})

    async def close(self) -> None:
        if self._writer is not None:
            await self._writer
        os.close(self._file)

    async def _enqueue(self, record: dict[str, Any]) -> None:
        done = asyncio.get_running_loop().create_future()
        self._queue.append((record, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_queue())
        await done

    async def _write_queue(self) -> None:
        """Write what has queued up with one fsync, again and again: under load many messages share one."""
        while self._queue:
            batch, self._queue = self._queue, []
            lines = [json.dumps(record) for record, _ in batch]
            failure: OSError | None = None
            try:
                await asyncio.to_thread(self._write, "".join(f"{line}\n" for line in lines).encode())
            except OSError as error:
                failure = error
            for line, (record, done) in zip(lines, batch, strict=True):
                if failure is None:
                    self._remember(line, record)
                # A sender that has left cancelled its wait; the message is accepted all the same.
                if not done.done():
                    done.set_result(None) if failure is None else done.set_exception(failure)
        self._writer = None

    def _write(self, data: bytes) -> None:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            # A full disk may have taken half a line; the next line must not be glued to it.
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def _load(self, path: Path) -> int:
        """Read what earlier labs accepted; returns the length of the file up to its last whole line."""
        size = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                size += len(line)
                try:
                    self._remember(line.decode().rstrip("\n"), json.loads(line))
                except ValueError as error:
                    raise SystemExit(f"lab: {path}, line {number} is not JSON: move the file away") from error
        return size

    def _remember(self, line: str, record: dict[str, Any]) -> None:
        if "cleared" in record:
            self._lines, self._by_notification, self._with_html = [], {}, {}
            return
        self._lines.append(line)
        if "html" in record:
            self._with_html[record["at"]] = line
        self._by_message[record["message_id"]] = line
        self._by_address.setdefault((record["provider"], record["to"]), []).append(line)
        if record["notification_id"] is not None:
            self._by_notification.setdefault(record["notification_id"], []).append(line)
