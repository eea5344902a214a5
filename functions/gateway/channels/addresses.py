"""Addresses that a client names, each in its channel's one spelling, or a 422 that names the field."""

from collections.abc import Mapping

from functions.gateway.web.problem_details import FieldError, field_error, invalid
from shared.channels.declaration import Channel
from shared.channels.text_checks import bare


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


def unknown_channel(field_name: str, channels: Mapping[str, Channel]) -> FieldError:
    return field_error(field_name, f"there is no such channel; there are {', '.join(channels)}")
