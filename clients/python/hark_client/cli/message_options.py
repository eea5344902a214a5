"""What a notification or a broadcast says, from options and files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from hark_client.cli.options import channel_names, json_of, pairs, text_of

File = Annotated[
    Optional[Path], typer.Option(help="A JSON file with the request's fields, as content and escalation. Options win.")
]
Message = Annotated[Optional[str], typer.Option("--message", "-m", help="The text.")]
MessageFile = Annotated[Optional[Path], typer.Option(help="A file with the text, or - for stdin.")]
Subject = Annotated[Optional[str], typer.Option(help="For channels that have one.")]
Template = Annotated[Optional[str], typer.Option(help="A template instead of a text.")]
Version = Annotated[Optional[int], typer.Option(help="The template's version. By default the latest.")]
Locale = Annotated[Optional[str], typer.Option(help="The template's locale.")]
Data = Annotated[Optional[Path], typer.Option(help="A JSON file with the template's data, or - for stdin.")]
Over = Annotated[
    Optional[list[str]], typer.Option("--channel", help="Only over this one.", autocompletion=channel_names)
]
Category = Annotated[Optional[str], typer.Option(help="The kind of message, which people can refuse.")]
Tags = Annotated[Optional[list[str]], typer.Option("--tag", metavar="NAME=VALUE", help="What it is found by later.")]
SendAt = Annotated[Optional[str], typer.Option(metavar="TIME", help="Not before this time (RFC 3339).")]
DeliverBy = Annotated[Optional[str], typer.Option(metavar="TIME", help="Not after this time (RFC 3339).")]


def message_fields(
    *,
    file: Optional[Path],
    message: Optional[str],
    message_file: Optional[Path],
    subject: Optional[str],
    template: Optional[str],
    version: Optional[int],
    locale: Optional[str],
    data: Optional[Path],
    channels: Optional[Sequence[str]],
    tags: Optional[Sequence[str]],
    **others: Any,
) -> dict[str, Any]:
    """As the API takes them; `others` by their own names. Raises BadParameter."""
    if message is not None and message_file is not None:
        raise typer.BadParameter("--message and --message-file go not together")
    if template is None and (version is not None or locale is not None):
        raise typer.BadParameter("--version and --locale go with --template")
    said: dict[str, Any] = {} if file is None else json_of(file)
    given: Mapping[str, Any] = {
        "message": message if message_file is None else text_of(message_file),
        "subject": subject,
        "template": None if template is None else _present(name=template, version=version, locale=locale),
        "data": None if data is None else json_of(data),
        "channels": list(channels) if channels else None,
        "tags": pairs("--tag", tags) if tags else None,
        **others,
    }
    return {**said, **_present(**given)}


def _present(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}
