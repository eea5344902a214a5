"""Which of the channels in infra/channels.yaml a deployment has."""

import re

import pytest

from shared.channels.registry import channel_names, chosen

ENTRIES = {"email": {"example": "a@example.com"}, "pager": {"optional": True}, "fax": None, "hook": {"of_events": True}}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", ["email", "fax", "hook"]),
        (" , ", ["email", "fax", "hook"]),
        ("*", ["email", "pager", "fax", "hook"]),
        ("pager", ["pager", "hook"]),
        ("fax, email", ["email", "fax", "hook"]),
    ],
)
def test_those_that_are_asked_for_are_there(asked: str, names: list[str]) -> None:
    assert list(chosen(ENTRIES, asked)) == names


@pytest.mark.parametrize(
    ("asked", "named"), [("pigeon", "pigeon"), ("email,pigeon", "pigeon"), ("hook", "hook"), ("*,email", "*")]
)
def test_what_is_no_channel_is_named(asked: str, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"names no channel with {named}: there are email, pager, fax")):
        chosen(ENTRIES, asked)


def test_the_setting_says_which_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANNELS", "sms")
    assert channel_names() == ("sms",)
    monkeypatch.setenv("CHANNELS", "sms,pigeon")
    with pytest.raises(SystemExit, match="hark: CHANNELS names no channel with pigeon"):
        channel_names()
