"""Events back from Pub/Sub's push requests."""

import base64
import binascii
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from shared.delivery.errors import MalformedPush
from shared.sending.event_messages import EventMessage

_Word = Annotated[str, Field(min_length=1, max_length=200)]


class _Attributes(BaseModel):
    id: _Word = Field(alias="ce-id")
    type: _Word = Field(alias="ce-type")
    time: AwareDatetime = Field(alias="ce-time")
    subject: _Word = Field(alias="ce-subject")


class _Message(BaseModel):
    data: str
    attributes: _Attributes


class _Push(BaseModel):
    message: _Message


_OBJECT = TypeAdapter(dict[str, object])


def decode_event(body: bytes) -> EventMessage:
    """The event in a push request's body. Raises MalformedPush."""
    try:
        message = _Push.model_validate_json(body).message
        data = base64.b64decode(message.data, validate=True)
        _OBJECT.validate_json(data)
        said = message.attributes
        return EventMessage(said.id, said.type, said.time, said.subject, data.decode())
    except (ValidationError, binascii.Error, ValueError) as error:
        raise MalformedPush(f"not an event of ours ({type(error).__name__})") from None
