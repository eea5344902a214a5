"""Ports for whole stacks: tests of several workers, and of several checkouts, look for them at the same time."""

import random
import socket
from contextlib import suppress

from emulator.config import FIRST_CHANNEL_PORT, FIXED_PORTS

_STEP = 200  # ports of two offsets that differ by this much never meet
_BELOW_EPHEMERAL = 24_000  # above, the kernel gives ports to outgoing connections
_PORTS = (*FIXED_PORTS.values(), *range(FIRST_CHANNEL_PORT, FIRST_CHANNEL_PORT + 8))

_kept: list[socket.socket] = []


def free_offset() -> int:
    """A HARK_PORT_OFFSET whose ports are free, and that no other test gets while this process lives.

    An offset is taken by its gateway's port of UDP, which nobody else wants: it is free again when this process ends,
    however it does, and leaves nothing behind.
    """
    offsets = list(range(_STEP, _BELOW_EPHEMERAL, _STEP))
    random.shuffle(offsets)
    for offset in offsets:
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with suppress(OSError):
            taken.bind(("127.0.0.1", FIXED_PORTS["gateway"] + offset))
            for port in _PORTS:
                with socket.create_server(("127.0.0.1", port + offset)):
                    pass
            _kept.append(taken)
            return offset
        taken.close()
    raise RuntimeError("no port offset is free")
