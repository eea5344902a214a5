"""Logs: one line, one JSON object, whatever is logged by whomever."""

import io
import json
import logging
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime import logs, trace_context

CANARY = "canary-5e3f"


def logged(write: Callable[[], object]) -> list[dict[str, Any]]:
    """What `write` logs, each line as the object it must be."""
    stream = io.StringIO()
    with redirect_stdout(stream):
        logs.configure()
        write()
    output = stream.getvalue()
    assert output == "" or output.endswith("\n")
    lines = [json.loads(line) for line in output.split("\n")[:-1]]
    assert all(isinstance(line, dict) for line in lines)
    return lines


class Odd:
    def __repr__(self) -> str:
        return "odd\nrepr"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
    | st.binary()
    | st.datetimes()
    | st.builds(Odd)
    | st.builds(ValueError, st.text()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner) | st.sets(st.text()),
    max_leaves=6,
)
fields = st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), values, max_size=4)


@given(st.text(st.characters()), fields)
def test_whatever_is_logged_is_one_line_and_one_object(text: str, more: dict[str, Any]) -> None:
    more = {key: value for key, value in more.items() if key not in {"event", "self"}}
    (line,) = logged(lambda: logs.get_logger("here").warning(text, **more))
    assert line["message"] == text
    assert line["severity"] == "WARNING"
    assert more.keys() | {"module", "time"} <= line.keys()


@pytest.mark.parametrize(
    ("method", "severity"),
    [("info", "INFO"), ("warning", "WARNING"), ("error", "ERROR"), ("critical", "CRITICAL")],
)
def test_a_level_is_the_severity_that_cloud_logging_knows(method: str, severity: str) -> None:
    (line,) = logged(lambda: getattr(logs.get_logger("here"), method)("it happened", attempt=1))
    assert line["severity"] == severity
    assert (line["message"], line["module"], line["attempt"]) == ("it happened", "here", 1)
    assert line["time"].endswith("Z")


def test_ids_are_labels_and_the_trace_is_named_as_cloud_logging_wants_it() -> None:
    def write() -> None:
        logs.configure("my-project")
        trace_context.bind(f"00-{'a' * 32}-{'b' * 16}-01")
        logs.get_logger("here").info("sent", notification_id="n-1", channel="sms", attempt=1)
        trace_context.bind("no such header")
        logs.get_logger("here").info("swept")

    line, untraced = logged(write)
    assert line["logging.googleapis.com/labels"] == {"notification_id": "n-1", "channel": "sms"}
    assert line["logging.googleapis.com/trace"] == f"projects/my-project/traces/{'a' * 32}"
    assert line["logging.googleapis.com/spanId"] == "b" * 16
    assert not [name for name in untraced if "/" in name]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-" + "0" * 32 + "-" + "b" * 16 + "-01",
        "00-" + "a" * 32 + "-" + "0" * 16 + "-01",
        "ff-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "00-" + "A" * 32 + "-" + "b" * 16 + "-01",
        "00-" + "a" * 32 + "-" + "b" * 16 + "-01\n",
        CANARY,
    ],
)
def test_what_has_not_the_headers_form_is_no_trace(header: str | None) -> None:
    trace_context.bind(header)
    assert (trace_context.current(), trace_context.ids()) == (None, None)


def test_a_new_trace_has_the_headers_form() -> None:
    made = trace_context.new()
    trace_context.bind(made)
    assert trace_context.current() == made
    trace_context.bind(None)


def test_what_is_for_debugging_stays_out() -> None:
    assert logged(lambda: logs.get_logger("here").debug("it happened")) == []


def test_a_librarys_record_is_passed_on_without_its_text() -> None:
    def write() -> None:
        logging.getLogger("aiohttp.client").error("no route to %s", CANARY)
        logging.getLogger("aiohttp.client").warning(CANARY, extra={"address": CANARY}, stack_info=True)

    lines = logged(write)
    assert [(line["module"], line["message"], line["severity"]) for line in lines] == [
        ("aiohttp.client", "a library logged", "ERROR"),
        ("aiohttp.client", "a library logged", "WARNING"),
    ]
    assert all(line["at"].startswith("test_logs.py:") for line in lines)
    assert CANARY not in json.dumps(lines)


def test_a_librarys_exception_is_passed_on_by_its_type_and_place() -> None:
    def write() -> None:
        try:
            raise KeyError(CANARY)
        except KeyError:
            logging.getLogger("library").exception(CANARY)

    (line,) = logged(write)
    assert line["error"].startswith("KeyError at test_logs.py:")
    assert CANARY not in json.dumps(line)


def test_a_record_that_cannot_even_be_formatted_is_passed_on() -> None:
    (line,) = logged(lambda: logging.getLogger("library").error("%d", CANARY))
    assert line["message"] == "a library logged"


@pytest.mark.parametrize(
    ("level", "severity"), [(30, "WARNING"), (35, "WARNING"), (40, "ERROR"), (50, "CRITICAL"), (99, "CRITICAL")]
)
def test_a_librarys_own_level_is_the_one_below_it(level: int, severity: str) -> None:
    (line,) = logged(lambda: logging.getLogger("library").log(level, CANARY))
    assert line["severity"] == severity


def test_a_librarys_chatter_stays_out() -> None:
    def write() -> None:
        logging.getLogger("library").info(CANARY)
        logging.getLogger("grpc._channel").error(CANARY)

    assert logged(write) == []


def test_the_place_of_an_exception_is_where_it_was_raised() -> None:
    def raising() -> None:
        raise OSError(CANARY)

    with pytest.raises(OSError, match=CANARY) as raised:
        raising()
    assert logs.place(raised.value) == f"OSError at test_logs.py:{raising.__code__.co_firstlineno + 1}"
    assert logs.place(OSError(CANARY)) == "OSError"
