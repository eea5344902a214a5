"""What the figures are to be, and whether they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.compare.figures import Table


@dataclass(frozen=True, slots=True)
class Target:
    """`measured` is to be at most `most`."""

    what: str
    measured: float
    most: float

    @property
    def met(self) -> bool:
        return self.measured <= self.most


def verdicts(targets: Sequence[Target]) -> Table:
    rows = [
        (target.what, target.measured, f"≤ {target.most:g}", "met" if target.met else "**missed**")
        for target in targets
    ]
    return Table("targets", "Targets", ("ratio", "measured", "target", ""), rows, 1, "ratio")
