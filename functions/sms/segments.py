"""How many segments a text message is, which is what it costs.

3GPP TS 23.038 (GSM 03.38) has the alphabet, TS 23.040 the header that joins segments: it takes 6 bytes of each, which
are 7 septets or 3 UTF-16 units. Twilio counts so: https://www.twilio.com/docs/glossary/what-sms-character-limit
Of a messaging service whose Smart Encoding is on it may be fewer: Twilio then sends some letters as others.
"""

from collections.abc import Set

from shared.delivery.model import Segments

GSM_7 = "GSM-7"
UCS_2 = "UCS-2"

# 6.2.1: one septet each. Its escape (0x1B) is no letter.
BASIC = frozenset(
    "@\u00a3$\u00a5\u00e8\u00e9\u00f9\u00ec\u00f2\u00c7\n\u00d8\u00f8\r\u00c5\u00e5"
    "\u0394_\u03a6\u0393\u039b\u03a9\u03a0\u03a8\u03a3\u0398\u039e\u00c6\u00e6\u00df\u00c9"
    " !\"#\u00a4%&'()*+,-./0123456789:;<=>?"
    "\u00a1ABCDEFGHIJKLMNOPQRSTUVWXYZ\u00c4\u00d6\u00d1\u00dc\u00a7"  # pragma: allowlist secret
    "\u00bfabcdefghijklmnopqrstuvwxyz\u00e4\u00f6\u00f1\u00fc\u00e0"
)
# 6.2.1.1: an escape before each, so two septets.
EXTENSION = frozenset("\f^{}\\[~]|\u20ac")

_SINGLE_SEPTETS, _JOINED_SEPTETS = 160, 153
_SINGLE_UNITS, _JOINED_UNITS = 70, 67


def segments(text: str) -> Segments:
    """What the text is sent as. One letter beyond the GSM alphabet, and all are UCS-2."""
    letters = {*text}
    if letters <= BASIC | EXTENSION:
        return Segments(_count(text, letters & EXTENSION, _SINGLE_SEPTETS, _JOINED_SEPTETS), GSM_7)
    beyond_the_basic_plane = {letter for letter in letters if letter > "\uffff"}
    return Segments(_count(text, beyond_the_basic_plane, _SINGLE_UNITS, _JOINED_UNITS), UCS_2)


def _count(text: str, double: Set[str], single: int, joined: int) -> int:
    """double: the letters that take two places. None is cut in two: one that does not fit begins the next segment."""
    if not double:
        return 1 if len(text) <= single else -(-len(text) // joined)
    sizes = [2 if letter in double else 1 for letter in text]
    if sum(sizes) <= single:
        return 1
    count, room = 1, joined
    for size in sizes:
        if size > room:
            count, room = count + 1, joined
        room -= size
    return count
