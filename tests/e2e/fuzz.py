"""`make fuzz`: thousands of requests, made from /openapi.json, to a system of its own. `test_schema.py` makes fewer."""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.stack import ROOT, System, running


def fuzz(system: System, examples: int, seed: int, *more: str) -> int:
    """The exit status of Schemathesis, as schemathesis.toml and schema_hooks.py set it up: 0 when nothing failed.

    examples: of each operation, in each phase that draws them; the phase `coverage` makes what it makes
    """
    env = system.env
    document = f"{env['HARK_URL']}/openapi.json"
    options = ("--max-examples", str(examples), "--seed", str(seed), "--no-color", *more)
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", document, *options]
    return subprocess.run(command, cwd=ROOT, env=os.environ | env, check=False).returncode


def faults(log: bytes) -> list[str]:
    """The lines of a gateway's log that tell of a fault of ours, or are not one JSON object each."""
    return [line for line in log.decode().splitlines() if _is_fault(line)]


def _is_fault(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return True
    return not isinstance(entry, Mapping) or entry.get("message") == "a request failed"


def main() -> int:
    """The exit status: 0 when nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.fuzz", description=__doc__)
    parser.add_argument("examples", type=int)
    parser.add_argument("seed", type=int, nargs="?", default=random.randrange(2**32))
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # through the ends of both `with`, which stop the system
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as system:
        sys.stdout.write(f"hark: make fuzz N={arguments.examples} SEED={arguments.seed}\n")
        sys.stdout.flush()
        failed = fuzz(system, arguments.examples, arguments.seed)
        found = faults((Path(folder) / str(system.offset) / "logs" / "gateway.log").read_bytes())
    sys.stdout.writelines(f"in the gateway's log: {line}\n" for line in found)
    return failed or bool(found)


if __name__ == "__main__":
    sys.exit(main())
