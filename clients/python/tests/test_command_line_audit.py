"""The commands of the audit log, against entries that the real gateway wrote, in memory."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from command_line import CommandLine, cases

CASES, case = cases()


def act(cli: CommandLine) -> list[str]:
    """Two hours with three acts each; their ids, the oldest first."""
    for _ in range(2):
        cli.run("channels pause sms --reason maintenance --yes")
        cli.run("channels resume sms")
        cli.run("channels pause sms --reason again --yes")
        cli.hark.advance("1h")
    return sorted(log(cli))


def log(cli: CommandLine) -> dict[str, Any]:
    store: Any = cli.hark._system._gateway.audit.trail.store
    return store.records  # type: ignore[no-any-return] # a fake's


@case("audit list")
def _(cli: CommandLine) -> None:
    act(cli)
    assert [entry["number"] for entry in cli.json("audit list")["items"]] == [3, 2, 1] * 2
    resumed = cli.json("audit list --action resume_channel --limit 1")
    assert [entry["action"] for entry in resumed["items"]] == ["resume_channel"]
    more = cli.json("audit list --action resume_channel --limit 1 --cursor", resumed["next_cursor"])
    assert [entry["record"] for entry in more["items"]] == ["channels/sms"]
    assert cli.json("audit list --actor command-line")["items"] == []
    assert cli.json("audit list --to", (cli.hark.now - timedelta(hours=3)).isoformat())["items"] == []
    assert "done 200" in cli.run("audit list").stdout


@case("audit verify")
def _(cli: CommandLine) -> None:
    ids = act(cli)
    there = dict(log(cli))
    whole = cli.json("audit verify")
    assert (whole["entries"], whole["findings"]) == (6, [])
    assert "6 entries" in cli.run("audit verify").stdout

    log(cli)[ids[1]] = replace(there[ids[1]], actor="somebody")
    (changed,) = cli.json("audit verify", code=4)["findings"]
    assert changed == {"kind": "changed", "chain": there[ids[1]].chain, "number": 2}
    log(cli)[ids[1]] = there[ids[1]]

    del log(cli)[ids[1]]
    shown = cli.run("audit verify", code=4).stdout
    assert there[ids[0]].chain in shown
    assert "it is not there" in shown
    assert cli.json("audit verify --from", there[ids[3]].at.isoformat())["entries"] == 3
    for wrong in ("yesterday", "2026-11-30T08:00:00"):
        cli.run("audit verify --from", wrong, code=2)


def test_the_first_of_a_log_that_is_younger_than_from_is_missed(cli: CommandLine) -> None:
    ids = act(cli)
    del log(cli)[ids[0]]
    assert [f["kind"] for f in cli.json("audit verify", code=4)["findings"]] == ["missing"]


@pytest.mark.parametrize("command", sorted(CASES))
def test_a_command(cli: CommandLine, command: str) -> None:
    CASES[command](cli)
