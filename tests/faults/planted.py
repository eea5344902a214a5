"""Twenty-seven planted bugs, one at a time in a copy; the harness must catch each: `make planted [ONLY=relay_off]`."""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.checkout import copy_to
from tests.faults.checker import check
from tests.faults.run import Options, run
from tests.faults.verdict import Verdict, judge

PATCHES = Path(__file__).parent / "planted"

_QUIET = Options(seed="planted", seconds=15, rate=8, hits=0, held=0, acts={}, drain=30)
"""No faults but those that the bug is about: what is found is the bug."""
_DOWN = replace(_QUIET, seconds=45, rate=15, acts={"outage": 1}, pause=2, drain=120)
"""One provider after another is down."""

_TIMES = 3

CAUGHT: dict[str, tuple[Options, set[str]]] = {
    "ack_before_send": (replace(_QUIET, lab={"503": 0.3}), {"7"}),
    "record_deleted_when_publish_fails": (replace(_QUIET, seconds=30, acts={"topic": 1}, pause=0.3), {"2", "3"}),
    # Refused ones wait in Pub/Sub: on a quick machine there is nothing else in it when it dies.
    "relay_off": (replace(_QUIET, acts={"kill pubsub": 1}, pause=3, lab={"503": 0.5}), {"4"}),
    "timeout_is_permanent": (replace(_QUIET, lab={"accept-then-timeout": 0.3}), {"3"}),
    "claim_without_precondition": (replace(_QUIET, again=1), {"3"}),
    "lease_shorter_than_the_send": (replace(_QUIET, again=1, lab={"slow": 0.5}), {"3"}),
    "idempotency_off": (_QUIET, {"6"}),
    "dead_letter_dropped": (replace(_QUIET, lab={"503": 0.8}, max_attempts=10, drain=40), {"4"}),
    "attempt_not_counted": (replace(_QUIET, lab={"accept-then-reset": 0.4}), {"3"}),
    "receipt_moves_a_state_back": (_QUIET, {"3", "5"}),
    "deliver_by_ignored": (replace(_QUIET, lab={"503": 0.9}, max_attempts=20, seconds=30, drain=90), {"t"}),
    "send_at_ignored": (_QUIET, {"t"}),
    "cancel_under_a_live_lease": (replace(_QUIET, seconds=30, lab={"slow": 0.9}), {"v"}),
    "order_goes_on_while_one_is_retried": (replace(_QUIET, seconds=30, lab={"503": 0.5}), {"o"}),
    "two_follow_the_same_one": (replace(_QUIET, seconds=30, rate=20, special=1, keys=1), {"o"}),
    "step_goes_though_the_one_before_was_sent": (_QUIET, {"e"}),
    "person_not_asked": (replace(_QUIET, seconds=30, rate=20), {"p"}),
    "broadcast_page_has_new_keys": (_QUIET, {"1"}),
    "pause_looked_for_once": (replace(_QUIET, seconds=30, held=20), {"h"}),
    "receipt_of_another_message": (replace(_QUIET, lab={"accept-then-reset": 0.4}), {"7"}),
    "breaker_never_obeyed": (_DOWN, {"b"}),
    "probe_without_its_place": (_DOWN, {"b"}),
    "what_is_held_is_published": (_DOWN, {"h"}),
    "sent_though_its_provider_has_it": (replace(_QUIET, lab={"accept-then-reset": 0.4}, drain=60), {"a"}),
    # A lab that cannot be asked, and has not taken what it was sent.
    "cannot_tell_is_taken_for_sent": (replace(_QUIET, asking=False, lab={"reset": 0.4}), {"7"}),
    "event_ids_forget_the_status": (replace(_QUIET, events=True, drain=90), {"w"}),
    "message_of_another_is_taken": (
        replace(_QUIET, seconds=30, rate=20, lab={"accept-then-reset": 0.3, "reset": 0.3}, drain=90),
        {"7"},
    ),
}
"""By patch: what brings it out, and the numbers of the invariants of which it breaks one at least."""


def copy_with(patch: str | None, folder: Path) -> Path:
    """This repository as it is, with the patch applied."""
    copy_to(folder)
    if patch is not None:
        subprocess.run(["patch", "--strip=1", "--silent", f"--input={PATCHES / patch}.patch"], cwd=folder, check=True)
    return folder


def breaches(patch: str | None, options: Options) -> tuple[Verdict, dict[str, int]]:
    """What a run with the patch says, and how many breaches of each invariant it finds; a starved one is made again."""
    for _ in range(_TIMES):
        verdict, found = _once(patch, options)
        if verdict is not Verdict.STARVED:
            break
    return verdict, found


def _once(patch: str | None, options: Options) -> tuple[Verdict, dict[str, int]]:
    with tempfile.TemporaryDirectory(prefix="hark-planted-") as temporary:
        root = copy_with(patch, Path(temporary) / "copy")
        folder = Path(temporary) / "run"
        folder.mkdir()
        outcome = asyncio.run(run(replace(options, root=root), folder))
    violations = check(outcome.histories, options.limits)
    return judge(options, outcome, violations), dict(Counter(violation.invariant for violation in violations))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.planted")
    parser.add_argument("only", nargs="*", choices=[*CAUGHT, []], help="these alone")
    missed = []
    for patch in parser.parse_args().only or CAUGHT:
        options, invariants = CAUGHT[patch]
        verdict, found = breaches(patch, options)
        caught = verdict is Verdict.BROKEN and bool(invariants & {name[0] for name in found})
        sys.stdout.write(f"{'caught' if caught else 'MISSED'}  {patch}: {verdict}: {found or 'nothing found'}\n")
        sys.stdout.flush()
        # Without the bug the same faults must break nothing, or it was not the bug that was found.
        verdict, clean = breaches(None, options)
        if verdict is not Verdict.HELD:
            sys.stdout.write(f"        without it: {verdict}: {clean}\n")
        missed += [patch] * (not caught or verdict is not Verdict.HELD)
    sys.exit(f"hark: not caught: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
