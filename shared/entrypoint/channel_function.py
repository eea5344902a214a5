"""The whole of a channel's main.py."""

import importlib
import os
from collections.abc import Callable
from typing import Protocol

from shared.channels.declaration import Channel
from shared.entrypoint.push_handler import Deliver, push_handler
from shared.entrypoint.push_requests import Handler
from shared.entrypoint.startup import open_store, start
from shared.sending.pipeline import Pipeline
from shared.sending.provider import Provider


class ProviderModule(Protocol):
    """A provider's file: `provider()` reads its settings and returns a function that connects it."""

    def provider(self) -> Callable[[], Provider]: ...


def channel_function(channel: Channel) -> Handler:
    """The whole of a channel's main.py: its pushes go through the pipeline to the provider that is set.

    Of the channel's providers only the one that `<NAME>_PROVIDER` names is imported.
    """
    settings = start()
    connect = _chosen(channel)

    def open_pipeline() -> Deliver:
        return Pipeline(open_store(settings), connect(), settings.policy()).deliver

    return push_handler(open_pipeline, channel.name)


def _chosen(channel: Channel) -> Callable[[], Provider]:
    setting = f"{channel.name.upper()}_PROVIDER"
    choice = os.environ.get(setting, "")
    if choice not in channel.providers:
        raise SystemExit(f"hark: {setting} must be one of {', '.join(sorted(channel.providers))}")
    module: ProviderModule = importlib.import_module(channel.providers[choice])
    return module.provider()
