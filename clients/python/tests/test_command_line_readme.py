"""Each command of README.md runs as it stands there."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer.main
from command_line import CommandLine, commands_of

from hark_client.cli.app import app
from hark_client.cli.batch_files import COLUMNS
from hark_client.cli.session import ExitCode

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^hark (.*)$", README, re.MULTILINE)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("It is on its way")
    Path("people.csv").write_text("to.sms,message\n+14155552671,Hello\n")
    Path("order.json").write_text('{"order": 42}')
    Path("left.csv").write_text("channel,address,reason\nemail,bob@example.com,unsubscribed\n")
    folder = Path("templates/order-shipped/en")
    folder.mkdir(parents=True)
    (folder / "sms.message.liquid").write_text("Order {{ order }}\n")
    (folder.parent / "template.json").write_text(json.dumps({"default_locale": "en"}))


@pytest.mark.usefixtures("files")
def test_the_commands_run(cli: CommandLine) -> None:
    assert len(COMMANDS) > 20
    for command in COMMANDS:
        if command != "--install-completion":  # it writes to the user's own files
            cli.run("", *shlex.split(command))
    assert "--install-completion" in {option for p in typer.main.get_command(app).params for option in p.opts}


def test_the_columns_are_those_of_batch() -> None:
    said = README.partition("names the columns:")[2].partition("An empty")[0]
    columns = {re.sub(r"^to\.\w+", "to.NAME", column) for column in re.findall(r"`([\w.]+)`", said)}
    assert columns == COLUMNS


def test_the_exit_codes_are_in_the_table() -> None:
    assert re.findall(r"^\| (\d) \| ", README, re.MULTILINE) == [str(int(code)) for code in ExitCode]


def test_each_group_is_in_the_readme() -> None:
    section = README.partition("## The command line")[2].partition("\n## ")[0]
    groups = {command.split()[0] for command in commands_of(app)}
    assert {group for group in groups if not re.search(rf"\b{group}\b", section)} == set()
