"""Ports for whole stacks: tests of several workers, and of several checkouts, look for them at the same time."""

import fcntl
import random
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from emulator.config import FIRST_CHANNEL_PORT, FIXED_PORTS

_STEP = 200  # ports of two offsets that differ by this much never meet
_BELOW_EPHEMERAL = 24_000  # above, the kernel gives ports to outgoing connections
_PORTS = (*FIXED_PORTS.values(), *range(FIRST_CHANNEL_PORT, FIRST_CHANNEL_PORT + 8))

_kept: list[IO[bytes]] = []


def free_offset() -> int:
    """A HARK_PORT_OFFSET whose ports are free, and that no other test gets while this process lives."""
    offsets = list(range(_STEP, _BELOW_EPHEMERAL, _STEP))
    random.shuffle(offsets)
    for offset in offsets:
        lock = (Path(tempfile.gettempdir()) / f"hark-test-offset-{offset}").open("wb")
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for port in _PORTS:
                with socket.create_server(("127.0.0.1", port + offset)):
                    pass
            _kept.append(lock)
            return offset
        lock.close()
    raise RuntimeError("no port offset is free")
