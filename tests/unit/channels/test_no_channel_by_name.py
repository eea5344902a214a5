"""A channel is a folder: the core's source knows none by name, and none of a channel's providers."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.channels.registry import ALL, load_channels

ROOT = Path(__file__).parents[3]
OF_PROVIDERS = ROOT / "shared" / "providers"
"""A room for each that several channels are sent by: it knows its own name, and no channel's."""
CORE = sorted(path for folder in ("shared", "functions/gateway") for path in (ROOT / folder).rglob("*.py"))
CORE = [path for path in CORE if OF_PROVIDERS not in path.parents]
CHANNELS = load_channels(ALL).values()
NAMES = {channel.name for channel in CHANNELS} | {name for channel in CHANNELS for name in channel.providers}
NAMES -= {"log", "push"}  # every channel's, and in shared/; and what Pub/Sub does
CLAIMS = {"email", "email:", " email:", "email_verified", "EMAIL"}
"""What OpenID Connect calls what it knows of a caller."""
WITH_CLAIMS = {
    "shared/entrypoint/push_authentication.py",
    "functions/gateway/access/authentication.py",
    "functions/gateway/access/identity_aware_proxy.py",
}


def named(source: str) -> Iterator[tuple[int, str]]:
    """Names and texts of a module's code, each with its line. Comments and docstrings explain, and may say any name."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            # A text that is a statement of its own does nothing.
            node.body = [one for one in node.body if not _is_text(one)]
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)):
                yield node.lineno, text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield getattr(node, "lineno", 0), name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.ImportFrom(module=str(module)):
                yield node.lineno, module
            case ast.alias(name=name):
                yield node.lineno, name


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def words(text: str) -> set[str]:
    """In lower case; SmsContent and SMS_COUNTRIES have the word sms."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)}


def breaches(source: str, claims: set[str]) -> list[tuple[int, str]]:
    return [(line, text) for line, text in named(source) if text not in claims and words(text) & NAMES]


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_knows_no_channel_by_name(path: Path) -> None:
    claims = CLAIMS if str(path.relative_to(ROOT)) in WITH_CLAIMS else set()
    assert breaches(path.read_text(encoding="utf-8"), claims) == []


@pytest.mark.parametrize("path", sorted(OF_PROVIDERS.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_channels_share_of_a_provider_knows_no_channel_by_name(path: Path) -> None:
    channels = {channel.name for channel in CHANNELS} - {"push"}
    named_in = [text for _, text in named(path.read_text(encoding="utf-8")) if words(text) & channels]
    # Words of the provider's own: its fields, and what its codes are about.
    assert [text for text in named_in if not re.search(r"Sms(Sid|Status)|SMS|WhatsApp|webhooks/", text)] == []


@pytest.mark.parametrize(
    "source",
    [
        'if channel == "sms": pass',
        "limit = settings.SMS_COUNTRIES",
        "class SlackContent: pass",
        "from functions.email.channel import CHANNEL",
        "import functions.sms",
        "def send_email(): pass",
        'f"/v1/receipts/{name}/twilio"',
        "send(sendgrid=1)",
    ],
)
def test_it_sees_a_name_wherever_it_stands(source: str) -> None:
    assert breaches(source, set())


def test_it_lets_an_explanation_be() -> None:
    assert breaches('"""For sms."""\n\nlimit = 1  # of Slack\n"""As Twilio counts."""\n', set()) == []
