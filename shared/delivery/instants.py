"""Instants as the API says them."""

from datetime import UTC, datetime


def rfc3339(at: datetime) -> str:
    """In UTC, with a Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
