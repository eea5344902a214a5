"""E-mail addresses: hosts of a local network, domains beyond ASCII, and what stands around any address."""

import pytest

from functions.email.addresses import in_ascii
from functions.email.channel import CHANNEL
from functions.gateway.channels.addresses import normalised
from functions.gateway.web.problem_details import Problem
from shared.channels.registry import load_channels

GOOD = {"email": "a@example.com", "sms": "+14155552671", "slack": "#ops"}
AROUND = [" ", "\t", "\xa0", "\u3000", "\u2009", "\u200b", "\u200e", "\u200f", "\u061c", "\ufeff", "\u2060"]
AROUND += [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
LOCAL = ["a@localhost", "a@mail", "a@printer.local", "a@Printer.LOCAL", "a@sub.printer.local"]


@pytest.mark.parametrize("mark", AROUND, ids=ascii)
def test_blanks_and_invisible_marks_around_an_address_are_stripped_for_every_channel(mark: str) -> None:
    channels = load_channels()
    dirty = {name: f"{mark} {address}{mark}{mark}" for name, address in GOOD.items()}
    assert normalised(channels, dirty, "to") == {name: channels[name].normalise(good) for name, good in GOOD.items()}


@pytest.mark.parametrize("mark", ["\u200b", "\u200e", "\u202e", "\u2066", "\ufeff"], ids=ascii)
def test_inside_an_address_they_stay_an_error(mark: str) -> None:
    for name, address in GOOD.items():
        for dirty in (f"{address[:3]}{mark}{address[3:]}", f"{address}\n", f"\r{address}", mark, ""):
            with pytest.raises(Problem):
                normalised(load_channels(), {name: dirty}, "to")


@pytest.mark.parametrize("address", LOCAL)
def test_a_host_of_a_local_network_is_the_operators_choice(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAIL_LOCAL_HOSTS", raising=False)
    with pytest.raises(ValueError, match="EMAIL_LOCAL_HOSTS"):
        load_channels()["email"].normalise(address)
    monkeypatch.setenv("EMAIL_LOCAL_HOSTS", "true")
    assert load_channels()["email"].normalise(address) == address.lower()


@pytest.mark.parametrize(
    "address",
    ["a@x.invalid", "a@x.onion", "a@example..com", "a@", "a@.local", "a@-x", "a@x y", "a@x.local.", "=?q?=@localhost"],
)
def test_what_is_no_host_stays_none(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_LOCAL_HOSTS", "true")
    with pytest.raises(ValueError, match="must be an e-mail address"):
        load_channels()["email"].normalise(address)


def test_a_wrong_setting_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_LOCAL_HOSTS", "perhaps")
    with pytest.raises(SystemExit, match="EMAIL_LOCAL_HOSTS"):
        load_channels()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        ("größe@bücher.example", "größe@xn--bcher-kva.example"),
        ("A.b+c@example.com", "A.b+c@example.com"),
        ("a@localhost", "a@localhost"),
        ("a@bücher.local", "a@xn--bcher-kva.local"),
    ],
)
def test_a_domain_goes_out_in_a_labels(address: str, expected: str) -> None:
    assert in_ascii(address) == expected


def test_both_spellings_of_a_domain_are_one_address() -> None:
    assert CHANNEL.normalise("a@xn--bcher-kva.example") == CHANNEL.normalise("a@BÜCHER.example")
