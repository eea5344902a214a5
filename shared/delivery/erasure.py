"""What the records of a notification say of the person it was for, and the records without it.

The rest stays: when it was asked for and by whom, over which channels, each attempt and how it ended.
"""

import dataclasses

from shared.delivery.model import Delivery, Notification, replace
from shared.delivery.search_words import without_tags

OF_NOTIFICATION = ("recipient", "message", "subject", "data", "tags", "collapse_key", "ordering_key", "found_by")
OF_DELIVERY = ("recipient", "address", "address_hash", "content", "provider_conversation")
"""A provider's conversation may be one person's, as Slack's are."""


def without_texts(notification: Notification) -> Notification:
    """What was said in it. Its recipient's name stays."""
    return dataclasses.replace(
        notification,
        message=None,
        subject=None,
        data=None,
        tags={},
        collapse_key=None,
        ordering_key=None,
        found_by=without_tags(notification.found_by),
    )


def renamed(notification: Notification, pseudonym: str) -> Notification:
    return dataclasses.replace(notification, recipient=pseudonym)


def emptied(delivery: Delivery) -> Delivery:
    """No address, and nothing that would be sent. Its recipient's name stays."""
    return replace(delivery, address="", address_hash=None, content=None, provider_conversation=None)
