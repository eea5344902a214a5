"""What must never get out, and how to tell that it has not."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

PART = 8  # characters that give something away
ADDRESS = "zq7kvx1m+t9@wj4tnb9p.test"
MESSAGE = "Kx93vQzLw81mTpYd & Ru27bNcEfG46hJsA"
SUBJECT = "Yw58dFgHk30nVbXc?Lp61"
SECRET = "SG.Mn84cVbZx27aQwEr"  # pragma: allowlist secret
TOKEN = "hark_live_Tg6hYu7jIk8oLp9a_0aZsXdCfVgBhNjMk1LqWeRtYuIo2PaSdFgHj3KlZxCv"  # pragma: allowlist secret
CANARIES = (ADDRESS, MESSAGE, SUBJECT, SECRET, TOKEN.removeprefix("hark_live_"))
ALL = " ".join(CANARIES)
REQUEST: Mapping[str, Any] = {"to": {"email": ADDRESS}, "subject": SUBJECT, "message": MESSAGE, "tags": {"t": MESSAGE}}


def spellings(canary: str) -> Iterator[str]:
    yield canary
    yield quote(canary, safe="")
    yield quote_plus(canary)
    for before in range(3):  # where it begins among base64's groups of three
        encoded = base64.b64encode(b" " * before + canary.encode()).decode()
        yield encoded[4 if before else 0 : -4]


def parts(canaries: Sequence[str]) -> set[str]:
    return {
        spelling[start : start + PART].lower()
        for canary in canaries
        for spelling in spellings(canary)
        for start in range(len(spelling) - PART + 1)
    }


PARTS = parts(CANARIES)


def assert_gives_nothing_away(text: str, *more: str) -> None:
    text = text.lower()
    assert not {part for part in PARTS | parts(more) if part in text}, text


class Output:
    """What the code under test has printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def lines(self, *more: str) -> list[dict[str, Any]]:
        """The log, of which each line must be one JSON object, without a canary; without the lines of the audit log."""
        return [
            line for line in self.all_lines(*more) if line["message"] not in {"audit", "an act begins", "an act ends"}
        ]

    def all_lines(self, *more: str) -> list[dict[str, Any]]:
        """With those, too."""
        out, err = self._capsys.readouterr()
        assert err == ""
        assert_gives_nothing_away(out, *more)
        assert out.isascii()
        lines = [json.loads(line) for line in out.splitlines()]
        assert all(isinstance(line, dict) for line in lines)
        return lines


class Faulty:
    """Hands on to a fake, but for one operation, which raises what no one expects."""

    def __init__(self, fake: object, operation: str = "") -> None:
        self._fake = fake
        self.operation = operation

    def __getattr__(self, name: str) -> Any:
        return self._fail if name == self.operation else getattr(self._fake, name)

    async def _fail(self, *_: Any, **__: Any) -> None:
        try:
            raise KeyError(ALL)
        except KeyError as cause:
            raise ValueError(f"cannot {ALL}\n\x1b[31m{ALL}\u2028") from cause
