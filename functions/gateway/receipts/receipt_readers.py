"""Which providers' receipts can be read."""

import importlib
from collections.abc import Mapping

from shared.channels.declaration import Channel
from shared.sending.receipts import ReceiptModule, ReceiptReader


def load_readers(channels: Mapping[str, Channel]) -> Mapping[str, ReceiptReader]:
    """By provider, for those whose settings are there. SystemExit when one is wrong."""
    readers: dict[str, ReceiptReader] = {}
    for provider, name in [entry for channel in channels.values() for entry in channel.receipts.items()]:
        module: ReceiptModule = importlib.import_module(name)
        reader = module.receipts()
        if reader is not None:
            readers[provider] = reader
    return readers
