"""Which parts a WhatsApp message may have."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, model_validator

from functions.whatsapp.channel import TemplateSettings
from shared.channels import content
from shared.channels.text_checks import one_line

_NO_SETTINGS = TemplateSettings()
MOST_VARIABLES = 100


def _template(name: str, info: ValidationInfo) -> str:
    settings = info.context if isinstance(info.context, TemplateSettings) else _NO_SETTINGS
    known = settings.whatsapp_templates
    if name not in known:
        there = f"there are {', '.join(sorted(known))}" if known else "there is none"
        raise ValueError(f"must be a name of WHATSAPP_TEMPLATES: {there}")
    return name


def _value(text: str) -> str:
    """As https://www.twilio.com/docs/api/errors/21656 wants it."""
    if "\t" in one_line(text) or " " * 5 in text or not text.strip():
        raise ValueError("must not be blank, nor contain a tab or more than four blanks in a row")
    return text


# https://www.twilio.com/docs/content/using-variables-with-content-api: {{1}}, {{first_name}}
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_]+$")]
Value = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(_value)]


class Content(content.Content):
    """The parts of a WhatsApp message. With a template the message is what stands on record, and is not sent."""

    template: Annotated[str, AfterValidator(_template)] | None = Field(
        default=None,
        description="A name of the setting WHATSAPP_TEMPLATES. Without it a message goes only to who has written "
        "within 24 hours.",
    )
    variables: Annotated[dict[Name, Value], Field(max_length=MOST_VARIABLES)] | None = Field(
        default=None, description="The template's variables by name, as Twilio has them: 1, 2 or words."
    )

    @model_validator(mode="after")
    def _variables_are_a_templates(self) -> Self:
        if self.variables is not None and self.template is None:
            raise ValueError("variables go with a template")
        return self
