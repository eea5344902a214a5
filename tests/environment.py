"""What tests take from the environment: no setting of Hark's, and nothing that the functions' server reads by itself.

Emulators that somebody brings along (README) are taken if they answer. They are kept under names that no setting has:
what a test or a function does without them, it does here, too.
"""

import re
import urllib.request
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from emulator.google import ENVIRONMENT

ROOT = Path(__file__).parent.parent
# What the lab, the tests, OpenTelemetry, and functions-framework with its server read besides.
_OTHERS = re.compile(
    r"(LAB|HARK|FAULTS|OTEL|FUNCTION|GUNICORN|CLOUD_RUN|K)_.*|.*_EMULATOR_HOST|HOST|PORT|DEBUG|WORKERS|THREADS"
)
_BROUGHT = "BROUGHT_"
NEEDED = {"ADDRESS_HASH_KEY": "of the tests, and of nothing else"}
"""Without this no function that knows addresses starts."""
_LOOK_SECONDS = 2.0


def settings() -> frozenset[str]:
    """The names in docs/settings.md."""
    _, _, table = (ROOT / "docs" / "settings.md").read_text().partition("| setting | who |")
    rows = table.partition("\n\n")[0].splitlines()
    return frozenset(name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row.split(" | ")[0]))


def neutral(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings, however they are spelt: pydantic takes `public_url`, too."""
    names = settings()
    return {n: v for n, v in environ.items() if n.upper() not in names and not _OTHERS.fullmatch(n.upper())}


def neutralise(environ: MutableMapping[str, str]) -> None:
    """Take the settings out, for this process and those that it begins."""
    kept = neutral(environ) | brought(environ)
    for name in set(environ) - kept.keys():
        del environ[name]
    environ.update(kept)


def brought(environ: Mapping[str, str]) -> dict[str, str]:
    """The emulators that are brought along and answer, under the names that `neutralise` keeps them by."""
    already = {name: value for name, value in environ.items() if name.startswith(_BROUGHT)}
    named = {_BROUGHT + name: environ[name] for name in ENVIRONMENT.values() if _answers(environ.get(name))}
    return already | named


def emulators(environ: Mapping[str, str]) -> dict[str, str]:
    """The same under their own names."""
    return {name.removeprefix(_BROUGHT): value for name, value in brought(environ).items()}


def _answers(host: str | None) -> bool:
    if host:
        with (
            suppress(OSError, ValueError, HTTPException),
            urllib.request.urlopen(f"http://{host.removeprefix('http://')}", timeout=_LOOK_SECONDS) as answer,
        ):
            return bool(answer.read(100).strip() == b"Ok")
    return False
