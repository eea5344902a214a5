"""The files that may go with a mail."""

import base64
import binascii
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from shared.channels.content import said
from shared.channels.text_checks import one_line
from shared.delivery.model import Attachment

MOST = 5
MOST_BYTES = 700 * 1024  # together, decoded: beside a record, of which Firestore takes 1 MiB

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")  # RFC 6838, 4.2
_CONTAINERS = ("multipart/", "message/")  # hold mails, which base64 must not hide: RFC 2046, 5.2


def _file_name(name: str) -> str:
    if {"/", "\\"} & set(one_line(name)) or name in {".", ".."}:
        raise ValueError("must be a file's name, without a path")
    if not name.strip() or "\t" in name:
        raise ValueError("must be a file's name, without tabs")
    return name


def _media_type(text: str) -> str:
    kind = text.lower()
    if not _MEDIA_TYPE.fullmatch(kind) or kind.startswith(_CONTAINERS):
        raise ValueError("must be a media type of a file, such as application/pdf, without parameters")
    return kind


def _decoded(text: Any) -> bytes:
    """From base64, in which line ends are allowed: most tools write some."""
    if not isinstance(text, str):
        raise ValueError("must be base64")
    try:
        data = base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64") from None
    if not data:
        raise ValueError("must not be empty")
    if len(data) > MOST_BYTES:
        raise ValueError(f"must have at most {MOST_BYTES} bytes")
    return data


class AttachedFile(BaseModel):
    """A file that goes with a mail."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: Annotated[
        str,
        StringConstraints(min_length=1, max_length=255),
        AfterValidator(_file_name),
        said(pattern=r"^[^/\\\x00-\x1f\x7f-\x9f\u2028\u2029]*$"),
    ] = Field(description="A file's name, without a path.")
    type: Annotated[str, AfterValidator(_media_type), said(pattern=r"^[^/;\s]+/[^/;\s]+$", maxLength=255)] = Field(
        description="A media type, such as application/pdf."
    )
    data: Annotated[
        bytes,
        BeforeValidator(_decoded),
        WithJsonSchema({"type": "string", "contentEncoding": "base64", "minLength": 4}),
    ] = Field(description="In base64.")

    def shown(self) -> dict[str, Any]:
        """As it is on record."""
        return {"name": self.name, "type": self.type, "size": len(self.data)}

    def file(self) -> Attachment:
        return Attachment(self.name, self.type, self.data)


def _small_enough(files: list[AttachedFile]) -> list[AttachedFile]:
    if sum(len(file.data) for file in files) > MOST_BYTES:
        raise ValueError(f"must have at most {MOST_BYTES} bytes together")
    return files


AttachedFiles = Annotated[list[AttachedFile], Field(min_length=1, max_length=MOST), AfterValidator(_small_enough)]
