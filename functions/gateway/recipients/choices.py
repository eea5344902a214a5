"""What a person wants and when, in JSON and as the model has it: quiet hours, preferences by category."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator
from typing_extensions import TypedDict

from functions.gateway.channels.addresses import unknown_channel
from functions.gateway.web.common_fields import PLAIN_NAME, ChannelName, Entries, each_once
from functions.gateway.web.problem_details import field_error, invalid
from shared.channels.content import said
from shared.channels.declaration import Channel
from shared.delivery.model import QuietHours
from shared.people.quiet_hours import free_minutes

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Days = Annotated[list[Day], Entries(7, least=1), AfterValidator(each_once), said(uniqueItems=True)]

_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
From = Annotated[str, StringConstraints(pattern=f"^{_CLOCK}$")]
To = Annotated[str, StringConstraints(pattern=f"^({_CLOCK}|24:00)$")]
_LEAST_FREE = 60  # minutes of a week: what waits for the end of quiet hours has to go some time

CategoryName = Annotated[str, StringConstraints(pattern=PLAIN_NAME)]


class QuietHoursPart(BaseModel):
    """Hours in which only what is transactional arrives, in the person's time zone."""

    model_config = ConfigDict(strict=True, extra="forbid")

    days: Days = Field(default_factory=lambda: list(_DAYS), description="On which they begin; by default all.")
    from_: From = Field(alias="from")
    to: To = Field(description="Of the next day where it is earlier than `from`.")

    @field_validator("to")
    @classmethod
    def _another_time(cls, to: str, info: ValidationInfo) -> str:
        if to == info.data.get("from_"):
            raise ValueError("must not be the same as from")
        return to


QuietHoursParts = Annotated[list[QuietHoursPart], Entries(14)]
Preferences = Annotated[
    dict[CategoryName, Annotated[dict[ChannelName, bool], Entries(20)]],
    Entries(100),
    said(additionalProperties=False),
]

QuietHoursJson = TypedDict("QuietHoursJson", {"days": list[Day], "from": str, "to": str})


def quiet_hours_of(parts: Sequence[QuietHoursPart], time_zone: str | None) -> tuple[QuietHours, ...]:
    """Problem 422."""
    if parts and time_zone is None:
        raise invalid(field_error("time_zone", "must be there, since quiet_hours are in it"))
    quiet = tuple(
        QuietHours(tuple(sorted(_DAYS.index(day) for day in part.days)), _minutes(part.from_), _minutes(part.to))
        for part in parts
    )
    if quiet and free_minutes(quiet) < _LEAST_FREE:
        raise invalid(field_error("quiet_hours", "must leave at least one hour of the week"))
    return quiet


def quiet_hours_json(quiet: Sequence[QuietHours]) -> list[QuietHoursJson]:
    return [
        {"days": [_DAYS[day] for day in hours.days], "from": _clock(hours.start), "to": _clock(hours.end)}
        for hours in quiet
    ]


def check_preferences(preferences: Mapping[str, Mapping[str, bool]], channels: Mapping[str, Channel]) -> None:
    """Problem 422 names the channels that there are not."""
    unknown = [
        unknown_channel(f"preferences.{category}.{channel}", channels)
        for category, by_channel in preferences.items()
        for channel in by_channel
        if channel not in channels
    ]
    if unknown:
        raise invalid(*unknown)


def _minutes(clock: str) -> int:
    """Since midnight."""
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
