"""What Twilio's error codes mean that only WhatsApp meets: https://www.twilio.com/docs/api/errors

The others are in `shared/providers/twilio/codes.py`. Many of these Twilio says only later, in a status callback.
"""

from shared.delivery.errors import Permanent, Refused, Throttled, Unknown
from shared.providers.twilio.codes import Meanings

_SENDER = "look at the WhatsApp sender in Twilio's console, then replay"
_TEMPLATE = "look at the template in Twilio's console and at WHATSAPP_TEMPLATES, then replay"

MEANINGS: Meanings = {
    21654: (Refused, f"the template is missing: {_TEMPLATE}"),
    21655: (Refused, f"there is no such template: {_TEMPLATE}"),
    21656: (Permanent, "the variables do not fit the template"),
    63001: (Refused, f"WhatsApp does not know the sender's credentials: {_SENDER}"),
    63005: (Permanent, "WhatsApp does not take this content"),
    63006: (Permanent, "the content cannot be put into WhatsApp's form"),
    63008: (Refused, f"the sender is not set up right: {_SENDER}"),
    63009: (Unknown, "an internal error at WhatsApp"),
    63010: (Unknown, "an internal error at Twilio"),
    63011: (Refused, f"the request is not valid: {_SENDER}"),
    63012: (Unknown, "an internal error at WhatsApp"),
    63013: (Permanent, "the message is against WhatsApp's policy"),
    63015: (Refused, f"the sandbox sends only to those who have joined it: {_SENDER}"),
    63016: (Permanent, "they have not written within 24 hours, so only a template may go: send one"),
    63020: (Refused, f"an error of the account at Meta: {_SENDER}"),
    63021: (Permanent, "the content is not valid"),
    63022: (Refused, f"the certificate of the sender's name is not valid: {_SENDER}"),
    63023: (Unknown, "an unknown error at WhatsApp"),
    63026: (Refused, f"the sender's messages are reported as spam: {_SENDER}"),
    63027: (Refused, f"the template is not there in this language: {_TEMPLATE}"),
    63028: (Permanent, "the template has another number of variables"),
    63030: (Permanent, "a parameter is not one of WhatsApp's"),
    63032: (Permanent, "WhatsApp does not let us write to this person"),
    63039: (Throttled, "Meta wants fewer messages to this person"),
    63040: (Refused, f"WhatsApp has rejected the template: {_TEMPLATE}"),
    63041: (Refused, f"WhatsApp has paused the template: {_TEMPLATE}"),
    63042: (Refused, f"WhatsApp has disabled the template: {_TEMPLATE}"),
    63051: (Refused, f"the account at WhatsApp is locked: {_SENDER}"),
}
