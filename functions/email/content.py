"""Which parts an e-mail may have."""

from shared.channels import content
from shared.channels.content import Subject


class Content(content.Content):
    """The parts of an e-mail."""

    subject: Subject | None = None
