"""Runs pip-audit and tells apart what its exit status does not: a vulnerability, and a service that gave no answer.

Usage: audit.py [--report] PIP-AUDIT [ARGUMENT ...]. Without an answer it exits with 0: CI without a network is no
reason to fail, but must not look like a clean audit either. A vulnerability, and a pip-audit that is not used as it
should be, fail. With --report a vulnerability is only said: one that was published since must not stop the way back to
an older commit.
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

SECONDS = 60.0
# How pip-audit 2.10 says so: an error of its own, or the traceback of one that it does not catch.
_UNREACHED = re.compile(r"requests\.exceptions\.\w+|ServiceError|Could not connect to|not redirecting properly")


def main(arguments: Sequence[str]) -> int:
    report = arguments[:1] == ["--report"]
    command = arguments[1:] if report else arguments
    try:
        # Any timeout of its own is for one connection, of which there is one for each dependency.
        done = subprocess.run(  # noqa: S603 - the Makefile says what to run
            [*command, "--format", "json", "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return unreached(f"no answer within {SECONDS:g} s")
    try:
        dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, LookupError, TypeError):
        # It writes its findings only when it has them all.
        if reason := _UNREACHED.search(done.stderr):
            return unreached(reason[0])
        sys.stderr.write(done.stderr)
        say("pip-audit failed")
        return done.returncode or 1
    found = [dependency for dependency in dependencies if dependency.get("vulns")]
    for dependency in found:
        ids = ", ".join(vulnerability["id"] for vulnerability in dependency["vulns"])
        say(f"{dependency['name']} {dependency['version']} is vulnerable: {ids}")
    skipped = [dependency for dependency in dependencies if "skip_reason" in dependency]
    if skipped:
        unreached(f"{len(skipped)} of {len(dependencies)} dependencies: {skipped[0]['skip_reason']}")
    else:
        say(f"{len(dependencies)} dependencies audited, {len(found)} vulnerable")
    if found and report:
        say("they stop nothing: this is a way back. Mend them next")
    return 1 if found and not report else 0


def unreached(why: str) -> int:
    say(f"NOT AUDITED, the vulnerability service could not be reached or does not know: {why}")
    return 0


def say(text: str) -> None:
    sys.stdout.write(f"audit: {text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
