"""Between the model's values and Firestore's documents.

notifications/{id}                        what was asked; written once
notifications/{id}/deliveries/{channel}   one state machine
notifications/{id}/attachments/{channel}.{n}
keys/{hash}                               the last notification with a collapse or an ordering key
recipients/{name}
categories/{name}, suppressions/{hash}, frequencies/{hash}: see `people_store.py`
lists/{name}, lists/{id}/members/{recipient}: see `list_store.py`
found_messages/{hash}                     which delivery a provider's message is, where it was asked for it
receipts/{hash}                           a receipt that came before the record of its send
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from shared.delivery.errors import UnreadableRecord
from shared.delivery.model import (
    Attachment,
    Attempt,
    CategoryClass,
    Delivery,
    DeliveryStatus,
    Event,
    Notification,
    Outcome,
    QuietHours,
    Recipient,
    Step,
    TemplateUsed,
    Told,
)
from shared.delivery.store import Key
from shared.google.firestore.rpc import Document, to_version
from shared.google.firestore.value_encoding import decode, put
from shared.runtime.logs import get_logger, name_hash, place

T = TypeVar("T")

log = get_logger(__name__)

_FIXED = (
    "notification_id",
    "channel",
    "address",
    "created_at",
    "caller",
    "simulated",
    "recipient",
    "shard",
    "expire_at",
    "traceparent",
    "segments",
    "encoding",
    "content",
    "attachments",
    "deliver_by",
    "collapse",
    "ordering",
    "follows",
    "escalates_from",
    "escalates_to",
    "after",
    "unless",
    "made_of",
    "earlier",
    "category",
    "category_class",
    "bulk",
    "address_hash",
)
_NOTIFICATION_FIELDS = tuple(f.name for f in fields(Notification) if f.name != "id")
_ATTEMPT_FIELDS = tuple(f.name for f in fields(Attempt))
_EVENT_FIELDS = tuple(f.name for f in fields(Event))
STATE_FIELDS = tuple(f.name for f in fields(Delivery) if f.name not in {*_FIXED, "version"})
"""What an update writes. A field that is None is removed, which is what takes a delivery out of the due index."""
_notification_values, _fixed_values, _state_values = (
    attrgetter(*names) for names in (_NOTIFICATION_FIELDS, _FIXED, STATE_FIELDS)
)
WITHOUT_CONTENT = tuple(name for name in (*_FIXED, *STATE_FIELDS) if name != "content")
"""For who looks at many deliveries, and sends none: a content has up to 256 KiB."""


def read_one(doc: Any, read: Callable[[Any], T]) -> T:
    """The Document as `read` reads it. Raises UnreadableRecord."""
    try:
        return read(doc)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise UnreadableRecord(f"{_said(doc.name)}: {place(error)}") from None


def readable(docs: Iterable[Any], read: Callable[[Any], T]) -> Iterator[T]:
    """Those that this version can read, for a listing: one that it cannot must not keep the others back."""
    for doc in docs:
        try:
            yield read_one(doc, read)
        except UnreadableRecord as error:
            log.error("a record is left out", error=str(error))


def _said(name: str) -> str:
    """A record's path, for people. The name of a recipient, a list or a member may be a person's."""
    path = name.partition("/documents/")[2]
    kind, _, rest = path.partition("/")
    return f"{kind}/{name_hash(rest)}" if kind in {"recipients", "lists"} else path


def document(name: str, values: Mapping[str, Any]) -> Any:
    """A Document of the values that are not None."""
    made = Document()
    fill(made, name, values)
    return made


def fill(empty: Any, name: str, values: Mapping[str, Any]) -> None:
    """The same in an empty Document where it is to stand."""
    empty.name = name
    kept = empty.fields
    for key, value in values.items():
        if value is not None:
            put(kept[key], value)


def notification_values(n: Notification) -> dict[str, Any]:
    values = dict(zip(_NOTIFICATION_FIELDS, _notification_values(n), strict=True))
    values["escalation"] = [_step_values(step) for step in n.escalation] or None
    values["template"] = None if n.template is None else asdict(n.template)
    values["found_by"] = n.found_by or None
    return values


def _step_values(step: Step) -> dict[str, Any]:
    return {"channel": step.channel, "after": step.after, "unless": str(step.unless)}


def fixed_values(d: Delivery) -> dict[str, Any]:
    values = dict(zip(_FIXED, _fixed_values(d), strict=True))
    # None is no field: most have none of these.
    values["attachments"], values["earlier"], values["bulk"] = d.attachments or None, d.earlier or None, d.bulk or None
    return values


def attachment_values(a: Attachment, expire_at: datetime) -> dict[str, Any]:
    return {"name": a.name, "type": a.type, "data": a.data, "expire_at": expire_at}


def state_values(d: Delivery) -> dict[str, Any]:
    values = dict(zip(STATE_FIELDS, _state_values(d), strict=True))
    values["status"] = str(d.status)
    values["attempts"] = [_attempt_values(attempt) for attempt in d.attempts]
    values["untold"] = [_event_values(event) for event in d.untold] or None
    return values


def recipient_values(r: Recipient) -> dict[str, Any]:
    """What a replacement writes, too, but for `created_at`."""
    return {
        "addresses": r.addresses,
        "created_at": r.created_at,
        "updated_at": r.updated_at,
        "updated_by": r.updated_by,
        "locale": r.locale,
        "time_zone": r.time_zone,
        "attributes": r.attributes or None,
        "quiet_hours": [asdict(hours) for hours in r.quiet_hours] or None,
        "preferences": r.preferences or None,
        "erased_at": r.erased_at,
    }


def to_notification(doc: Any) -> Notification:
    values = known_values(doc, Notification)
    values["channels"] = tuple(values["channels"])
    values["found_by"] = tuple(values.get("found_by", ()))
    values["escalation"] = tuple(
        Step(step["channel"], step["after"], DeliveryStatus(step["unless"])) for step in values.get("escalation", ())
    )
    if "template" in values:
        values["template"] = TemplateUsed(**values["template"])
    return Notification(**{"message": None, **values, "id": document_id(doc)})


def to_delivery(doc: Any) -> Delivery:
    values = known_values(doc, Delivery)
    values["status"] = DeliveryStatus(values["status"])
    values["attempts"] = tuple(_to_attempt(attempt) for attempt in values["attempts"])
    if "unless" in values:
        values["unless"] = DeliveryStatus(values["unless"])
    if "category_class" in values:
        values["category_class"] = CategoryClass(values["category_class"])
    if "untold" in values:
        values["untold"] = tuple(_to_event(event) for event in values["untold"])
    return Delivery(**values, version=to_version(doc.update_time))


def to_key(doc: Any) -> Key:
    return Key(**known_values(doc, Key) | {"version": to_version(doc.update_time)})


def to_attachment(doc: Any) -> Attachment:
    return Attachment(**known_values(doc, Attachment))


def to_recipient(doc: Any) -> Recipient:
    values = known_values(doc, Recipient)
    values["quiet_hours"] = tuple(
        QuietHours(tuple(hours["days"]), hours["start"], hours["end"]) for hours in values.get("quiet_hours", ())
    )
    return Recipient(name=document_id(doc), **values, version=to_version(doc.update_time))


def _attempt_values(a: Attempt) -> dict[str, Any]:
    # None and False are no field: most have none of these.
    values = {name: value for name in _ATTEMPT_FIELDS if (value := getattr(a, name)) is not None and value is not False}
    return values | {"outcome": str(a.outcome)}


def _to_attempt(values: Mapping[str, Any]) -> Attempt:
    known = {key: value for key, value in values.items() if key in _known(Attempt)}
    asked = None if values.get("asked") is None else Told(values["asked"])
    return Attempt(**known | {"outcome": Outcome(values["outcome"]), "asked": asked})


def _event_values(e: Event) -> dict[str, Any]:
    return {name: value for name in _EVENT_FIELDS if (value := getattr(e, name)) is not None}


def _to_event(values: Mapping[str, Any]) -> Event:
    return Event(**{key: value for key, value in values.items() if key in _known(Event)})


def known_values(doc: Any, model: type) -> dict[str, Any]:
    """The fields that this version knows: during a rollout, or after a rollback, a newer one has written more.

    Raises TypeError for one of another type: what compares or adds it later would fail for all that are read with it.
    """
    known = _known(model)
    values = {key: decode(value) for key, value in doc.fields.items() if key in known}
    for key, value in values.items():
        if not isinstance(value, known[key]):
            raise TypeError(key)
    return values


@cache
def _known(model: type) -> Mapping[str, tuple[type, ...]]:
    """The model's fields, and as what each of them comes out of a record."""
    hints = get_type_hints(model)
    return {f.name: tuple(map(_stored, _either(hints[f.name]))) for f in fields(model)}


def _either(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is UnionType else (hint,)


def _stored(hint: Any) -> type:
    kind: type = get_origin(hint) or hint
    if kind in {tuple, frozenset}:
        return list
    if kind is Mapping or is_dataclass(kind):
        return dict
    return str if issubclass(kind, StrEnum) else kind


def document_id(doc: Any) -> str:
    """The last part of its name."""
    return str(doc.name.rpartition("/")[2])


def notification_name(documents: str, notification_id: str) -> str:
    return f"{documents}/notifications/{notification_id}"


def delivery_name(documents: str, notification_id: str, channel: str) -> str:
    return f"{notification_name(documents, notification_id)}/deliveries/{channel}"


def attachment_name(documents: str, notification_id: str, channel: str, number: int) -> str:
    return f"{notification_name(documents, notification_id)}/attachments/{channel}.{number}"


def key_name(documents: str, key: str) -> str:
    return f"{documents}/keys/{key}"


def category_name(documents: str, name: str) -> str:
    return f"{documents}/categories/{name}"


def recipient_name(documents: str, name: str) -> str:
    return f"{documents}/recipients/{name}"
