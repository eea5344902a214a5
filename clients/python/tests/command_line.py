"""The command line over Hark in memory, and the cases of its commands."""

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import typer
from typer.testing import CliRunner

from hark_client import Client
from hark_client.cli.app import app
from hark_client.cli.session import Session
from hark_client.testing.hark import Hark

SMS = "sms=+14155552671"


class CommandLine:
    """Runs commands. Waits pass in virtual time."""

    def __init__(self, hark: Hark) -> None:
        self.hark = hark

        @contextlib.contextmanager
        def connect() -> Iterator[Client]:
            yield hark.client

        self.texts: dict[str, list[str]] = {}  # DNS
        self.ahead = timedelta()  # of this machine's clock
        self._session = Session(connect, hark.advance, lambda: hark.now + self.ahead, self._texts)

    def _texts(self, name: str) -> list[str]:
        if name not in self.texts:
            raise LookupError("DNS does not answer")
        return self.texts[name]

    def run(self, command: str, *arguments: object, stdin: str | None = None, code: int = 0) -> Any:
        """What it printed. The command's words come first, then its arguments."""
        words = [*command.split(), *map(str, arguments)]
        result = CliRunner().invoke(app, words, obj=self._session, input=stdin)
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    def json(self, command: str, *arguments: object, **others: Any) -> Any:
        """The JSON that it printed."""
        return json.loads(self.run(command, *arguments, "--json", **others).stdout)

    def send(self, *arguments: str) -> str:
        """Its id. It is later than what was sent before."""
        self.hark.advance(1)
        found: str = self.json("send", "--to", SMS, "--message", "Hello", *arguments)["id"]
        return found

    def dead(self) -> str:
        """The id of one that is dead over SMS."""
        self.hark.fail_next("sms", "401", times=99)
        notification_id = self.send()
        self.hark.advance("12h")
        assert self.hark.client.notifications.get(notification_id).deliveries[0].status == "dead"
        self.hark._system.outbox.failures["sms"].clear()
        return notification_id


Case = Callable[[CommandLine], None]


def cases() -> tuple[dict[str, Case], Callable[[str], Callable[[Case], Case]]]:
    """Cases by their command's words, and the decorator that makes a function one."""
    found: dict[str, Case] = {}

    def case(command: str) -> Callable[[Case], Case]:
        def of(check: Case) -> Case:
            found[command] = check
            return check

        return of

    return found, case


def commands_of(group: typer.Typer, before: str = "") -> set[str]:
    """Their words, as `dead-letters plan`."""
    found = set()
    for command in group.registered_commands:
        assert command.callback is not None
        found.add(before + (command.name or command.callback.__name__.replace("_", "-")))
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        found |= commands_of(inner.typer_instance, f"{before}{inner.name} ")
    return found
