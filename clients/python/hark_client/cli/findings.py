"""What a check of `hark doctor` found."""

from dataclasses import dataclass

OK, WRONG, UNKNOWN = "ok", "wrong", "unknown"


@dataclass(frozen=True)
class Finding:
    """verdict: `ok`, `wrong`, or `unknown` where it cannot be told"""

    check: str
    verdict: str
    about: str
