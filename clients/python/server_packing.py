"""The part of Hark that `hark_client.testing` runs, as a private package: `hark_client._server`.

In a checkout the gateway's packages are called `functions`, `shared` and `tests`. Installed under these names they
would stand in the way of whatever a user calls so; so the copies have their imports rewritten.
"""

import re
import shutil
from pathlib import Path

PRIVATE = "hark_client._server"
_WHOLE = ("functions", "shared")
_FAKES = (
    "__init__",
    "audit",
    "callers",
    "channel_states",
    "lists",
    "operations",
    "ordered_faults",
    "people",
    "plans",
    "receipts",
    "relay_runs",
    "statistics",
    "store",
    "templates",
)
_IMPORT = re.compile(r"^(\s*(?:from|import)\s+)(functions|shared|tests)(?=[.\s])", re.MULTILINE)
_NAMED = re.compile(r"""(?<=["'])(functions|shared)\.(?=[a-z{])""")  # what importlib is given


def pack(checkout: Path, into: Path) -> None:
    """Writes hark_client/_server and hark_client/testing below `into`. FileNotFoundError outside of a checkout."""
    server = into / "hark_client" / "_server"
    for name in _WHOLE:
        shutil.copytree(checkout / name, server / name, ignore=shutil.ignore_patterns("__pycache__", "main.py"))
    fakes = server / "tests" / "fakes"
    fakes.mkdir(parents=True)
    for name in _FAKES:
        shutil.copy(checkout / "tests" / "fakes" / f"{name}.py", fakes)
    for folder in (server, server / "tests"):
        (folder / "__init__.py").touch()
    (server / "infra").mkdir()
    shutil.copy(checkout / "infra" / "channels.yaml", server / "infra")
    testing = Path(__file__).parent / "hark_client" / "testing"
    shutil.copytree(testing, into / "hark_client" / "testing", ignore=shutil.ignore_patterns("__pycache__"))
    for module in into.rglob("*.py"):
        module.write_text(rewritten(module.read_text(encoding="utf-8")), encoding="utf-8")


def rewritten(source: str) -> str:
    source = _IMPORT.sub(rf"\1{PRIVATE}.\2", source)
    return _NAMED.sub(rf"{PRIVATE}.\1.", source)
