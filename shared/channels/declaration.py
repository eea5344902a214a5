"""What a channel declares of itself.

A channel is a folder functions/<name>/ whose channel.py holds `CHANNEL`. The core never names one.

What not everybody needs is named by its module: the gateway loads no provider, and who sends loads one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from shared.delivery.model import Segments


@dataclass(frozen=True, slots=True)
class Measure:
    """How long a text is: providers count differently.

    name: what is counted, in words, for people ("characters")
    of: how many of them a text has
    """

    name: str
    of: Callable[[str], int]


CHARACTERS = Measure("characters", len)
"""Unicode's code points."""
UTF_16_UNITS = Measure("UTF-16 units", lambda text: len(text.encode("utf-16-le")) // 2)
"""A character beyond the basic plane, such as an emoji, is two of them."""
UTF_8_BYTES = Measure("bytes of UTF-8", lambda text: len(text.encode()))
JSON_BYTES = Measure("bytes in JSON", lambda text: len(json.dumps(text, ensure_ascii=False).encode()) - 2)
"""As it stands between its quotation marks: a line end is two of them."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Which addresses of a channel the operator lets messages go to, by settings of the channel's own.

    refusal: why nothing is sent to an address, with the setting's name and without the address; None when it is
    most_per_hour: how many messages an hour go to one address, by the clock; None is no limit
    setting: the name of that limit
    price: of one segment to an address, by the operator's table; None: that does not say
    """

    refusal: Callable[[str], str | None]
    most_per_hour: int | None
    setting: str
    price: Callable[[str], Decimal | None] = lambda _: None


class ScreenModule(Protocol):
    def screen(self) -> Screen:
        """Reads the settings. SystemExit when one is wrong."""
        ...


@dataclass(frozen=True, slots=True)
class Channel:
    """What an address and a message must be for one channel.

    address: what an address is, in words, for people
    max_length: the longest message, as `measure` counts
    content: the module of the parts that a message may have (`ContentModule` in `shared/channels/content.py`)
    content_settings: reads the channel's own settings that those parts are judged by; SystemExit when one is wrong
    content_context: what that gave when the process started; its `Content` has it as pydantic's context
    normalise: the one spelling of an address; raises ValueError with a reason that does not repeat the address
    normaliser: makes `normalise` by the channel's own settings, where there are some; SystemExit when one is wrong
    providers: the module of each, by the word that `<NAME>_PROVIDER` may hold (`shared/entrypoint/channel_function.py`)
    receipts: by the same words, the module that reads what the provider reports back (`shared/sending/receipts.py`)
    replies: by the same words, the module that reads what people answer (`shared/sending/replies.py`)
    segments: what a message is cut into, for a channel that is paid by the piece
    screen: the module that knows which addresses the operator lets messages go to (`ScreenModule`)
    unsubscribes: whether a person can unsubscribe over it, without which no marketing goes there
    of_events: it carries events to endpoints of the deployment's, and nothing that a request asks for
    """

    name: str
    address: str
    max_length: int
    normalise: Callable[[str], str]
    providers: Mapping[str, str] = field(default_factory=dict)
    receipts: Mapping[str, str] = field(default_factory=dict)
    replies: Mapping[str, str] = field(default_factory=dict)
    content: str = "shared.channels.content"
    content_settings: Callable[[], Any] | None = None
    content_context: Any = None
    measure: Measure = CHARACTERS
    segments: Callable[[str], Segments] | None = None
    screen: str | None = None
    normaliser: Callable[[], Callable[[str], str]] | None = None
    unsubscribes: bool = False
    of_events: bool = False

    @property
    def limit(self) -> str:
        """For people: "up to 160 characters"."""
        return f"up to {self.max_length} {self.measure.name}"

    def fits(self, message: str) -> bool:
        return self.measure.of(message) <= self.max_length


def topic(channel: str, *, bulk: bool = False) -> str:
    """The topic that a channel's function is subscribed to. bulk: what is one of many waits in a queue of its own, so
    that nothing else waits behind it
    """
    return f"notifications-{channel}-bulk" if bulk else f"notifications-{channel}"
