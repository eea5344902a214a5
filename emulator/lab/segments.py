"""How many segments Twilio makes of a text. Its own count, so that Hark's has something to be held against.

https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding, …/what-is-ucs-2-character-encoding
"""

from collections.abc import Sequence

LATIN = "@£$¥èéùìòÇ\nØø\rÅå_ÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà0123456789"
GREEK = "\u0394\u03a6\u0393\u039b\u03a9\u03a0\u03a8\u03a3\u0398\u039e"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SEPTETS = dict.fromkeys(LATIN + GREEK + LETTERS, 1) | dict.fromkeys("\f^{}\\[~]|€", 2)


def segments(text: str) -> int:
    if all(character in SEPTETS for character in text):
        return count([SEPTETS[character] for character in text], 160, 153)
    return count([len(character.encode("utf-16-le")) // 2 for character in text], 70, 67)


def count(widths: Sequence[int], single: int, joined: int) -> int:
    if sum(widths) <= single:
        return 1
    parts = [0]
    for width in widths:
        if parts[-1] + width > joined:
            parts.append(0)
        parts[-1] += width
    return len(parts)
