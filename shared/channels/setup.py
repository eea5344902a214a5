"""What the settings of a process say of each channel: their names alone, and never a value, which may be a secret.

The gateway has of a channel's what it takes to check addresses and receipts. Without what its function needs to send,
that function does not start.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shared.channels.declaration import Channel
from shared.runtime.settings import SENDS_NOTHING, is_private, listed

_LINKS = ("PUBLIC_URL", "UNSUBSCRIBE_KEYS")


class SettingState(StrEnum):
    MISSING = "missing"
    WRONG = "wrong"
    SUSPICIOUS = "suspicious"  # it may be meant so


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """effect: what comes of it, for people"""

    name: str
    state: SettingState
    effect: str


@dataclass(frozen=True, slots=True)
class ChannelSetup:
    """providers: those that may send, the first choice first; receipts: those whose receipts can be read"""

    providers: tuple[str, ...]
    receipts: tuple[str, ...]
    problems: tuple[SettingProblem, ...]


class NeedsSettings(Protocol):
    """SETTINGS: without one of these it does nothing."""

    SETTINGS: Sequence[str]


def channel_setups(channels: Mapping[str, Channel], environ: Mapping[str, str]) -> Mapping[str, ChannelSetup]:
    """By channel. An empty variable counts as unset."""
    return {name: _setup(channel, environ) for name, channel in channels.items()}


def _setup(channel: Channel, environ: Mapping[str, str]) -> ChannelSetup:
    chosen = [*listed(environ.get(_choice(channel), ""))]
    reporting = [provider for provider in chosen if provider in channel.receipts]
    missing = {provider: _missing(channel.receipts[provider], environ) for provider in reporting}
    problems = [*_of_choice(channel, chosen), *_of_receipts(missing), *_of_links(channel, environ)]
    readable = [provider for provider, names in missing.items() if not names]
    return ChannelSetup(tuple(chosen), tuple(readable), tuple(problems))


def _choice(channel: Channel) -> str:
    return f"{channel.name.upper()}_PROVIDER"


def _missing(module: str, environ: Mapping[str, str]) -> Sequence[str]:
    needs: NeedsSettings = importlib.import_module(module)
    return [name for name in needs.SETTINGS if not environ.get(name)]


def _of_choice(channel: Channel, chosen: Sequence[str]) -> Iterator[SettingProblem]:
    name = _choice(channel)
    if not chosen:
        yield SettingProblem(name, SettingState.MISSING, "the gateway does not know who sends")
    if SENDS_NOTHING in chosen:
        yield SettingProblem(name, SettingState.SUSPICIOUS, f"{SENDS_NOTHING} sends nothing: it prints a line instead")
    if unknown := [provider for provider in chosen if provider not in channel.providers]:
        there = ", ".join(sorted(channel.providers))
        effect = f"{len(unknown)} of its words name no provider, so the function does not start; there are {there}"
        yield SettingProblem(name, SettingState.WRONG, effect)


def _of_receipts(missing: Mapping[str, Sequence[str]]) -> Iterator[SettingProblem]:
    for provider, names in missing.items():
        for name in names:
            yield SettingProblem(name, SettingState.MISSING, f"what {provider} reports back is refused")


def _of_links(channel: Channel, environ: Mapping[str, str]) -> Iterator[SettingProblem]:
    if not channel.unsubscribes:
        return
    for name in _LINKS:
        # Beside Firestore's emulator there is a key without the setting.
        if not environ.get(name) and not (name == "UNSUBSCRIBE_KEYS" and environ.get("FIRESTORE_EMULATOR_HOST")):
            effect = "it is not set: service messages have no link to unsubscribe, and no marketing is sent"
            yield SettingProblem(name, SettingState.SUSPICIOUS, effect)
    url = environ.get("PUBLIC_URL")
    if url and not is_private(url):
        effect = "not https: whoever is on the way can read and change what it answers"
        yield SettingProblem("PUBLIC_URL", SettingState.SUSPICIOUS, effect)
