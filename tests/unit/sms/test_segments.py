"""How many segments a text is: held against the standard's tables and against the lab's own count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.lab.segments import segments as by_the_lab
from functions.sms.segments import BASIC, EXTENSION, GSM_7, UCS_2, segments
from shared.delivery.model import Segments

# 3GPP TS 23.038, 6.2.1, by code. 0x1B is the escape.
TABLE = (
    "@\u00a3$\u00a5\u00e8\u00e9\u00f9\u00ec\u00f2\u00c7\n\u00d8\u00f8\r\u00c5\u00e5"
    "\u0394_\u03a6\u0393\u039b\u03a9\u03a0\u03a8\u03a3"
    "\u0398\u039e\x1b\u00c6\u00e6\u00df\u00c9 !\"#\u00a4%&'()*+,-./0123456789:;<=>?"
    "\u00a1ABCDEFGHIJKLMNOPQRSTUVWXYZ\u00c4"  # pragma: allowlist secret
    "\u00d6\u00d1\u00dc\u00a7\u00bfabcdefghijklmnopqrstuvwxyz\u00e4\u00f6\u00f1\u00fc\u00e0"
)
EMOJI = "\U0001f389"
CJK = "\u6f22"
EURO = "\u20ac"


def test_the_alphabet_is_the_standards() -> None:
    assert len(TABLE) == 128
    assert {*TABLE} - {"\x1b"} == BASIC
    assert {*"\f^{}\\[~]|", EURO} == EXTENSION


def test_each_letter_has_its_encoding() -> None:
    by_the_tables = {*TABLE, *"\f^{}\\[~]|", EURO} - {"\x1b"}
    everything = [chr(code) for code in range(0x11_0000) if not 0xD800 <= code <= 0xDFFF]
    assert {letter for letter in everything if segments(letter).encoding == GSM_7} == by_the_tables


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", Segments(1, GSM_7)),
        ("x" * 160, Segments(1, GSM_7)),
        ("x" * 161, Segments(2, GSM_7)),
        ("x" * 306, Segments(2, GSM_7)),
        ("x" * 307, Segments(3, GSM_7)),
        ("x" * 1600, Segments(11, GSM_7)),
        (EURO * 80, Segments(1, GSM_7)),
        (EURO * 81, Segments(2, GSM_7)),
        ("x" * 159 + EURO, Segments(2, GSM_7)),
        # 153 is odd: an escape never ends a segment, so 76 of them fit.
        (EURO * 152, Segments(2, GSM_7)),
        (EURO * 153, Segments(3, GSM_7)),
        ("x" * 152 + EURO + "x" * 151, Segments(2, GSM_7)),
        ("x" * 152 + EURO + "x" * 152, Segments(3, GSM_7)),
        ("caf\u00e9", Segments(1, GSM_7)),
        ("\u00e7a", Segments(1, UCS_2)),  # only the capital is in the alphabet
        ("a\tb", Segments(1, UCS_2)),
        (CJK * 70, Segments(1, UCS_2)),
        (CJK * 71, Segments(2, UCS_2)),
        (CJK * 134, Segments(2, UCS_2)),
        (CJK * 135, Segments(3, UCS_2)),
        ("x" * 70 + "\u2019", Segments(2, UCS_2)),
        (EMOJI * 35, Segments(1, UCS_2)),
        (EMOJI * 36, Segments(2, UCS_2)),
        # 67 is odd, and no emoji is cut in two: 33 fit.
        (EMOJI * 66, Segments(2, UCS_2)),
        (EMOJI * 67, Segments(3, UCS_2)),
        (EMOJI * 800, Segments(25, UCS_2)),
    ],
)
def test_a_text_is_so_many_segments(text: str, expected: Segments) -> None:
    assert segments(text) == expected


letters = st.sampled_from([*sorted(BASIC | EXTENSION), EMOJI, CJK, "\u2019"])


@given(st.text(letters, min_size=1, max_size=1600) | st.text(st.sampled_from(["x", EURO]), min_size=1, max_size=800))
def test_the_lab_counts_the_same(text: str) -> None:
    assert segments(text).count == by_the_lab(text)
