"""Firestore's writes, each with what it expects to find."""

from collections.abc import Mapping
from typing import Any

from shared.firestore.records import document
from shared.firestore.rpc import DocumentMask, Precondition, Write

_ABSENT = Precondition(exists=False)
PRESENT = Precondition(exists=True)


def create(name: str, values: Mapping[str, Any]) -> Any:
    return Write(update=document(name, values), current_document=_ABSENT)


def change(name: str, values: Mapping[str, Any], precondition: Any = PRESENT) -> Any:
    """Sets just these fields; those that are None are removed."""
    return Write(
        update=document(name, values),
        update_mask=DocumentMask(field_paths=list(values)),
        current_document=precondition,
    )


def at_version(version: int | None) -> Any:
    """The precondition that the document is as it was read. Raises ValueError when it was not."""
    if version is None:
        raise ValueError("what has no version cannot be updated")
    precondition = Precondition()
    precondition.update_time.FromNanoseconds(version)
    return precondition
