"""What a check of `hark doctor` found."""

from dataclasses import dataclass

OK, WRONG, DOUBTFUL, UNKNOWN = "ok", "wrong", "doubtful", "unknown"


@dataclass(frozen=True)
class Finding:
    """verdict: `ok`, `wrong`, `doubtful` where it may be meant so, or `unknown` where it cannot be told"""

    check: str
    verdict: str
    about: str
