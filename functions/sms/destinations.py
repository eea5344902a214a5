"""Where text messages may go, and what they cost: SMS_COUNTRIES, SMS_KINDS, SMS_PER_NUMBER_PER_HOUR, SMS_PRICES.

Whoever can have texts sent to numbers of their choice can earn by it: some numbers pay their owner for each text, and
some countries' carriers share what they are paid (SMS pumping, https://www.twilio.com/docs/glossary/what-is-sms-pumping-fraud).
The gateway refuses such a text, and the sms function asks the same again before it sends.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Self

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from functions.sms.senders import Sender, VonageSender, is_number
from shared.channels.declaration import Screen
from shared.runtime.settings import Settings, listed, load

ANY_COUNTRY = "*"
NO_COUNTRY = phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY
_MOST_NAMED = 20  # countries in a refusal


class Kind(StrEnum):
    """Numbers that cost more than a text to a phone, or reach none."""

    PREMIUM = "premium"
    SHARED_COST = "shared-cost"
    PERSONAL = "personal"  # follows a person to any number, at the sender's expense
    PAGER = "pager"
    SATELLITE = "satellite"  # and international networks


_KINDS = {
    PhoneNumberType.PREMIUM_RATE: Kind.PREMIUM,
    PhoneNumberType.SHARED_COST: Kind.SHARED_COST,
    PhoneNumberType.PERSONAL_NUMBER: Kind.PERSONAL,
    PhoneNumberType.PAGER: Kind.PAGER,
}
# Calling codes that are no country's, all of one kind: https://www.itu.int/pub/T-SP-E.164D
_KINDS_BY_CODE = {
    808: Kind.SHARED_COST,
    870: Kind.SATELLITE,  # Inmarsat
    878: Kind.PERSONAL,
    881: Kind.SATELLITE,  # Globalstar, Iridium
    882: Kind.SATELLITE,  # Thuraya and others
    883: Kind.SATELLITE,
    979: Kind.PREMIUM,
}
# Twilio's for tests, and the lab's. They are in a range of personal numbers and nobody has them:
# https://www.twilio.com/docs/iam/test-credentials#test-sms-messages
_NOBODYS = re.compile(r"\+1500555000\d")


def country_of(number: PhoneNumber) -> str:
    """Its ISO 3166 code, or NO_COUNTRY. Of a number in no known range its calling code decides."""
    code: int = number.country_code or 0
    found: str = phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(code)
    return found


def kind_of(address: str, number: PhoneNumber) -> Kind | None:
    """None: a number like any other."""
    by_code = _KINDS_BY_CODE.get(number.country_code or 0)
    if by_code is not None or _NOBODYS.fullmatch(address):
        return by_code
    return _KINDS.get(phonenumbers.number_type(number))


def _countries(names: tuple[str, ...]) -> tuple[str, ...]:
    if names == (ANY_COUNTRY,):
        return names
    countries = tuple(name.upper() for name in names)
    if not {*countries} <= phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("must be ISO 3166 codes of countries with commas between, like US,GB, or * for all of them")
    return countries


def _kinds(names: tuple[str, ...]) -> tuple[Kind, ...]:
    known = set(Kind)
    if not {*names} <= known:
        raise ValueError(f"must be some of {', '.join(Kind)}, with commas between")
    return tuple(map(Kind, names))


def _prices(parts: tuple[str, ...]) -> Mapping[str, Decimal]:
    prices: dict[str, Decimal] = {}
    for part in parts:
        country, _, price = part.partition("=")
        known = country.upper() in phonenumbers.SUPPORTED_REGIONS or country == ANY_COUNTRY
        if not known or country.upper() in prices or not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", price):
            raise ValueError("must be the price of a segment for each country once: US=0.0083,AT=0.0928,*=0.1")
        prices[country.upper()] = Decimal(price)
    return prices


Listed = BeforeValidator(listed)


class DestinationSettings(Settings):
    """twilio_from, vonage_from: what the sms function sends from. The gateway has them for this alone."""

    twilio_from: Sender | None = None
    vonage_from: VonageSender | None = None
    sms_countries: Annotated[tuple[str, ...], Listed, AfterValidator(_countries)] = ()
    sms_kinds: Annotated[tuple[Any, ...], Listed, AfterValidator(_kinds)] = ()
    sms_per_number_per_hour: int = Field(default=30, ge=0)
    sms_prices: Annotated[Any, Listed, AfterValidator(_prices)] = ()

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
        found = {_country_of_sender(sender) for sender in self._senders()}
        return None if None in found or not found else frozenset(filter(None, found))


def _country_of_sender(sender: str) -> str | None:
    """None: it has none."""
    if not is_number(sender):
        return None
    try:
        country = country_of(phonenumbers.parse(sender))
    except phonenumbers.NumberParseException:
        return None
    return None if country == NO_COUNTRY else country


def refusals(countries: frozenset[str], kinds: frozenset[Kind]) -> Callable[[str], str | None]:
    """Why nothing is sent to a number in E.164, in words without it; None when it is."""
    allowed = ", ".join(sorted(countries)) if len(countries) <= _MOST_NAMED else "the countries that it names"

    @lru_cache(maxsize=10_000)
    def refusal(address: str) -> str | None:
        try:
            number = phonenumbers.parse(address)
        except phonenumbers.NumberParseException:
            return f"SMS_COUNTRIES allows numbers of {allowed}, and this is no number"
        kind, country = kind_of(address, number), country_of(number)
        why = []
        if kind is not None and kind not in kinds:
            why.append(f"SMS_KINDS does not name {kind} numbers, and this is one")
        # Satellites are no country's: to name the kind is to allow them.
        if not {ANY_COUNTRY, country} & countries and kind is not Kind.SATELLITE:
            why.append(f"SMS_COUNTRIES allows numbers of {allowed}, and this is of another country, or of none")
        return "; ".join(why) or None

    return refusal


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
        refusal=refusals(settings.countries() or frozenset([ANY_COUNTRY]), frozenset(settings.sms_kinds)),
        most_per_hour=settings.sms_per_number_per_hour or None,
        setting="SMS_PER_NUMBER_PER_HOUR",
        price=price_by(settings.sms_prices),
    )
