"""`python -m tests.faults.asking`: how many messages arrive twice with asking and without, under equal faults.

Rounds in turns, of the same seeds and the same load: first the lab answers when it is asked what became of a message,
then it does not. Providers lose the answers of as many accepted messages as --lost says, a third of them each by a
reset, by half an answer and by silence; nothing else is wrong with them, so that no rate changes on the way. Functions
are killed and frozen, and Firestore fails, as in `make faults`. Exit status 1 at a breach of an invariant, and when
asking makes less of a difference than --times.

A text message that is reported as delivered while it waits to be asked about needs no answer: --receipts off shows what
asking is worth by itself.
"""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from emulator.lab.receipt_faults import ReceiptMode
from tests.faults.__main__ import say
from tests.faults.checker import check
from tests.faults.lost_answers import Channel, by_channel
from tests.faults.nemesis import WEIGHTS
from tests.faults.report import accepted, kills, table
from tests.faults.run import Options, run
from tests.faults.verdict import Verdict, explain, judge

ASKABLE = ("slack", "sms")
"""The channels whose providers can be asked as the stack is set up; SendGrid's activity is an option that is off."""
_LOSING = ("accept-then-reset", "truncated", "accept-then-timeout")
_OTHERS = {"lab", "outage", "receipts"}  # what the nemesis does to providers
_TRIES = 3  # of a round that a starved machine spoils


@dataclass
class Sum:
    """Of all rounds of one kind."""

    breaches: int = 0
    kills: int = 0
    accepted: int = 0
    channels: dict[str, Channel] = field(default_factory=dict)

    def add(self, found: Mapping[str, Channel]) -> None:
        for name, channel in found.items():
            mine = self.channels.setdefault(name, Channel())
            mine.lost += channel.lost
            mine.found += channel.found
            mine.duplicates += channel.duplicates

    def duplicates(self, *names: str) -> int:
        return sum(self.channels.get(name, Channel()).duplicates.total() for name in names)

    def lost(self, *names: str) -> int:
        return sum(self.channels.get(name, Channel()).lost for name in names)

    def share(self, *names: str) -> float:
        """Duplicates of a lost answer."""
        lost = self.lost(*names)
        return self.duplicates(*names) / lost if lost else 0.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.asking")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--rounds", type=int, default=2, help="of each kind")
    parser.add_argument("--round", type=float, default=60, help="seconds of load and faults in a round")
    parser.add_argument("--rate", type=float, default=10, help="notifications a second")
    parser.add_argument("--lost", type=float, default=0.3, help="share of the accepted messages whose answer is lost")
    parser.add_argument("--receipts", choices=("on", "off"), default="on", help="off: providers report nothing back")
    parser.add_argument("--pause", type=float, default=2, help="mean seconds between two acts of the nemesis")
    parser.add_argument("--hits", type=int, default=30, help="mean times that a failpoint is passed before it kills")
    parser.add_argument("--drain", type=float, default=240, help="seconds that what is pending then may take")
    parser.add_argument("--times", type=float, default=20, help="fewer duplicates of a lost answer, at least")
    parser.add_argument("--keep", type=Path, help="a folder for the histories")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    say(f"seed {given.seed}")
    sums = {True: Sum(), False: Sum()}
    for number in range(1, given.rounds + 1):
        options = Options(
            seed=f"{given.seed}/{number}",
            seconds=given.round,
            rate=given.rate,
            pause=given.pause,
            hits=given.hits,
            drain=given.drain,
            held=0,
            acts={name: weight for name, weight in WEIGHTS.items() if name not in _OTHERS},
            lab=dict.fromkeys(_LOSING, given.lost / len(_LOSING)),
            receipts={} if given.receipts == "on" else {ReceiptMode.OFF: 1},
        )
        for asking, sum_ in sums.items():
            one_round(replace(options, asking=asking), given.keep, sum_)
    say(render(sums[True], sums[False]))
    on, off = (sums[asking].share(*ASKABLE) for asking in (True, False))
    sys.exit(1 if sums[True].breaches or sums[False].breaches or not off or on * given.times > off else 0)


def one_round(options: Options, keep: Path | None, sum_: Sum) -> None:
    """What it found is added."""
    for _ in range(_TRIES):
        with tempfile.TemporaryDirectory(prefix="hark-faults-") as folder:
            outcome = asyncio.run(run(options, Path(folder)))
            violations = check(outcome.histories, options.limits)
            verdict = judge(options, outcome, violations)
            if keep is not None:
                asking = "asking" if options.asking else "mute"
                shutil.copytree(folder, keep / f"{options.seed.replace('/', '-')}-{asking}", dirs_exist_ok=True)
        say(f"{options.seed}, asking {'on' if options.asking else 'off'}: {verdict}: {explain(outcome, violations)}")
        for violation in violations[:10]:
            say(f"- {violation.invariant}: {violation.what}")
        if verdict is not Verdict.STARVED:
            break
    sum_.breaches += len(violations)
    sum_.kills += kills(outcome).total()
    sum_.accepted += len(accepted(outcome.histories.client))
    sum_.add(by_channel(outcome.histories))


def render(asked: Sum, mute: Sum) -> str:
    both = (("on", asked), ("off", mute))
    names = sorted({*asked.channels, *mute.channels})
    rows = [
        (name, how, *_row(sum_.channels.get(name, Channel())), f"{sum_.share(name):.1%}")
        for name in names
        for how, sum_ in both
    ]
    head = ("channel", "asking", "answers lost", "reconciled", "duplicates", "of the lost")
    why = [
        (name, how, str(asked_), str(times))
        for name in names
        for how, sum_ in both
        for asked_, times in sorted(sum_.channels.get(name, Channel()).duplicates.items())
    ]
    on, off = asked.share(*ASKABLE), mute.share(*ASKABLE)
    # Of none in n the share is less than 3/n, in 95 of 100 such runs.
    ratio = f"{off / on:.1f}" if on else f"more than {off * asked.lost(*ASKABLE) / 3:.0f}, as none are left"
    load = (
        f"asking {how}: {sum_.accepted:,} notifications accepted, {sum_.kills:,} kills, {sum_.breaches} breaches"
        for how, sum_ in both
    )
    return "\n".join(
        [
            *load,
            "",
            table(head, rows),
            table(("channel", "asking", "duplicates, of which it was", "times"), why),
            f"Slack and SMS: {mute.duplicates(*ASKABLE)} duplicates without asking, {asked.duplicates(*ASKABLE)} with; "
            f"of the lost answers {off:.2%} and {on:.2%}, ratio {ratio}",
        ]
    )


def _row(channel: Channel) -> tuple[str, str, str]:
    return str(channel.lost), str(channel.found), str(channel.duplicates.total())


if __name__ == "__main__":
    main()
