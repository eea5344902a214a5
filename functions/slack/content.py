"""Which parts a Slack message may have."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from functions.slack.blocks import MOST, checked_block, checked_together
from shared.channels import content

NotificationId = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", max_length=36)
]
Block = Annotated[dict[str, Any], AfterValidator(checked_block), content.said(required=["type"])]
Blocks = Annotated[list[Block], Field(min_length=1, max_length=MOST), AfterValidator(checked_together)]


class Content(content.Content):
    """The parts of a Slack message."""

    # https://docs.slack.dev/messaging/formatting-message-text#escaping
    escapes: ClassVar[Mapping[str, Literal["html", "angles"]]] = {"blocks": "angles"}

    blocks: Blocks | None = Field(
        default=None, description="Slack's blocks. The message is then what notifications and screen readers say."
    )
    thread: NotificationId | None = Field(
        default=None, description="The id of an earlier notification to the same address, which this replies to."
    )
    update: NotificationId | None = Field(
        default=None, description="The id of an earlier notification to the same address, whose message this replaces."
    )
    unfurl_links: bool | None = Field(default=None, description="Whether links get a preview; by default they do not.")
    unfurl_media: bool | None = Field(default=None, description="The same of images and videos.")

    @model_validator(mode="after")
    def _an_update_stays_where_it_is(self) -> Self:
        others = {"thread": self.thread, "unfurl_links": self.unfurl_links, "unfurl_media": self.unfurl_media}
        if self.update is not None and any(other is not None for other in others.values()):
            raise ValueError(f"update goes without {', '.join(others)}: Slack changes the text and the blocks alone")
        return self

    def earlier(self) -> Mapping[str, str]:
        named = {"thread": self.thread, "update": self.update}
        return {part: notification_id for part, notification_id in named.items() if notification_id is not None}
