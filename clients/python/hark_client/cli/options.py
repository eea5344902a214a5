"""Options that several commands have, and what is read from them."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Optional, get_args

import typer

from hark_client.models.words import KNOWN_CHANNELS, DeliveryStatus


def channel_names() -> list[str]:
    return list(KNOWN_CHANNELS)


def delivery_statuses() -> list[str]:
    return list(get_args(DeliveryStatus))


Json = Annotated[bool, typer.Option("--json", help="Print the API's own JSON on stdout, and nothing else.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without a question.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Limit = Annotated[int, typer.Option(min=1, max=100, help="How many on a page.")]
Cursor = Annotated[Optional[str], typer.Option(help="Go on from here: the next_cursor of an earlier page.")]
From = Annotated[Optional[str], typer.Option("--from", metavar="TIME", help="At or after this time (RFC 3339).")]
To = Annotated[Optional[str], typer.Option("--to", metavar="TIME", help="Before this time (RFC 3339).")]
Recipient = Annotated[Optional[str], typer.Option(help="By a recipient's name.")]
Status = Annotated[
    Optional[str],
    typer.Option(help="With a delivery in it now: what arrived is `delivered`.", autocompletion=delivery_statuses),
]
Caller = Annotated[Optional[str], typer.Option(help="By a caller's id.")]
Channel = Annotated[Optional[str], typer.Option(help="The channel.", autocompletion=channel_names)]
ChannelArgument = Annotated[str, typer.Argument(metavar="CHANNEL", autocompletion=channel_names)]
Seconds = Annotated[Optional[float], typer.Option("--timeout", min=0, help="Wait at most so many seconds.")]
Every = Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")]


def pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """Of `name=value`s. Raises BadParameter."""
    found = {}
    for pair in given:
        name, sign, value = pair.partition("=")
        if not (name and sign):
            raise typer.BadParameter(f"{option} must be NAME=VALUE")
        if name in found:
            raise typer.BadParameter(f"{option} names {name} twice")
        found[name] = value
    return found


def text_of(path: Path) -> str:
    """Of a file, or of stdin for `-`. Raises BadParameter."""
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {_why(error)}") from None


def json_of(path: Path) -> Any:
    """A JSON object in a file. Raises BadParameter."""
    try:
        found = json.loads(text_of(path))
    except ValueError as error:
        raise typer.BadParameter(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{path} must have a JSON object")
    return found


def _why(error: Exception) -> str:
    return error.strerror or "" if isinstance(error, OSError) else "it is not UTF-8"
