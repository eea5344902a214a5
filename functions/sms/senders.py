"""What TWILIO_FROM and VONAGE_FROM may be.

https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
https://developer.vonage.com/en/messaging/sms/guides/custom-sender-id
"""

import re
from typing import Annotated

from pydantic import AfterValidator

_SERVICE = re.compile("MG[0-9a-fA-F]{32}")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT_CODE = re.compile("[0-9]{3,8}")
# https://www.twilio.com/docs/glossary/what-alphanumeric-sender-id
_NAME = re.compile("(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}")
_VONAGE_NAME = re.compile("(?=.*[A-Za-z])[A-Za-z0-9]{1,11}")


def is_service(sender: str) -> bool:
    """Whether it is the id of a messaging service, which picks the sender itself."""
    return _SERVICE.fullmatch(sender) is not None


def _sender(text: str) -> str:
    if not any(form.fullmatch(text) for form in (_SERVICE, _NUMBER, _SHORT_CODE, _NAME)):
        raise ValueError(
            "must be a number in E.164 (like +14155552671), a short code, a messaging service's id (MG and 32 "
            "hexadecimal digits), or a name of at most 11 letters, digits, spaces and + - _ & with a letter among them"
        )
    return text


def _vonage_sender(text: str) -> str:
    if not any(form.fullmatch(text) for form in (_NUMBER, _SHORT_CODE, _VONAGE_NAME)):
        raise ValueError(
            "must be a number in E.164 (like +14155552671), a short code, or a name of at most 11 letters and digits "
            "with a letter among them"
        )
    return text


Sender = Annotated[str, AfterValidator(_sender)]
VonageSender = Annotated[str, AfterValidator(_vonage_sender)]
