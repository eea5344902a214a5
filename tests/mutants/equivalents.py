"""The mutants that may live: what they change makes no difference to anybody, and why."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).parent / "equivalents.toml"

Key = tuple[str, str, str]
"""The file, the source line without its indentation, and the change in words: as the tool says them."""


def load() -> Mapping[Key, str]:
    """Each with its reason. KeyError when one is incomplete."""
    entries = tomllib.loads(FILE.read_text()).get("mutant", [])
    return {(entry["file"], entry["line"], entry["change"]): entry["why"] for entry in entries}
