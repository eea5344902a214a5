"""Start and stop a lab inside a running event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from emulator.lab.core import Lab
from emulator.lab.server import application
from emulator.lab.smtp import SmtpServer
from emulator.lab.witness import Witness

# Held connections never end by themselves, so nothing is gained by waiting for them.
SHUTDOWN_SECONDS = 0.1


@dataclass(frozen=True)
class Settings:
    """Port 0 lets the system choose. `slow_seconds` is how long a `slow` answer drips."""

    host: str = "127.0.0.1"
    port: int = 8090
    smtp_port: int = 1025
    witness: Path = Path(".run/witness.jsonl")
    slow_seconds: float = 3.0


@dataclass(frozen=True)
class Addresses:
    url: str
    smtp_host: str
    smtp_port: int


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Addresses]:
    """A lab that accepts connections; afterwards every connection is closed and the witness file is whole."""
    witness = Witness(settings.witness)
    lab = Lab(witness)
    smtp = SmtpServer(lab, settings.slow_seconds)
    # Handlers are cancelled when the client leaves: that is how a held connection ends.
    runner = web.AppRunner(
        application(lab, settings.slow_seconds),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        smtp_port = await smtp.start(settings.host, settings.smtp_port)
        yield Addresses(f"http://{settings.host}:{site.port}", settings.host, smtp_port)
    finally:
        await smtp.close()
        await runner.cleanup()
        await witness.close()
