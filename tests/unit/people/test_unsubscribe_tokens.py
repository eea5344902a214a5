"""Tokens of unsubscribe links: nobody can make one, and nobody can read one."""

import base64
import json
import random
import string
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr, ValidationError

from shared.delivery.model import CategoryClass
from shared.people.suppression import AddressHash
from shared.people.unsubscribe_tokens import LONGEST, Unsubscribe, UnsubscribeTokens
from shared.runtime.settings import UnsubscribeSettings
from tests.fakes.work import counted

KEY, NEWER, ANOTHERS = (letter * 32 for letter in "abc")
ADDRESS = "alice@example.com"
ABOUT = Unsubscribe(
    "email", AddressHash("of a test")("email", ADDRESS), "alice", "newsletter", CategoryClass.MARKETING, "de"
)
TOKENS = UnsubscribeTokens([KEY])


@pytest.mark.parametrize(
    "about",
    [
        ABOUT,
        replace(ABOUT, recipient=None, locale=None, category_class=CategoryClass.SERVICE),
        replace(ABOUT, recipient="r" * 128, category="c" * 128, locale="l" * 35),
    ],
)
def test_what_was_put_in_comes_out(about: Unsubscribe) -> None:
    token = TOKENS.make(about)
    assert TOKENS.opened(token) == about
    assert len(token) <= LONGEST
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")


def test_one_of_an_older_key_still_opens_and_a_newer_key_makes_the_next() -> None:
    rotated = UnsubscribeTokens([NEWER, KEY])
    assert rotated.opened(TOKENS.make(ABOUT)) == ABOUT
    assert UnsubscribeTokens([NEWER]).opened(rotated.make(ABOUT)) == ABOUT
    assert TOKENS.opened(rotated.make(ABOUT)) is None


def test_it_is_good_after_ten_years(monkeypatch: pytest.MonkeyPatch) -> None:
    token = TOKENS.make(ABOUT)
    monkeypatch.setattr("time.time", lambda: 1_764_547_200 + 10 * 366 * 86_400)
    assert TOKENS.opened(token) == ABOUT


def test_nothing_of_a_person_can_be_read_in_it() -> None:
    token = TOKENS.make(ABOUT)
    shifted = [token[start:][: (len(token) - start) // 4 * 4] for start in range(4)]
    readings = [token.encode(), *(base64.urlsafe_b64decode(text) for text in shifted)]
    hidden = [ADDRESS, "alice", "example", "newsletter", "marketing", "email", ABOUT.address, ABOUT.address[:16]]
    needles = [form for text in hidden for form in (text.encode(), base64.b64encode(text.encode()).rstrip(b"="))]
    needles += [bytes.fromhex(ABOUT.address)[:8]]
    assert not [needle for needle in needles for reading in readings if needle in reading]
    assert TOKENS.make(ABOUT) != token  # two mails to one person have nothing in common
    assert len(TOKENS.make(replace(ABOUT, recipient="alina"))) == len(token)


def sealed(values: object, key: str = KEY) -> str:
    """As a token is made, but with these values."""
    sealer = UnsubscribeTokens([key])
    return sealer._fernet.encrypt(json.dumps(values).encode()).decode().rstrip("=")


def changed(token: str, at: int, chance: random.Random) -> str:
    others = (string.ascii_letters + string.digits + "-_").replace(token[at], "")
    return token[:at] + chance.choice(others) + token[at + 1 :]


def forgeries() -> Iterator[tuple[str, str]]:  # noqa: PLR0912 - a branch a kind
    """More than a thousand, with what each is."""
    chance = random.Random(16)
    token, other = TOKENS.make(ABOUT), TOKENS.make(replace(ABOUT, recipient="bob"))
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for bit in range(0, len(raw) * 8, 7):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        yield "a bit flipped", base64.urlsafe_b64encode(flipped).decode().rstrip("=")
    for at in [*range(len(token))] * 2:
        yield "a letter changed", changed(token, at, chance)
    for length in range(len(token)):
        yield "cut", token[:length]
    for length in range(1, len(token), 5):
        yield "its end", token[length:]
    for at in range(16, min(len(token), len(other)) - 4, 4):  # what is before is the second that both were made in
        yield "parts of two", token[:at] + other[at:]
    for _ in range(50):
        yield "another's key", UnsubscribeTokens([ANOTHERS]).make(ABOUT)
        yield "another's key", Fernet(Fernet.generate_key()).encrypt(b"x").decode().rstrip("=")
    for size in (1, 9, 57, 73, 89, 300, 440):
        yield "chance", base64.urlsafe_b64encode(chance.randbytes(size)).decode().rstrip("=")
        yield "chance that begins well", base64.urlsafe_b64encode(b"\x80" + chance.randbytes(size)).decode().rstrip("=")
    wrong: Any
    values: list[Any] = [1, "email", "00" * 16, "alice", "orders", "service", None]
    for wrong in (
        [2, *values[1:]],
        [0, *values[1:]],
        ["1", *values[1:]],
        values[:-1],
        [*values, None],
        {},
        None,
        "",
        7,
        [*values[:5], "everything", None],
        [1, "email", 7, *values[3:]],
        [[1], *values[1:]],
    ):
        yield "another version", sealed(wrong)
    yield "no JSON", TOKENS._fernet.encrypt(b"\xff").decode().rstrip("=")
    yield "of another use of the key", sealed({"sub": "alice"})
    yield "padded", token + "=" * (-len(token) % 4)
    yield "padded too much", token + "===="
    yield "standard base64", base64.b64encode(raw).decode()
    if len(token) % 4:  # the last letter has bits that nobody reads
        for letter in string.ascii_letters + string.digits + "-_":
            if letter != token[-1]:
                yield "another spelling", token[:-1] + letter
    for extra in ("A", "AAAA", " ", "\n", "\r\n", "\t", "\0", "/", "%", "%0A", "?", "#", ".", "+", "~", "ä", "\ud800"):
        yield "with more behind", token + extra
        yield "with more before", extra + token
        yield "with more within", token[:50] + extra + token[50:]
    for swap in ((string.ascii_lowercase, string.ascii_uppercase), (string.ascii_uppercase, string.ascii_lowercase)):
        yield "another case", token.translate(str.maketrans(*swap))
    yield "letters that look alike", token.replace("A", "\u0410")
    yield "full width", token.translate({ord(c): ord(c) + 0xFEE0 for c in string.ascii_letters + string.digits})
    yield "twice", token + token
    yield "backwards", token[::-1]
    for size in (LONGEST + 1, 10_000, 1_000_000):
        yield "huge", "A" * size
        yield "huge", token + "A" * size
    for plain in ("", "-", "_", "=", "null", "None", "alice", ADDRESS, ABOUT.address, "..", "%2e%2e", "🚀" * 100):
        yield "no token at all", plain


def test_none_of_a_thousand_forgeries_opens() -> None:
    made = list(forgeries())
    opened = {kind for kind, forged in made if TOKENS.opened(forged) is not None}
    assert not opened
    assert len({forged for _, forged in made}) >= 1000
    assert len({kind for kind, _ in made}) >= 20


def test_a_forgery_costs_next_to_nothing() -> None:
    keys = UnsubscribeTokens([letter * 32 for letter in "vwxyz"])
    keys.opened("A" * LONGEST)  # what is imported once is
    for kind, forged in forgeries():
        with counted() as work:
            keys.opened(forged)
        assert work.calls < 300, kind


@pytest.mark.parametrize("keys", ["short", "", ",", f"{KEY},short", f"{KEY}, ,{'x' * 31}"])
def test_a_key_that_could_be_guessed_stops_the_start(keys: str) -> None:
    with pytest.raises(ValidationError, match="UNSUBSCRIBE_KEYS: each key must have at least 32 characters"):
        UnsubscribeSettings(unsubscribe_keys=SecretStr(keys))


def test_the_keys_stand_with_commas_between() -> None:
    tokens = UnsubscribeSettings(unsubscribe_keys=SecretStr(f" {NEWER} , {KEY},\n")).unsubscribe_tokens()
    assert tokens is not None
    assert tokens.opened(TOKENS.make(ABOUT)) == ABOUT
    assert TOKENS.opened(tokens.make(ABOUT)) is None


def test_without_keys_there_are_no_tokens_but_beside_the_emulator() -> None:
    assert UnsubscribeSettings().unsubscribe_tokens() is None
    beside = UnsubscribeSettings(firestore_emulator_host="127.0.0.1:1").unsubscribe_tokens()
    assert beside is not None
    assert beside.opened(beside.make(ABOUT)) == ABOUT
