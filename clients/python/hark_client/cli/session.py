"""What a command stands on: the client of the environment, time, and what each exit code means."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from hark_client import errors
from hark_client.cli.output import complain
from hark_client.cli.sender_domain import Texts, dns_texts
from hark_client.client import Client


class ExitCode(IntEnum):
    """What a script can tell by. 130 is Ctrl-C."""

    DONE = 0
    REFUSED = 1  # by the API: a 4xx
    USAGE = 2  # the command line, a file, or the environment
    NO_ANSWER = 3  # no connection, a 5xx, or not in the time that was given
    ENDED_BADLY = (
        4  # the command did its work, but what it is about did not end well, or the answer to its question was no
    )


def client_of_environment() -> Client:
    """The key is HARK_API_KEY, or the text of the file HARK_API_KEY_FILE; never an option, which a history keeps."""
    key, path = os.environ.get("HARK_API_KEY"), os.environ.get("HARK_API_KEY_FILE")
    if not key and path:
        try:
            key = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise errors.NotConfigured("HARK_API_KEY_FILE must name a readable file that has the API key") from None
    if not key:
        raise errors.NotConfigured("HARK_API_KEY, or HARK_API_KEY_FILE, must be set")
    return Client(None, key)


@dataclass(frozen=True)
class Session:
    """Where the effects are. A test gives one with a client of its own."""

    connect: Callable[[], AbstractContextManager[Client]] = client_of_environment
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    texts: Texts = dns_texts


def session(context: typer.Context) -> Session:
    found = context.find_object(Session)
    return Session() if found is None else found


def ended_badly() -> NoReturn:
    raise typer.Exit(ExitCode.ENDED_BADLY)


def exit_code(error: errors.HarkError) -> ExitCode:
    if isinstance(error, errors.NotConfigured):
        return ExitCode.USAGE
    if isinstance(error, errors.Problem) and error.status < 500:
        return ExitCode.REFUSED
    return ExitCode.NO_ANSWER


class Commands(TyperGroup):
    """The root of all commands: errors become words on stderr, and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except errors.HarkError as error:
            complain(error)
            raise typer.Exit(exit_code(error)) from None
        except ValueError as error:  # what the client cannot send
            complain(error)
            raise typer.Exit(ExitCode.USAGE) from None
        except BrokenPipeError:  # `hark list | head`
            sys.stderr.close()
            raise typer.Exit(ExitCode.DONE) from None
