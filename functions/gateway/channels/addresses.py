"""Addresses that a client names, each in its channel's one spelling, or a 422 that names the field."""

from collections.abc import Mapping

from functions.gateway.web.common_fields import LONGEST_ADDRESS
from functions.gateway.web.problem_details import FieldError, field_error, invalid
from shared.channels.declaration import Channel
from shared.channels.text_checks import bare, printable


def normalised(channels: Mapping[str, Channel], addresses: Mapping[str, str], field_name: str) -> dict[str, str]:
    """Each address in its channel's one spelling. Problem 422 names those that are none."""
    good: dict[str, str] = {}
    errors: list[FieldError] = []
    for name, address in addresses.items():
        if name not in channels:
            errors.append(unknown_channel(f"{field_name}.{name}", channels))
            continue
        try:
            good[name] = channels[name].normalise(bare(address))
        except ValueError as wrong:
            errors.append(field_error(f"{field_name}.{name}", str(wrong)))
    if errors:
        raise invalid(*errors)
    return good


def check_channel(channels: Mapping[str, Channel], channel: str, field_name: str = "channel") -> None:
    """Problem 422 for one that is none."""
    if channel not in channels:
        raise invalid(unknown_channel(field_name, channels))


def address_of(channels: Mapping[str, Channel], channel: str, address: str) -> str:
    """One address in its channel's one spelling, where a request names them as `channel` and `address`. Problem 422."""
    check_channel(channels, channel)
    try:
        if not 1 <= len(address) <= LONGEST_ADDRESS:
            raise ValueError(f"must have 1 to {LONGEST_ADDRESS} characters")
        return channels[channel].normalise(bare(printable(address)))
    except ValueError as wrong:
        raise invalid(field_error("address", str(wrong))) from None


def unknown_channel(field_name: str, channels: Mapping[str, Channel]) -> FieldError:
    return field_error(field_name, f"there is no such channel; there are {', '.join(channels)}")
