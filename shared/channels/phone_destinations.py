"""Where messages to phone numbers may go: <CHANNEL>_COUNTRIES and <CHANNEL>_KINDS.

Whoever can have texts sent to, or numbers called, that they choose can earn by it: some numbers pay their owner for
each, and some countries' carriers share what they are paid
(https://www.twilio.com/docs/glossary/what-is-sms-pumping-fraud).
"""

import re
from collections.abc import Callable, Collection
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType
from pydantic import AfterValidator, BeforeValidator

from shared.runtime.settings import listed

ANY_COUNTRY = "*"
NO_COUNTRY = phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY
_MOST_NAMED = 20  # countries in a refusal
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")


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


Countries = Annotated[tuple[str, ...], BeforeValidator(listed), AfterValidator(_countries)]
Kinds = Annotated[tuple[Any, ...], BeforeValidator(listed), AfterValidator(_kinds)]


def country_of_sender(sender: str) -> str | None:
    """None: it has none."""
    if not _NUMBER.fullmatch(sender):  # a name, or a service that picks the number
        return None
    try:
        country = country_of(phonenumbers.parse(sender))
    except phonenumbers.NumberParseException:
        return None
    return None if country == NO_COUNTRY else country


def refusals(channel: str, countries: frozenset[str], kinds: Collection[Kind]) -> Callable[[str], str | None]:
    """Why nothing is sent to a number in E.164, in words without it; None when it is.

    channel: how the names of its settings begin, as in <CHANNEL>_COUNTRIES
    """
    allowed = ", ".join(sorted(countries)) if len(countries) <= _MOST_NAMED else "the countries that it names"

    @lru_cache(maxsize=10_000)
    def refusal(address: str) -> str | None:
        try:
            number = phonenumbers.parse(address)
        except phonenumbers.NumberParseException:
            return f"{channel}_COUNTRIES allows numbers of {allowed}, and this is no number"
        kind, country = kind_of(address, number), country_of(number)
        why = []
        if kind is not None and kind not in kinds:
            why.append(f"{channel}_KINDS does not name {kind} numbers, and this is one")
        # Satellites are no country's: to name the kind is to allow them.
        if not {ANY_COUNTRY, country} & countries and kind is not Kind.SATELLITE:
            why.append(f"{channel}_COUNTRIES allows numbers of {allowed}, and this is of another country, or of none")
        return "; ".join(why) or None

    return refusal
