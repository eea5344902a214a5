"""What the figures are to be, and whether they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.compare.figures import Table, median, shown


@dataclass(frozen=True, slots=True)
class Target:
    """The median of `rounds` is to be at most `most`."""

    what: str
    rounds: Sequence[float]
    most: float

    @property
    def measured(self) -> float:
        return median(self.rounds)

    @property
    def met(self) -> bool:
        return self.measured <= self.most


def verdicts(targets: Sequence[Target]) -> Table:
    rows = [
        (
            target.what,
            target.measured,
            f"{shown(min(target.rounds))} to {shown(max(target.rounds))}",
            f"≤ {target.most:g}",
            "met" if target.met else "**missed**",
        )
        for target in targets
    ]
    header = ("ratio", "median", "rounds", "target", "")
    return Table("targets", "Targets", header, rows, 1, "ratio")
