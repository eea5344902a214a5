"""One trace as a tree of lines. Pure."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from emulator.traces.spans import (
    ANSWER,
    ATTEMPT,
    ERROR_TYPE,
    NOTIFICATION_ID,
    OUTCOME,
    RPC_STATUS,
    STATUS,
    STATUS_CODE,
    Link,
    Span,
)

MAX_NAME = 60


def render(spans: Collection[Span]) -> str:
    """The trace's heading and a line for each span, parents above their children, siblings in the order they began.

    Nothing in it moves a terminal's cursor. A span whose parent is not among them is a root, as the first one is whose
    parent is the caller's; of two spans with the same id the first counts.

    spans: of one trace, at least one
    """
    by_id: dict[str, Span] = {}
    for span in spans:
        by_id.setdefault(span.span_id, span)
    began = min(span.start for span in by_id.values())
    ended = max(span.end for span in by_id.values())
    trace_id = next(iter(by_id.values())).trace_id
    notifications = {span.attributes.get(NOTIFICATION_ID, "") for span in by_id.values()} - {""}
    heading = [f"trace {trace_id}", _duration(ended - began)]
    if len(notifications) == 1:
        heading.append(f"notification {_printable(*notifications)}")
    rows = [
        (
            branch + _printable(span.name)[:MAX_NAME],
            _printable(span.service),
            _duration(span.end - span.start),
            f"+{_duration(span.start - began)}",
            ", ".join(_notes(span, by_id, each_notification=len(notifications) > 1)),
        )
        for branch, span in _arranged(by_id)
    ]
    return "\n".join((", ".join(heading), *_aligned(rows)))


def _arranged(by_id: Mapping[str, Span]) -> list[tuple[str, Span]]:
    """Each span once, behind what is drawn before its name."""
    in_order = sorted(by_id.values(), key=lambda span: span.start)
    roots = [span for span in in_order if span.parent_id not in by_id]
    children: dict[str, list[Span]] = defaultdict(list)
    for span in in_order:
        children[span.parent_id].append(span)
    rows: list[tuple[str, Span]] = []
    placed: set[str] = set()
    # Spans that are each other's parents hang from no root: the earliest of them is made one.
    for root in (*roots, *in_order):
        waiting = [(root, "", "")] if root.span_id not in placed else []
        while waiting:  # not recursive: a chain may be longer than Python's stack
            span, branch, below = waiting.pop()
            placed.add(span.span_id)
            rows.append((branch, span))
            last_first = [child for child in reversed(children[span.span_id]) if child.span_id not in placed]
            for n, child in enumerate(last_first):
                waiting.append((child, below + ("├─ " if n else "└─ "), below + ("│  " if n else "   ")))
    return rows


def _notes(span: Span, by_id: Mapping[str, Span], *, each_notification: bool) -> list[str]:
    said = [
        form.format(_printable(span.attributes[key]))
        for key, form in (
            (STATUS_CODE, "{}"),
            (NOTIFICATION_ID, "notification {}" if each_notification else ""),
            (ATTEMPT, "attempt {}"),
            (OUTCOME, "{}"),
            (ANSWER, "{}"),
            (STATUS, "{}"),
            (RPC_STATUS, "{}"),
        )
        if form and key in span.attributes
    ]
    if span.error is not None:
        reason = _printable(span.error or span.attributes.get(ERROR_TYPE, ""))
        said.append("ERROR" if reason in ("", *said) else f"ERROR: {reason}")
    return said + [f"links to {_target(link, span, by_id)}" for link in span.links]


def _target(link: Link, span: Span, by_id: Mapping[str, Span]) -> str:
    if link.trace_id != span.trace_id:
        return f"trace {link.trace_id}"
    target = by_id.get(link.span_id)
    if target is None:
        return f"span {link.span_id}, which is not here"
    attempt = f" (attempt {_printable(target.attributes[ATTEMPT])})" if ATTEMPT in target.attributes else ""
    return _printable(target.name)[:MAX_NAME] + attempt


def _aligned(rows: Sequence[tuple[str, str, str, str, str]]) -> list[str]:
    name, service, duration, offset, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        f"  {row[0]:<{name}}  {row[1]:<{service}}  {row[2]:>{duration}}  {row[3]:>{offset}}  {row[4]}".rstrip()
        for row in rows
    ]


def _duration(nanoseconds: int) -> str:
    """Never below 0: a span's two times are of a clock that may have been set back in between."""
    milliseconds = max(nanoseconds, 0) / 1e6
    return f"{milliseconds:.1f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


def _printable(text: str) -> str:
    """Control characters could move the cursor or change the terminal, marks of direction reorder a line."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
