"""Where text messages may go, and what they cost: SMS_COUNTRIES, SMS_KINDS, SMS_PER_NUMBER_PER_HOUR, SMS_PRICES.

Whoever can have texts sent to numbers of their choice can earn by it: some numbers pay their owner for each text, and
some countries' carriers share what they are paid (SMS pumping, https://www.twilio.com/docs/glossary/what-is-sms-pumping-fraud).
The gateway refuses such a text, and the sms function asks the same again before it sends.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Self

import phonenumbers
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from functions.sms.senders import Sender, VonageSender
from shared.channels.declaration import Screen
from shared.channels.phone_destinations import ANY_COUNTRY, Countries, Kinds, country_of, country_of_sender, refusals
from shared.runtime.settings import Settings, listed, load


def _prices(parts: tuple[str, ...]) -> Mapping[str, Decimal]:
    prices: dict[str, Decimal] = {}
    for part in parts:
        country, _, price = part.partition("=")
        known = country.upper() in phonenumbers.SUPPORTED_REGIONS or country == ANY_COUNTRY
        if not known or country.upper() in prices or not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", price):
            raise ValueError("must be the price of a segment for each country once: US=0.0083,AT=0.0928,*=0.1")
        prices[country.upper()] = Decimal(price)
    return prices


class DestinationSettings(Settings):
    """twilio_from, vonage_from: what the sms function sends from. The gateway has them for this alone."""

    twilio_from: Sender | None = None
    vonage_from: VonageSender | None = None
    sms_countries: Countries = ()
    sms_kinds: Kinds = ()
    sms_per_number_per_hour: int = Field(default=30, ge=0)
    sms_prices: Annotated[Any, BeforeValidator(listed), AfterValidator(_prices)] = ()

    @model_validator(mode="after")
    def _countries_are_known(self) -> Self:
        if self._senders() and self.countries() is None:
            raise ValueError(
                "SMS_COUNTRIES must be set, to the countries that text messages may go to (US,GB, or * for all): only "
                "where each of TWILIO_FROM and VONAGE_FROM that is set is a number with a country is that the default"
            )
        return self

    def _senders(self) -> Sequence[str]:
        return [sender for sender in (self.twilio_from, self.vonage_from) if sender is not None]

    def countries(self) -> frozenset[str] | None:
        """Those that are allowed, ANY_COUNTRY among them for all; None when nothing says which."""
        if self.sms_countries:
            return frozenset(self.sms_countries)
        found = {country_of_sender(sender) for sender in self._senders()}
        return None if None in found or not found else frozenset(filter(None, found))


def price_by(prices: Mapping[str, Decimal]) -> Callable[[str], Decimal | None]:
    """Of one segment to a number in E.164; None for a country that the table does not have."""

    def price(address: str) -> Decimal | None:
        try:
            country = country_of(phonenumbers.parse(address))
        except phonenumbers.NumberParseException:
            return None
        return prices.get(country, prices.get(ANY_COUNTRY))

    return price


def screen() -> Screen:
    """As the settings say; where there is no sender, nothing costs, and all countries are allowed.

    SystemExit when a setting is wrong.
    """
    settings = load(DestinationSettings)
    return Screen(
        refusal=refusals("SMS", settings.countries() or frozenset([ANY_COUNTRY]), settings.sms_kinds),
        most_per_hour=settings.sms_per_number_per_hour or None,
        setting="SMS_PER_NUMBER_PER_HOUR",
        price=price_by(settings.sms_prices),
    )
