"""What Discord's error codes say of a message that a webhook did not take:
https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes

Of the published codes those that can answer the execution of a webhook. One that is not here goes by its HTTP status; a
4xx is then an operator's to look at.
"""

from collections.abc import Mapping

from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled

_URL = "look at DISCORD_URLS and the channel's webhooks, then replay"

CODES: Mapping[int, tuple[type[SendError], str]] = {
    # The webhook and its channel, which the operator has named.
    10003: (Refused, f"there is no such channel: {_URL}"),
    10008: (Refused, f"there is no such message or thread: {_URL}"),
    10015: (Refused, f"there is no such webhook: {_URL}"),
    50001: (Refused, f"the webhook may not see the channel: {_URL}"),
    50013: (Refused, f"the webhook lacks a permission in the channel: {_URL}"),
    50024: (Refused, f"the channel is of a kind that takes no messages: {_URL}"),
    50027: (Refused, f"the token of the webhook is not valid: {_URL}"),
    50083: (Refused, "the thread is archived: open it, then replay"),
    160005: (Refused, "the thread is locked: unlock it, then replay"),
    220001: (Refused, f"a forum's webhook wants a thread: {_URL}"),
    220003: (Refused, f"a forum's webhook can only begin threads: {_URL}"),
    # The message.
    20009: (Permanent, "explicit content cannot be sent there"),
    40005: (Permanent, "the message is too large"),
    50006: (Permanent, "the message is empty"),
    50035: (Permanent, "a part of the message is not as Discord wants it"),
    50109: (Permanent, "a part of the message is not as Discord wants it"),
    200000: (Permanent, "the server's AutoMod blocked the message"),
    200001: (Permanent, "the server's AutoMod blocked the message's title"),
    240000: (Permanent, "Discord's filter of harmful links blocked the message"),
    # Later.
    20016: (Throttled, "slow mode is on in the channel"),
    20022: (Throttled, "announcements are limited"),
    20028: (Throttled, "the channel's limit of writing is reached"),
    20029: (Throttled, "the server's limit of writing is reached"),
    40333: (Retryable, "a network error at Discord"),
    110001: (Retryable, "Discord's application is not available"),
    130000: (Retryable, "Discord is overloaded"),
}
