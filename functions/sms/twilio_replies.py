"""What people answer to a number of Twilio's: https://www.twilio.com/docs/messaging/guides/webhook-request"""

from collections.abc import Mapping
from datetime import datetime

from starlette.datastructures import Headers

from functions.sms.stop_words import wish_of
from shared.channels.phone_numbers import in_e164
from shared.providers.twilio.signature import Form, SignedForms, credentials
from shared.sending.receipts import ReceiptRequest
from shared.sending.replies import Reply, ReplyReader, Wish

# Bytes: 1,600 characters are up to 14,400 in a form, and the other fields about 700. With ten files beside such a text
# it is more, and refused: whoever says STOP says it shorter, and a stranger's request must not cost more.
_BODY_LIMIT = 16 * 1024
_MOST_FIELDS = 55  # Twilio sends about twenty, and two for each of ten files

OPT_OUT_TYPES: Mapping[str, Wish | None] = {
    # What Twilio takes the message for, in whatever language the account's Advanced Opt-Out knows. It then goes before
    # the words: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
    "STOP": Wish.STOP,
    "START": Wish.START,
    "HELP": None,
}


class TwilioReplies:
    body_limit = _BODY_LIMIT

    def __init__(self, auth_token: str, public_url: str) -> None:
        self._forms = SignedForms(auth_token, public_url, _BODY_LIMIT, _MOST_FIELDS)

    def check_head(self, target: str, headers: Headers, at: datetime) -> None:
        self._forms.check_head(target, headers)

    def read(self, request: ReceiptRequest) -> Reply | None:
        form = self._forms.verified(request)
        message_id, sender = form.message_id(), form.one("From")
        wish = _wish(form)
        if wish is None:
            return None
        try:
            address = in_e164(sender)
        except ValueError:
            # A short code, a name; or a person on WhatsApp, Messenger or RCS ("whatsapp:+1415…"), which are no SMS: who
            # says STOP there has not said it of their text messages.
            return None
        return Reply("sms", address, wish, message_id)


def replies() -> ReplyReader | None:
    set_up = credentials()
    return None if set_up is None else TwilioReplies(*set_up)


def _wish(form: Form) -> Wish | None:
    """Raises MalformedReceipt."""
    if "OptOutType" in form:
        said = form.one("OptOutType").upper()
        if said in OPT_OUT_TYPES:
            return OPT_OUT_TYPES[said]
    return wish_of(form.one("Body")) if "Body" in form else None
