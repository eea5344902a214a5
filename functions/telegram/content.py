"""Which parts a Telegram message may have."""

from pydantic import Field

from shared.channels import content


class Content(content.Content):
    """The parts of a Telegram message. Its text is plain: nothing in it is markup."""

    silent: bool | None = Field(default=None, description="Whether it comes without a sound.")
    link_preview: bool | None = Field(
        default=None, description="Whether a link gets a preview; by default it does not."
    )
    topic: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="The number of the topic (message_thread_id) in a forum."
    )
