"""What was pending, sent and called over time, as an SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LEFT, _RIGHT, _PANEL, _GAP, _TOP = 960, 60, 90, 130, 34, 48
_COLOURS = ("#1a73e8", "#34a853", "#a142f4", "#f29900")


@dataclass(frozen=True)
class Panel:
    """lines: by their name, a value for each second"""

    title: str
    lines: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Window:
    """Seconds in which something was wrong."""

    label: str
    began: float
    ended: float


def drawn(title: str, panels: Sequence[Panel], windows: Sequence[Window], seconds: float) -> str:
    """One above the other, over the same time."""
    height = _TOP + len(panels) * (_PANEL + _GAP)
    across = (_WIDTH - _LEFT - _RIGHT) / seconds
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12" role="img" aria-label="{escape(title)}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="20" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for window in windows:
        left, width = _LEFT + window.began * across, (window.ended - window.began) * across
        parts += [
            f'<rect x="{left:.1f}" y="{_TOP - 6}" width="{width:.1f}" height="{height - _TOP - 12}" fill="#fce8e6"/>',
            f'<text x="{left:.1f}" y="{_TOP - 10}" fill="#c5221f">{escape(window.label)}</text>',
        ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, _TOP + number * (_PANEL + _GAP), across, seconds)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, top: float, across: float, seconds: float) -> Sequence[str]:
    highest = max((value for line in panel.lines.values() for value in line), default=0.0) or 1.0
    bottom = top + 16 + (_PANEL - 16)
    parts = [
        f'<text x="{_LEFT}" y="{top + 10}" font-weight="bold">{escape(panel.title)}</text>',
        f'<line x1="{_LEFT}" y1="{bottom}" x2="{_WIDTH - _RIGHT}" y2="{bottom}" stroke="#9aa0a6"/>',
        f'<text x="{_LEFT - 6}" y="{top + 24}" text-anchor="end">{highest:,.4g}</text>',
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
    ]
    for minute in range(1, int(seconds // 60) + 1):
        x = _LEFT + minute * 60 * across
        parts.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle" fill="#5f6368">{minute} min</text>')
    for number, (name, line) in enumerate(panel.lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(
            f"{_LEFT + n * across:.1f},{bottom - (_PANEL - 32) * value / highest:.1f}" for n, value in enumerate(line)
        )
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
            f'<text x="{_WIDTH - _RIGHT + 6}" y="{top + 28 + 16 * number}" fill="{colour}">{escape(name)}</text>',
        ]
    return parts
