"""Messages back from Pub/Sub's push requests."""

import base64
import binascii

from pydantic import BaseModel, Field, ValidationError

from shared.delivery.errors import MalformedPush
from shared.sending.messages import Message


class _PushMessage(BaseModel):
    data: str
    attributes: dict[str, str] = Field(default_factory=dict)


class _Push(BaseModel):
    """The body of a push request: https://cloud.google.com/pubsub/docs/push#receive_push."""

    message: _PushMessage


def decode_push(body: bytes) -> Message:
    """The message in a push request's body. Raises MalformedPush."""
    try:
        push = _Push.model_validate_json(body).message
        message = Message.model_validate_json(base64.b64decode(push.data, validate=True))
        return message.model_copy(update={"traceparent": push.attributes.get("traceparent")})
    except (ValidationError, binascii.Error, ValueError) as error:
        # `from None`: pydantic's error repeats the input, which may be somebody's message.
        raise MalformedPush(f"not a push of ours ({type(error).__name__})") from None
