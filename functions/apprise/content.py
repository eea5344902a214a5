"""Which parts a message by Apprise may have."""

from pydantic import Field

from shared.channels import content
from shared.channels.content import Subject


class Content(content.Content):
    """The parts of a message by Apprise. Its text is plain; no file goes along."""

    subject: Subject | None = Field(default=None, description="Its title.")
