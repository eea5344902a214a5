"""Which fault strikes which message, on its way in or (receipt_faults.py) in what is reported about it later.
Pure: the random number comes in from outside.

A channel can have several faults at once. Their rates lie side by side on [0, 1), so one number per message
decides between all of them: 20 % `503` and 10 % `reset` together strike 30 % of the messages.
"""

import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar

CHANNEL_NAME = re.compile(r"[a-z][a-z0-9_-]*")
FIELDS = ("channel", "mode", "rate", "count")
# Rates such as 0.7 + 0.2 + 0.1 must count as exactly 1.
ROUNDING = 1e-9


class Mode(StrEnum):
    """What the provider does wrong."""

    UNAVAILABLE = "503"  # refused for now: the provider is down
    THROTTLED = "429"  # refused for now: too many requests, try again in a second
    REFUSED = "400"  # refused for good; where the provider can say so, this message alone, and not the address
    UNAUTHORIZED = "401"  # refused: the credentials are wrong
    FAULT = "500"  # of an endpoint: not accepted, it broke
    GONE = "410"  # of an endpoint: not accepted, and it wants no more events
    TIMEOUT = "timeout"  # not accepted, and never an answer
    RESET = "reset"  # not accepted, and the connection is reset after the request was read
    ACCEPT_THEN_TIMEOUT = "accept-then-timeout"  # accepted, and never an answer
    ACCEPT_THEN_RESET = "accept-then-reset"  # accepted, and the connection is reset instead of an answer
    HTML = "html"  # not accepted: some proxy answers 200 with a page of its own
    TRUNCATED = "truncated"  # accepted, and the connection closes in the middle of the answer
    SLOW = "slow"  # accepted, and the answer arrives a byte at a time


OF_ENDPOINTS = frozenset({Mode.FAULT, Mode.GONE})
"""What the providers have no answer for."""
# A message struck by one of these was taken all the same, so it belongs on the witness.
ACCEPTING = frozenset({Mode.ACCEPT_THEN_TIMEOUT, Mode.ACCEPT_THEN_RESET, Mode.TRUNCATED, Mode.SLOW})


M = TypeVar("M", bound=StrEnum)


@dataclass(frozen=True)
class AnyFault(Generic[M]):
    channel: str
    mode: M
    rate: float = 1.0
    """Share of the channel's messages that it strikes, 0..1."""
    count: int | None = None
    """How often it still strikes; None: until it is cleared."""
    provider: str | None = None
    """The one of the channel's providers that it strikes; None: each of them."""


@dataclass(frozen=True)
class Fault(AnyFault[Mode]):
    """What a provider does wrong with the messages of a channel."""


@dataclass(frozen=True)
class FieldError:
    field: str
    message: str


class InvalidFault(ValueError):
    """The asked fault cannot be set; `errors` says which fields are wrong and why."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field} {error.message}" for error in errors))
        self.errors = errors


def parse(document: object) -> Fault:
    """The fault that a decoded JSON document asks for. Raises InvalidFault naming every wrong field."""
    fields, errors = check(document, Mode, (*FIELDS, "provider"))
    provider = document.get("provider") if isinstance(document, dict) else None
    if provider is not None and not (isinstance(provider, str) and CHANNEL_NAME.fullmatch(provider)):
        errors.append(FieldError("provider", "must be a provider's name, as the inbox has it, or null for each"))
    if not errors and fields["mode"] in OF_ENDPOINTS and fields["channel"] != "webhook":
        errors.append(FieldError("mode", f'"{fields["mode"]}" is for the channel webhook alone'))
    if errors:
        raise InvalidFault(*errors)
    return Fault(**fields, provider=provider)


def check(document: object, modes: type[StrEnum], names: Sequence[str]) -> tuple[dict[str, Any], list[FieldError]]:
    """The fields that every kind of fault has, and what is wrong with them. Raises InvalidFault without an object."""
    if not isinstance(document, dict):
        raise InvalidFault(FieldError("body", "must be a JSON object"))
    errors = [FieldError(str(name), "is not a field of a fault") for name in document if name not in names]
    channel, mode = document.get("channel"), document.get("mode")
    if type(mode) is int:
        mode = str(mode)  # 503 is meant as "503"
    rate, count = document.get("rate", 1.0), document.get("count")
    if not (isinstance(channel, str) and CHANNEL_NAME.fullmatch(channel)):
        errors.append(FieldError("channel", f"must be a channel's name, {CHANNEL_NAME.pattern}"))
    if isinstance(mode, str) and mode in set(modes):
        mode = modes(mode)
    else:
        errors.append(FieldError("mode", "must be one of " + ", ".join(f'"{mode}"' for mode in modes)))
    # JSON's true is an int to Python.
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        errors.append(FieldError("rate", "must be a number from 0 to 1"))
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        errors.append(FieldError("count", "must be a whole number from 1, or null for no end"))
    return {"channel": channel, "mode": mode, "rate": rate, "count": count}, errors


F = TypeVar("F", bound=AnyFault[Any])


class Plan(Generic[F]):
    """The faults that are set now, by channel, provider and mode."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, str | None, StrEnum], F] = {}

    @property
    def items(self) -> list[F]:
        return list(self._faults.values())

    def set(self, fault: F) -> None:
        """Add the fault, or replace the one of the same channel, provider and mode.

        Raises InvalidFault when the rates of the channel, or of one of its providers, would add up to more than 1.
        """
        others = {key: other for key, other in self._faults.items() if key != _key(fault)}
        named = {fault.provider} if fault.provider else {other.provider for other in others.values()} | {None}
        most = max(math.fsum(other.rate for other in _striking(others, fault.channel, name)) for name in named)
        if fault.rate + most > 1 + ROUNDING:
            left = max(0.0, 1 - most)
            raise InvalidFault(FieldError("rate", f"must leave room for the channel's other faults: at most {left:g}"))
        self._faults[_key(fault)] = fault

    def clear(self) -> None:
        self._faults.clear()

    def rate(self, channel: str, provider: str) -> float:
        """The share of the requests to this provider that some fault strikes."""
        return math.fsum(fault.rate for fault in _striking(self._faults, channel, provider))

    def strike(self, channel: str, provider: str, number: float, among: Set[StrEnum] | None = None) -> F | None:
        """The fault that a number from [0, 1) picks, if it is among these modes. It then has struck."""
        edge = 0.0
        for fault in _striking(self._faults, channel, provider):
            edge += fault.rate
            if number < edge:
                if among is not None and fault.mode not in among:
                    return None
                self._count_down(fault)
                return fault
        return None

    def _count_down(self, fault: F) -> None:
        if fault.count is None:
            return
        if fault.count == 1:
            del self._faults[_key(fault)]
        else:
            self._faults[_key(fault)] = replace(fault, count=fault.count - 1)


def _key(fault: AnyFault[Any]) -> tuple[str, str | None, StrEnum]:
    return fault.channel, fault.provider, fault.mode


def _striking(faults: Mapping[Any, F], channel: str, provider: str | None) -> list[F]:
    return [f for f in faults.values() if f.channel == channel and f.provider in {None, provider}]


class FaultPlan(Plan[Fault]):
    def always(self, channel: str, provider: str) -> Mode | None:
        """The mode that strikes each request, as while the provider is down. It counts none."""
        striking = _striking(self._faults, channel, provider)
        return next((fault.mode for fault in striking if fault.rate >= 1 and fault.count is None), None)

    def take(self, channel: str, provider: str, number: float, among: Set[Mode] | None = None) -> Mode | None:
        """The mode of the fault that strikes."""
        fault = self.strike(channel, provider, number, among)
        return None if fault is None else fault.mode
