"""Figures, tables of them, and what is made of these: markdown, and one bar chart a table."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

Cell = str | float | None

_WIDTH, _BAR, _LABELS, _FIGURES = 720, 22, 190, 110
_LETTER = 7  # pixels, of a label
_COLOURS = {"hark": "#1a73e8", "raw": "#9aa0a6", "usual": "#f29900", "celery": "#34a853", "dramatiq": "#a142f4"}


@dataclass(frozen=True, slots=True)
class Table:
    """`bars`: the column that the chart shows; `unit`: of it. A row's first cell is its name."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    bars: int
    unit: str
    notes: Sequence[str] = field(default_factory=list)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """By the nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Each round's own: what slows the machine down for a while slows both."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' own ratios."""
    return median(ratios(ours, theirs))


def shown(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}" if abs(cell) >= 10 else f"{cell:.2f}"


def markdown(table: Table) -> str:
    lines = [f"## {table.title}", "", f"![{table.title}]({table.name}.svg)", ""]
    lines.append("| " + " | ".join(table.header) + " |")
    lines.append("|---" + "|---:" * (len(table.header) - 1) + "|")
    lines += ["| " + " | ".join(shown(cell) for cell in row) + " |" for row in table.rows]
    for note in table.notes:
        lines += ["", note]
    return "\n".join(lines) + "\n"


def chart(table: Table) -> str:
    """An SVG of horizontal bars, one a row that has a figure."""
    rows = [(str(row[0]), row[table.bars]) for row in table.rows]
    bars = [(name, value) for name, value in rows if isinstance(value, int | float)]
    longest = max((value for _, value in bars), default=0.0) or 1.0
    height = 44 + len(bars) * (_BAR + 8)
    labels = max(_LABELS, 16 + max((len(name) for name, _ in bars), default=0) * _LETTER)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13" role="img" aria-label="{escape(table.title)}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="22" font-weight="bold">{escape(table.title)}: '
        f"{escape(table.header[table.bars])} ({escape(table.unit)})</text>",
    ]
    for number, (name, value) in enumerate(bars):
        top = 36 + number * (_BAR + 8)
        width = max(1.0, (_WIDTH - labels - _FIGURES) * value / longest)
        colour = _COLOURS.get(name.split(",")[0].split(" ")[0], "#5f6368")
        parts += [
            f'<text x="{labels - 8}" y="{top + 16}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{labels}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>',
            f'<text x="{labels + width + 6:.1f}" y="{top + 16}">{shown(value)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
