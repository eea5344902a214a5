"""Where calls may go: VOICE_COUNTRIES, VOICE_KINDS and VOICE_PER_NUMBER_PER_HOUR."""

from typing import Self

from pydantic import Field, model_validator

from shared.channels.declaration import Screen
from shared.channels.phone_destinations import ANY_COUNTRY, Countries, Kinds, country_of_sender, refusals
from shared.runtime.settings import Settings, load


class DestinationSettings(Settings):
    """voice_from: what the voice function calls from. The gateway has it for this alone."""

    voice_from: str | None = Field(default=None, pattern=r"^\+[1-9][0-9]{6,14}$")
    voice_countries: Countries = ()
    voice_kinds: Kinds = ()
    voice_per_number_per_hour: int = Field(default=10, ge=0)

    @model_validator(mode="after")
    def _countries_are_known(self) -> Self:
        if self.voice_from is not None and not self.countries():
            raise ValueError("VOICE_COUNTRIES must be set, as the number in VOICE_FROM is of no country")
        return self

    def countries(self) -> frozenset[str]:
        if self.voice_countries:
            return frozenset(self.voice_countries)
        country = None if self.voice_from is None else country_of_sender(self.voice_from)
        return frozenset(filter(None, [country]))


def screen() -> Screen:
    """As the settings say; where nobody calls, nothing costs, and all countries are allowed.

    SystemExit when a setting is wrong.
    """
    settings = load(DestinationSettings)
    return Screen(
        refusal=refusals("VOICE", settings.countries() or frozenset([ANY_COUNTRY]), settings.voice_kinds),
        most_per_hour=settings.voice_per_number_per_hour or None,
        setting="VOICE_PER_NUMBER_PER_HOUR",
    )
