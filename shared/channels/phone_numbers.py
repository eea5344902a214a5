"""Phone numbers: which texts are one, and its one spelling."""

import re

import phonenumbers

from shared.channels.text_checks import one_line

# phonenumbers finds a number within other text, spells letters as digits and drops an extension: the message would
# go to a number that nobody wrote.
_WRITTEN = re.compile(r"\+[0-9][0-9\s().\-/\u2010-\u2015]*")

_FORM = "must be a phone number with its country code and without an extension, like +14155552671"


def in_e164(text: str) -> str:
    """The number in E.164. Raises ValueError."""
    try:
        if not _WRITTEN.fullmatch(one_line(text).strip()):
            raise ValueError(_FORM)
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        raise ValueError(_FORM) from None
    # Possible, not valid: the tables of valid ranges age, and the provider knows better.
    if not phonenumbers.is_possible_number(number):
        raise ValueError("must be a phone number that can exist in its country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
