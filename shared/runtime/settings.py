"""Settings from the environment, read once per process by its composition root.

A setting is the upper-case name of a field. `load` stops the start with the setting's name, and never
prints a value: it may be a secret. pydantic-settings, which does the same and much besides, is 15 ms of a cold start
(2026-11).
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from shared.delivery.retries import Policy
from shared.people.suppression import AddressHash
from shared.people.unsubscribe_tokens import SHORTEST_KEY, UnsubscribeTokens
from shared.runtime import failpoints

SENDS_NOTHING = "log"
"""The provider of every channel that prints a line instead."""

_VISIBLE = re.compile("[!-~]+")


def http_url(url: str) -> str:
    """The URL as it is. Raises ValueError."""
    problem = ValueError("must be an http:// or https:// URL")
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        raise problem from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not has_port or not _VISIBLE.fullmatch(url):
        raise problem
    return url


def base_url(url: str) -> str:
    """A URL that paths are put behind, as it is. Raises ValueError."""
    if {"?", "#"} & set(http_url(url)):
        raise ValueError("must be a URL without query and fragment")
    return url


def issuer_url(url: str) -> str:
    """An OpenID Connect issuer, as it is: over plain HTTP anybody on the way could put keys of their own in.

    Raises ValueError.
    """
    if not is_private(base_url(url)):
        raise ValueError("must be an https:// URL; http:// is for loopback alone")
    return url


def is_private(url: str) -> bool:
    """Whether nobody on the way can change what the URL answers: it is https, or of this machine. Raises ValueError."""
    parts = urlsplit(url)
    try:
        own = parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        own = False
    return parts.scheme == "https" or (parts.scheme == "http" and own)


def listed(text: Any) -> Any:
    """The parts of a text with commas between; whatever is no text as it is."""
    return tuple(filter(None, (part.strip() for part in text.split(",")))) if isinstance(text, str) else text


HttpUrl = Annotated[str, AfterValidator(http_url)]
"""A URL as it was written: pydantic's own would add a slash."""
BaseUrl = Annotated[str, AfterValidator(base_url)]
IssuerUrl = Annotated[str, AfterValidator(issuer_url)]


class Settings(BaseModel):
    """Base of every settings class."""

    model_config = ConfigDict(
        frozen=True,
        validate_default=True,
        str_strip_whitespace=True,  # secrets come from files, which end in a newline
    )


class CoreSettings(Settings):
    """What every function needs: where the records and topics are, and the pipeline's times in seconds."""

    google_cloud_project: str = Field(min_length=1)
    pubsub_emulator_host: str | None = None
    firestore_emulator_host: str | None = None
    firestore_database: str = "(default)"
    epoch: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,64}$")

    max_attempts: int = Field(default=5, ge=2, le=100)  # an unknown attempt is always followed by another
    retry_base_seconds: float = Field(default=10, gt=0, le=86_400)
    retry_cap_seconds: float = Field(default=600, gt=0, le=86_400)
    grace_seconds: float = Field(default=60, gt=0, le=86_400)
    lease_seconds: float = Field(default=45, gt=0, le=86_400)
    send_deadline_seconds: float = Field(default=30, gt=0, le=86_400)
    ack_deadline_seconds: float = Field(default=60, ge=10, le=600)  # Pub/Sub allows 10 to 600
    ack_margin_seconds: float = Field(default=10, gt=0, le=86_400)
    order_wait_seconds: float = Field(default=3600, gt=0, le=86_400)
    relay_ahead_seconds: float = Field(default=65, gt=0, le=90)  # until the next call, which may be late
    otel: Literal["none", "otlp", "google"] = "none"
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = "http/protobuf"  # OpenTelemetry's own variable
    hark_fail_at: Annotated[str | None, AfterValidator(failpoints.checked)] = None
    retention_days: int = Field(default=30, ge=3, le=3650)  # longer than any delivery can stay undecided
    events: Literal["off", "on"] = "off"

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        """A lease or ack deadline that a send can outlive would let two functions send the same message."""
        wait = self.policy().wait_in_place.total_seconds()
        needed = wait + self.send_deadline_seconds + self.ack_margin_seconds
        if self.ack_deadline_seconds <= needed:
            raise ValueError(
                f"ACK_DEADLINE_SECONDS ({self.ack_deadline_seconds:g}) must exceed the wait in place ({wait:g}) "
                f"+ SEND_DEADLINE_SECONDS ({self.send_deadline_seconds:g}) "
                f"+ ACK_MARGIN_SECONDS ({self.ack_margin_seconds:g}) = {needed:g}"
            )
        if self.lease_seconds <= self.send_deadline_seconds:
            raise ValueError(
                f"LEASE_SECONDS ({self.lease_seconds:g}) must exceed "
                f"SEND_DEADLINE_SECONDS ({self.send_deadline_seconds:g})"
            )
        return self

    @property
    def has_events(self) -> bool:
        return self.events == "on"

    def policy(self) -> Policy:
        return Policy(
            max_attempts=self.max_attempts,
            retry_base=timedelta(seconds=self.retry_base_seconds),
            retry_cap=timedelta(seconds=self.retry_cap_seconds),
            grace=timedelta(seconds=self.grace_seconds),
            lease=timedelta(seconds=self.lease_seconds),
            send_deadline=timedelta(seconds=self.send_deadline_seconds),
            order_wait=timedelta(seconds=self.order_wait_seconds),
        )


class PeopleSettings(Settings):
    """address_hash_key: by what the addresses of suppressions are hashed; another key knows none of them any more"""

    firestore_emulator_host: str | None = None
    address_hash_key: SecretStr | None = Field(default=None, min_length=32)

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.address_hash_key is None and self.firestore_emulator_host is None:
            raise ValueError("ADDRESS_HASH_KEY is needed: without it nobody knows which addresses are suppressed")
        return self

    def address_hash(self) -> AddressHash:
        return AddressHash(self.address_hash_key.get_secret_value() if self.address_hash_key else "beside the emulator")


class UnsubscribeSettings(Settings):
    """unsubscribe_keys: several with commas between, of which the first makes tokens and each opens what it has made"""

    firestore_emulator_host: str | None = None
    unsubscribe_keys: SecretStr | None = None

    @model_validator(mode="after")
    def _keys_are_long(self) -> Self:
        if self.unsubscribe_keys is not None:
            keys = listed(self.unsubscribe_keys.get_secret_value())
            if not keys or any(len(key) < SHORTEST_KEY for key in keys):
                raise ValueError(f"UNSUBSCRIBE_KEYS: each key must have at least {SHORTEST_KEY} characters")
        return self

    def unsubscribe_tokens(self) -> UnsubscribeTokens | None:
        if self.unsubscribe_keys is not None:
            return UnsubscribeTokens(listed(self.unsubscribe_keys.get_secret_value()))
        return None if self.firestore_emulator_host is None else UnsubscribeTokens(["beside the emulator"])


def environment() -> Mapping[str, str]:
    """All of it, for who tells which settings are there. A value may be a secret."""
    return dict(os.environ)


S = TypeVar("S", bound=Settings)


def load(cls: type[S]) -> S:
    """The settings of this class; an empty variable counts as unset. SystemExit with one line per wrong setting, by
    name, without its value.
    """
    given = {name: os.environ.get(name.upper()) for name in cls.model_fields}
    try:
        return cls.model_validate({name: value for name, value in given.items() if value})
    except ValidationError as invalid:
        lines = [_line(str(e["loc"][0]).upper() if e["loc"] else "", e["msg"]) for e in invalid.errors()]
    raise SystemExit("hark: the settings are not valid\n" + "\n".join(lines))


def _line(name: str, problem: str) -> str:
    problem = problem.removeprefix("Value error, ")
    return f"  {name}: {problem}" if name else f"  {problem}"
