"""Which parts a webhook has."""

from shared.channels import content


class Content(content.Content):
    """message: the body, as it is signed; event: the id of the event in it, by which its receiver knows a repeat"""

    event: str
