"""Run the lab: `python -m emulator.lab`. SIGTERM and SIGINT end it at once, with status 0."""

import argparse
import asyncio
import os
import signal
from pathlib import Path

from emulator.lab.running import Settings, running, twilio_auth_token, vonage_signature_secret


def parse_arguments() -> Settings:
    parser = argparse.ArgumentParser(prog="python -m emulator.lab", description="Fake providers with faults.")
    parser.add_argument("--host", default=Settings.host)
    parser.add_argument("--port", type=int, default=Settings.port, help="of HTTP: providers, inbox, faults")
    parser.add_argument("--smtp-port", type=int, default=Settings.smtp_port)
    parser.add_argument(
        "--witness",
        type=Path,
        default=Settings.witness,
        help="file of all accepted messages",
    )
    parser.add_argument("--receipts-url", help="the gateway's, for SendGrid's receipts and what people answer")
    parser.add_argument("--receipt-delay", type=float, default=Settings.receipt_delay, help="in seconds")
    key = os.environ.get("LAB_SENDGRID_KEY_FILE")
    # From the environment: arguments are for everybody to see.
    return Settings(
        **vars(parser.parse_args()),
        sendgrid_key=Path(key) if key else None,
        twilio_auth_token=twilio_auth_token(os.environ),
        vonage_signature_secret=vonage_signature_secret(os.environ),
    )


async def main(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings) as addresses:
        print(f"lab: {addresses.url} and smtp://{addresses.smtp_host}:{addresses.smtp_port}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(parse_arguments()))
