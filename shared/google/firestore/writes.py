"""Firestore's writes, each with what it expects to find."""

from collections.abc import Mapping
from typing import Any

from shared.google.firestore.records import fill
from shared.google.firestore.rpc import Precondition, Write

_ABSENT = Precondition(exists=False)
PRESENT = Precondition(exists=True)


def create(name: str, values: Mapping[str, Any]) -> Any:
    write = Write(current_document=_ABSENT)
    fill(write.update, name, values)
    return write


def put(name: str, values: Mapping[str, Any], version: int | None) -> Any:
    """The whole document, at the version as read; None: there was none."""
    write = Write(current_document=_ABSENT if version is None else at_version(version))
    fill(write.update, name, values)
    return write


def change(name: str, values: Mapping[str, Any], precondition: Any = PRESENT) -> Any:
    """Sets just these fields; those that are None are removed."""
    write = Write(current_document=precondition)
    fill(write.update, name, values)
    write.update_mask.field_paths.extend(values)
    return write


def at_version(version: int | None) -> Any:
    """The precondition that the document is as it was read. Raises ValueError when it was not."""
    if version is None:
        raise ValueError("what has no version cannot be updated")
    precondition = Precondition()
    precondition.update_time.FromNanoseconds(version)
    return precondition
