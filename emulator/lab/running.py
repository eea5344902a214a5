"""Start and stop a lab inside a running event loop."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from emulator.lab.callbacks import Reporter
from emulator.lab.core import Lab
from emulator.lab.providers import sendgrid_receipts
from emulator.lab.providers.sendgrid_receipts import SendGridReporter
from emulator.lab.providers.smtp import SmtpServer
from emulator.lab.providers.twilio_receipts import TwilioReporter
from emulator.lab.providers.vonage_receipts import VonageReporter
from emulator.lab.receipts import Receipts
from emulator.lab.server import application
from emulator.lab.witness import Witness

# Held connections never end by themselves, so nothing is gained by waiting for them.
SHUTDOWN_SECONDS = 0.1
# Shorter than any server's: a connection that is closed while a callback is on its way would lose it.
KEEP_ALIVE_SECONDS = 1.0


@dataclass(frozen=True)
class Settings:
    """Port 0 lets the system choose.

    slow_seconds: how long a `slow` answer drips
    receipts_url: of the gateway, for SendGrid's receipts, which `sendgrid_key` (PEM) signs, and for what people answer;
        None: it sends none. Twilio's and Vonage's receipts go wherever a message asks.
    receipt_delay: seconds between an accept and its first receipt; longer than the first pause between attempts, so
        that a lost answer is tried again before the receipt tells that it need not be
    """

    host: str = "127.0.0.1"
    port: int = 8090
    smtp_port: int = 1025
    witness: Path = Path(".run/witness.jsonl")
    slow_seconds: float = 3.0
    receipts_url: str | None = None
    receipt_delay: float = 2.0
    sendgrid_key: Path | None = None
    twilio_auth_token: str = "lab"
    vonage_signature_secret: str = "lab-signature-secret-of-32-letters"  # pragma: allowlist secret


@dataclass(frozen=True)
class Addresses:
    url: str
    smtp_host: str
    smtp_port: int


def twilio_auth_token(environ: Mapping[str, str]) -> str:
    """With which the lab signs as Twilio: its own setting, else the functions', else the one of infra/channels.yaml."""
    return _given(environ, "TWILIO_AUTH_TOKEN") or Settings.twilio_auth_token


def vonage_signature_secret(environ: Mapping[str, str]) -> str:
    """The same for Vonage."""
    return _given(environ, "VONAGE_SIGNATURE_SECRET") or Settings.vonage_signature_secret


def _given(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(f"LAB_{name}") or environ.get(name)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Addresses]:
    """A lab that accepts connections; afterwards every connection is closed and the witness file is whole.

    SystemExit when it has to sign and has no key.
    """
    reporters = read_keys(settings)
    witness = Witness(settings.witness)
    lab = Lab(witness)
    http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS))
    receipts = Receipts(reporters, http, settings.receipt_delay, lab.now)
    smtp = SmtpServer(lab, settings.slow_seconds)
    # Handlers are cancelled when the client leaves: that is how a held connection ends.
    runner = web.AppRunner(
        application(lab, receipts, settings.slow_seconds, settings.receipts_url),
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
        await receipts.close()
        await http.close()
        await witness.close()


def read_keys(settings: Settings) -> Mapping[str, Reporter]:
    """Who reports what became of a message, by provider."""
    twilio = TwilioReporter(settings.twilio_auth_token)
    reporters: dict[str, Reporter] = {
        **dict.fromkeys(("twilio", "twilio_whatsapp", "twilio_voice"), twilio),
        "vonage": VonageReporter(settings.vonage_signature_secret),
    }
    if settings.receipts_url is not None:
        if settings.sendgrid_key is None:
            raise SystemExit("lab: --receipts-url needs LAB_SENDGRID_KEY_FILE, the key that signs")
        try:
            key = sendgrid_receipts.load_key(settings.sendgrid_key)
        except (ValueError, OSError) as error:
            raise SystemExit(f"lab: LAB_SENDGRID_KEY_FILE {settings.sendgrid_key}: {error}") from error
        reporters["sendgrid"] = SendGridReporter(settings.receipts_url.rstrip("/") + sendgrid_receipts.PATH, key)
    return reporters
