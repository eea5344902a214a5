"""How a trace looks on the console, whatever spans there are of it."""

import re
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.traces.spans import Link, Span
from emulator.traces.tree import render

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret
OTHER_TRACE = "0af7651916cd43dd8448eb211c80319c"  # pragma: allowlist secret
BEGAN = 1_700_000_000_000_000_000
CALLER = "ca11e7ca11e7ca11"


def span(name: str, parent: str = "", at: float = 0, ms: float = 1, **rest: Any) -> Span:
    """Its id is made of its name, or of `id`; `at` in milliseconds after the trace's beginning."""
    start = BEGAN + int(at * 1e6)
    span_id = rest.pop("id", name)
    return Span(TRACE, span_id, parent, name, rest.pop("service", "sms"), start, start + int(ms * 1e6), **rest)


def names(spans: Collection[Span]) -> list[str]:
    """The tree alone: what is drawn, and the name."""
    return [re.split(r"  +sms ", line)[0].removeprefix("  ").rstrip() for line in render(spans).splitlines()[1:]]


def test_a_notification_on_its_way_through_two_functions() -> None:
    ours = {"hark.notification_id": "n-1"}
    root = "POST /v1/notifications"
    failed = {"hark.attempt": "1", "hark.outcome": "retryable", "error.type": "retryable"}
    accepted = {"hark.attempt": "2", "hark.outcome": "accepted"}
    before = (Link(TRACE, "send 1"),)
    spans = [
        span(root, CALLER, 0, 12.34, service="gateway", attributes=ours | {"http.response.status_code": "202"}),
        span("firestore Commit", root, 2, 3, service="gateway"),
        span("publish sms", root, 6, 2.2, service="gateway"),
        span("process sms", "publish sms", 12, 40, id="process 1", attributes=ours | {"hark.answer": "ack"}),
        span("send twilio", "process 1", 17, 28, id="send 1", attributes=failed, error=""),
        span("process sms", "publish sms", 62_530, 33, id="process 2", attributes=ours),
        span("send twilio", "process 2", 62_540, 21, id="send 2", attributes=accepted, links=before),
    ]
    assert render(spans).splitlines() == [
        "trace 4bf92f3577b34da6a3ce929d0e0e4736, 62.56 s, notification n-1",
        "  POST /v1/notifications  gateway  12.3 ms   +0.0 ms  202",
        "  ├─ firestore Commit     gateway   3.0 ms   +2.0 ms",
        "  └─ publish sms          gateway   2.2 ms   +6.0 ms",
        "     ├─ process sms       sms      40.0 ms  +12.0 ms  ack",
        "     │  └─ send twilio    sms      28.0 ms  +17.0 ms  attempt 1, retryable, ERROR",
        "     └─ process sms       sms      33.0 ms  +62.53 s",
        "        └─ send twilio    sms      21.0 ms  +62.54 s  attempt 2, accepted, links to send twilio (attempt 1)",
    ]


def test_siblings_stand_in_the_order_they_began_however_they_came() -> None:
    spans = [span("root"), span("a", "root", 1), span("b", "root", 2), span("c", "a", 3)]
    assert names(spans) == names(spans[::-1]) == ["root", "├─ a", "│  └─ c", "└─ b"]


def test_a_span_whose_parent_is_not_there_is_a_root() -> None:
    assert names([span("late", "gone", 5), span("child", "late", 6), span("first", CALLER)]) == [
        "first",
        "late",
        "└─ child",
    ]


def test_a_span_that_comes_twice_is_shown_once_as_it_came_first() -> None:
    assert names([span("a"), span("b", "a", id="same"), span("again", "a", id="same")]) == ["a", "└─ b"]


def test_its_own_parent_is_shown_once() -> None:
    assert names([span("a", "a"), span("b", "a", 1)]) == ["a", "└─ b"]


def test_spans_that_are_each_others_parents_hang_from_the_earliest_of_them_behind_the_roots() -> None:
    assert names([span("a", "c"), span("b", "a", 1), span("c", "b", 2), span("root", at=9)]) == [
        "root",
        "a",
        "└─ b",
        "   └─ c",
    ]


def test_a_chain_may_be_longer_than_pythons_stack() -> None:
    spans = [span(str(n), str(n - 1), n) for n in range(1200)]
    assert render(spans).splitlines()[-1].startswith("  " + "   " * 1198 + "└─ 1199  sms")


ids = st.sampled_from([f"{n}" for n in range(8)])


@given(st.lists(st.tuples(ids, ids | st.just(""), st.integers(0, 5)), min_size=1))
def test_whatever_the_parents_every_span_is_shown_once(drawn: list[tuple[str, str, int]]) -> None:
    shown = names([span(own, parent, at) for own, parent, at in drawn])
    assert sorted(re.sub(r"[ │├└─]", "", line) for line in shown) == sorted({own for own, _, _ in drawn})


# A new title, a colour, the line again, a bell, C1's escape, a new line, text from right to left, a line separator.
HOSTILE = "a\x1b]0;owned\x07\x1b[31m\rb\x07\x9b2J\n\u202ec\u2028"


@pytest.mark.parametrize(
    "hostile",
    [
        span(HOSTILE),
        span("a", service=HOSTILE),
        span("a", error=HOSTILE),
        span("a", attributes={"http.response.status_code": HOSTILE}),
        span("a", attributes={"hark.attempt": HOSTILE, "hark.outcome": HOSTILE}, links=(Link(TRACE, "a"),)),
        span("a", attributes={"hark.notification_id": HOSTILE}),
    ],
)
def test_no_control_character_of_a_span_reaches_the_terminal(hostile: Span) -> None:
    lines = render([hostile, span("other", at=1, attributes={"hark.notification_id": "n-2"})]).split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert "a\N{REPLACEMENT CHARACTER}]0;owned" in "".join(lines)


def test_a_long_name_does_not_push_the_columns_away() -> None:
    line = render([span("x" * 100)]).splitlines()[1]
    assert line.startswith("  " + "x" * 60 + "  sms")


def test_a_failed_span_is_marked_also_when_it_does_not_say_why() -> None:
    assert render([span("a", error="")]).endswith("  ERROR")
    assert render([span("a", error="", attributes={"error.type": "Retryable"})]).endswith("  ERROR: Retryable")


def test_a_link_names_its_span_or_where_it_is() -> None:
    links = (Link(TRACE, "a"), Link(TRACE, "00f067aa0ba902b7"), Link(OTHER_TRACE, "a"))
    assert render([span("a"), span("b", "a", 1, links=links)]).endswith(
        f"links to a, links to span 00f067aa0ba902b7, which is not here, links to trace {OTHER_TRACE}"
    )


def test_where_a_trace_is_of_several_notifications_each_span_says_of_which() -> None:
    first, *lines = render([span(n, attributes={"hark.notification_id": n}) for n in ("n-1", "n-2")]).splitlines()
    assert "notification" not in first
    assert [line.split("  ")[-1] for line in lines] == ["notification n-1", "notification n-2"]


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    assert render([span("a", ms=-5)]).splitlines() == [f"trace {TRACE}, 0.0 ms", "  a  sms  0.0 ms  +0.0 ms"]
