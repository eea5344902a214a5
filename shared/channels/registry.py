"""Which channels there are: the entries of infra/channels.yaml, and what each declares."""

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.channels.declaration import Channel, Screen, ScreenModule

CHANNELS_FILE = Path(__file__).parents[2] / "infra" / "channels.yaml"


def channel_names() -> tuple[str, ...]:
    """The names in infra/channels.yaml, in its order."""
    return tuple(_entries())


def example_addresses() -> Mapping[str, str]:
    """By channel, an address that the deployment's settings allow."""
    return {name: entry["example"] for name, entry in _entries().items()}


def _entries() -> Mapping[str, Any]:
    # Only whoever asks for all channels pays for it: a channel's own function does not.
    import yaml  # noqa: PLC0415

    entries: Mapping[str, Any] = yaml.safe_load(CHANNELS_FILE.read_text(encoding="utf-8"))
    return entries


def load_channels() -> Mapping[str, Channel]:
    """Every channel by name. Imports each folder's channel.py, and through it no provider's SDK.

    SystemExit when a setting of a channel's own is wrong.
    """
    return {name: _set_up(importlib.import_module(f"functions.{name}.channel").CHANNEL) for name in channel_names()}


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
