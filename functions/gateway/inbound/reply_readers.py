"""Which providers' replies can be read."""

import importlib
from collections.abc import Mapping

from shared.channels.declaration import Channel
from shared.sending.replies import ReplyModule, ReplyReader


def load_reply_readers(channels: Mapping[str, Channel]) -> Mapping[str, ReplyReader]:
    """By provider, for those whose settings are there. SystemExit when one is wrong."""
    readers: dict[str, ReplyReader] = {}
    for provider, name in [entry for channel in channels.values() for entry in channel.replies.items()]:
        module: ReplyModule = importlib.import_module(name)
        reader = module.replies()
        if reader is not None:
            readers[provider] = reader
    return readers
