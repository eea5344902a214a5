"""Twilio's Messages resource: https://www.twilio.com/docs/messaging/api/message-resource"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.delivery.errors import Refused
from shared.providers.twilio.client import Account, mark
from shared.sending.provider import Found, Outgoing, Sent

_NEWEST = 50  # of the messages to a number, when one is looked for


class Messages:
    """Of one channel.

    name: of the provider, on record and in its receipts' address
    sender: who sends, as Twilio's parameter has it; a messaging service has picked the number by itself
    prefix: of the channel, before each number
    refusal: why nothing is sent to a number; the gateway has asked it before, and it is asked again of what was
        accepted under other settings, or came past the gateway
    """

    def __init__(
        self,
        account: Account,
        name: str,
        sender: Mapping[str, str],
        prefix: str = "",
        refusal: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self.name = name
        self._account = account
        self._messages = account.client.messages
        self._sender = sender
        self._prefix = prefix
        self._refusal = refusal

    def content(self, outgoing: Outgoing) -> Mapping[str, str]:
        """What it says, in Twilio's parameters. Raises SendError."""
        return {"body": outgoing.text}

    async def send(self, outgoing: Outgoing) -> str | None:
        refusal = self._refusal(outgoing.address)
        if refusal is not None:
            raise Refused(refusal)
        callback = self._account.callback(self.name, outgoing.notification_id)
        made = self._messages.create_async(
            to=self._prefix + outgoing.address,
            **self.content(outgoing),
            **self._sender,
            **({} if callback is None else {"status_callback": callback}),
        )
        return await self._account.made(made, outgoing.notification_id)

    async def find(self, outgoing: Outgoing, since: datetime) -> Sequence[Found] | None:
        """Of the newest messages to the number, those with this text. The key needs the right to read them."""
        messages = await self.newest(outgoing, since)
        if messages is None:
            return None
        return [Found(Sent(m.sid), m.date_created) for m in messages if m.body == outgoing.text]

    async def newest(self, outgoing: Outgoing, since: datetime) -> Sequence[Any] | None:
        """The messages to the number since then. None: too many to see them all.

        Not filtered by DateSent, which a message has only once Twilio has handed it on.
        """
        mark(outgoing.notification_id)
        from_ = {name: value for name, value in self._sender.items() if name == "from_"}
        messages = await self._messages.list_async(
            to=self._prefix + outgoing.address, limit=_NEWEST, page_size=_NEWEST, **from_
        )
        found = [message for message in messages if message.date_created and message.date_created >= since]
        return None if len(found) == _NEWEST else found

    async def aclose(self) -> None:
        await self._account.aclose()
