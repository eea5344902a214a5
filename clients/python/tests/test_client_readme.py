"""Each example of README.md does what it says."""

import asyncio
import functools
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import hark_client
from hark_client import AsyncClient, Client, webhooks
from hark_client.operations import Operation, Paged
from hark_client.testing.hark import Hark

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=[re.findall(r"client\.\w+\.\w+|verify|test_\w+", e)[-1] for e in EXAMPLES]
)
def test_an_example_runs(hark: Hark, example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for client in (Client, AsyncClient):
        in_memory = functools.partial(client, hark.url, hark.api_key, transport=hark.transport)
        monkeypatch.setattr(hark_client, client.__name__, in_memory)
    monkeypatch.setattr(asyncio, "run", hark_run)
    said: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), said)
    for name, function in said.items():
        if name.startswith("test_"):
            function(hark)
        elif name == "receive":
            verified_by(function, monkeypatch)


def hark_run(work: Any) -> Any:
    """`asyncio.run`, whose loop is closed without the debugging of another's."""
    with asyncio.Runner() as runner:
        return runner.run(work)


def verified_by(receive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's secrets are good ones: a request that is signed with the second is taken."""
    from test_client_webhooks import a_body, signed  # noqa: PLC0415

    secrets = re.findall(r'"(whsec_[^"]+)"', README)
    receive(a_body(), signed(a_body(), secrets[1]))
    with pytest.raises(hark_client.errors.InvalidWebhook):
        receive(a_body(), {})
    assert webhooks.verify(a_body(), signed(a_body(), secrets[0]), secrets).type


def test_the_table_has_each_method() -> None:
    with Client("http://hark.test", "key") as client:
        parts = {name: part for name, part in vars(client).items() if not name.startswith("_")}
    _, _, resources = README.partition("| part of the client | methods |\n")
    table = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", resources.partition("\n\n")[0], re.MULTILINE))
    ours = {
        name: {n for n, m in vars(type(part)).items() if isinstance(m, Operation | Paged)}
        for name, part in parts.items()
    }
    theirs = {name: set(re.findall(r"`(\w+)`", methods)) for name, methods in table.items()}
    assert theirs == ours


def test_methods_say_what_they_take() -> None:
    """An editor shows it: the decorator hides neither the signature nor the docstring."""
    with Client("http://hark.test", "key") as client:
        signatures = [inspect.signature(method) for method in (client.notifications.send, client.lists.members)]
        assert [next(iter(signature.parameters)) for signature in signatures] == ["idempotency_key", "name"]
        assert (inspect.getdoc(client.notifications.wait) or "").startswith("The notification when all")
