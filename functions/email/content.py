"""Which parts an e-mail may have."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from functions.email.attached_files import AttachedFiles
from functions.email.channel import ContentSettings
from functions.email.html_parts import LONGEST, checked, inlined, text_of
from functions.email.named_senders import known
from shared.channels import content
from shared.channels.content import Subject, said
from shared.delivery.model import Attachment

_NO_SETTINGS = ContentSettings()


def _sender(name: str, info: ValidationInfo) -> str:
    senders = _settings(info).senders
    if name not in senders:
        raise ValueError(f"must be a name of EMAIL_SENDERS: {known(senders)}")
    return name


def _answered_at(address: str, info: ValidationInfo) -> str:
    from functions.email.addresses import checked as checked_address  # noqa: PLC0415 - as `channel.normalise`

    found = checked_address(address, local_hosts=_settings(info).local_hosts)
    if not found.local_part.isascii():
        raise ValueError("must be an e-mail address in ASCII before its @")
    return found.normalized


def _settings(info: ValidationInfo) -> ContentSettings:
    return info.context if isinstance(info.context, ContentSettings) else _NO_SETTINGS


Html = Annotated[
    str,
    AfterValidator(checked),
    AfterValidator(inlined),
    said(minLength=1, maxLength=LONGEST, pattern=content.PRINTABLE),
]


class Content(content.Content):
    """The parts of an e-mail."""

    escapes: ClassVar[Mapping[str, Literal["html", "angles"]]] = {"html": "html"}

    subject: Subject | None = None
    html: Html | None = Field(
        default=None,
        description="Its style sheets are inlined. Without a message of its own, an e-mail's text is made from it.",
    )
    from_: Annotated[str, AfterValidator(_sender)] | None = Field(
        default=None, alias="from", description="A name of the setting EMAIL_SENDERS."
    )
    reply_to: Annotated[str, AfterValidator(_answered_at)] | None = Field(
        default=None, description="An e-mail address."
    )
    attachments: AttachedFiles | None = Field(default=None, description="Together at most 700 KiB.")

    @classmethod
    def merged(cls, common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """What is said for all channels is no text of this HTML: that is made from it. Raises ValidationError."""
        parts = super().merged(common, own)
        html = own.get("html")
        if isinstance(html, str) and "message" not in own:
            try:
                parts["message"] = text_of(checked(html))
            except ValueError as wrong:
                error = PydanticCustomError("value_error", "{wrong}", {"wrong": str(wrong)})
                raise ValidationError.from_exception_data(
                    cls.__name__, [InitErrorDetails(type=error, loc=("html",), input=None)]
                ) from None
        return parts

    def parts(self) -> dict[str, Any]:
        made = self.model_dump(exclude_none=True, by_alias=True, exclude={"attachments"})
        return made | ({"attachments": [file.shown() for file in self.attachments]} if self.attachments else {})

    def files(self) -> Sequence[Attachment]:
        return [file.file() for file in self.attachments or ()]
