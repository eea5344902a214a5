"""Which channels there are: entries of infra/channels.yaml, and what each declares.

CHANNELS names them, or is `*` for all; without it there are those that are not optional. Those that carry events are
there where events are, whatever CHANNELS says.
"""

import importlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from shared.channels.declaration import Channel, Screen, ScreenModule
from shared.runtime.settings import Settings, listed, load

CHANNELS_FILE = Path(__file__).parents[2] / "infra" / "channels.yaml"
ALL = "*"


class ChannelsSettings(Settings):
    channels: str = ""


def chosen(entries: Mapping[str, Any], asked: str) -> Mapping[str, Any]:
    """The entries that CHANNELS asks for, with those that carry events. Raises ValueError."""
    usual = [name for name, entry in entries.items() if not (entry or {}).get("of_events")]
    wanted = set(listed(asked)) or {name for name in usual if not (entries[name] or {}).get("optional")}
    if wanted == {ALL}:
        wanted = {*usual}
    if unknown := wanted - {*usual}:
        raise ValueError(f"names no channel with {', '.join(sorted(unknown))}: there are {', '.join(usual)}")
    return {name: entry for name, entry in entries.items() if name in wanted or name not in usual}


def channel_names(asked: str | None = None, *, of_events: bool = False) -> tuple[str, ...]:
    """In the order of infra/channels.yaml.

    asked: as CHANNELS has it; None: what that says. SystemExit when one that it names is none
    of_events: with those that carry events, and nothing else
    """
    return tuple(name for name, entry in _entries(asked).items() if of_events or not entry.get("of_events"))


def example_addresses(asked: str | None = None) -> Mapping[str, str]:
    """By channel, an address that the deployment's settings allow. asked: as of `channel_names`"""
    return {name: entry["example"] for name, entry in _entries(asked).items() if not entry.get("of_events")}


@cache
def _all_entries() -> Mapping[str, Any]:
    # Only whoever asks for all channels pays for it: a channel's own function does not.
    import yaml  # noqa: PLC0415

    # Written in C: by Python it takes 40 ms, which would be part of the gateway's cold start.
    entries: Mapping[str, Any] = yaml.load(CHANNELS_FILE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return entries


def _entries(asked: str | None) -> Mapping[str, Any]:
    try:
        return chosen(_all_entries(), load(ChannelsSettings).channels if asked is None else asked)
    except ValueError as wrong:
        raise SystemExit(f"hark: CHANNELS {wrong}") from None


def load_channels(asked: str | None = None) -> Mapping[str, Channel]:
    """Every channel by name. Imports each folder's channel.py, and through it no provider's SDK.

    asked: as of `channel_names`. SystemExit when a setting of a channel's own is wrong.
    """
    return {name: _load(name) for name in channel_names(asked)}


def event_channel() -> str:
    """The channel that carries events."""
    usual = channel_names()
    return next(name for name in channel_names(of_events=True) if name not in usual)


def load_event_channels() -> Mapping[str, Channel]:
    """Those that carry events, and nothing that a request asks for."""
    usual = channel_names()
    return {name: _load(name) for name in channel_names(of_events=True) if name not in usual}


def _load(name: str) -> Channel:
    return _set_up(importlib.import_module(f"functions.{name}.channel").CHANNEL)


def _set_up(channel: Channel) -> Channel:
    if channel.normaliser is not None:
        channel = replace(channel, normalise=channel.normaliser())
    if channel.content_settings is not None:
        channel = replace(channel, content_context=channel.content_settings())
    return channel


def load_screens(channels: Mapping[str, Channel]) -> Mapping[str, Screen]:
    """By channel, for those that have one. SystemExit when a setting is wrong."""
    screens: dict[str, Screen] = {}
    for name, channel in channels.items():
        if channel.screen is not None:
            module: ScreenModule = importlib.import_module(channel.screen)
            screens[name] = module.screen()
    return screens
