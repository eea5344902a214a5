"""Asking a provider what became of an attempt of which nobody knows, before the message is sent again.

Three answers: it is there, it is not there, nobody can tell. One that is there ends the delivery as sent. Whatever is
not known at the end is sent again, as it always was: the person may get it twice, and the attempt says what was asked.

A provider that does not know our ids finds messages with the same text to the same address, and two notifications may
have both. So such a message counts only when no other delivery has it on record, when it is so old that whoever got
its id as an answer has written that down or has lost its lease, and when nobody else has taken it in this way: a
record of its own, which is written once, says who has.

What if the process dies: nothing is sent, and the next claim asks again. A message that it had taken is still its own.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from shared.delivery.model import Attempt, Delivery, Outcome, Told
from shared.delivery.retries import Policy
from shared.delivery.store import Store
from shared.runtime.logs import get_logger, place
from shared.sending.provider import Found, Outgoing, Provider

log = get_logger(__name__)

LONGEST = 5.0  # seconds, for all that is asked under one claim
_CLOCKS = timedelta(seconds=60)  # between ours and the provider's
_RECORDED = timedelta(seconds=10)
"""After its lease a claim may still be writing what it was answered."""


@runtime_checkable
class Askable(Protocol):
    """A provider that can be asked (`shared.sending.provider.Provider`)."""

    async def find(self, outgoing: Outgoing, since: datetime) -> Sequence[Found] | None:
        """The messages that it has taken since then and that may be this one. None: it cannot tell.

        It need not raise nothing: whatever it raises is that it cannot tell. outgoing.timeout: seconds that it may take
        """
        ...


@dataclass(frozen=True, slots=True)
class There:
    """It is the one that the provider has."""

    provider: str
    found: Found


@dataclass(frozen=True, slots=True)
class Perhaps:
    """A message is there that may be another's. until: when that can be told"""

    until: datetime


Asked = There | Perhaps | Mapping[str | None, Told]
"""The mapping: what each provider said, by its name."""


def unsure(delivery: Delivery) -> Sequence[Attempt]:
    """The attempts of which nobody knows what became of them."""
    return [attempt for attempt in delivery.attempts if attempt.outcome is Outcome.UNKNOWN]


async def ask(
    store: Store, providers: Sequence[Provider], claimed: Delivery, outgoing: Outgoing, now: datetime, policy: Policy
) -> Asked:
    """What became of its unsure attempts. It takes LONGEST, or the outgoing's timeout if that is less."""
    said: dict[str | None, Told] = dict.fromkeys((attempt.provider for attempt in unsure(claimed)), Told.CANNOT_TELL)
    for provider in providers:
        attempts = [attempt for attempt in unsure(claimed) if attempt.provider == provider.name]
        if not attempts or not isinstance(provider, Askable):
            continue
        try:
            async with asyncio.timeout(min(LONGEST, outgoing.timeout)):
                found = await provider.find(outgoing, attempts[0].at - _CLOCKS)
                answer = await _which_of(store, provider.name, found, claimed, now, policy)
        except Exception as error:
            # Its client's own errors, too: a provider that is down or does not let us ask is no fault of the code.
            log.warning("a provider cannot be asked", provider=provider.name, error=place(error))
            continue
        if not isinstance(answer, Told):
            return answer
        said[provider.name] = answer
    return said


async def _which_of(
    store: Store, provider: str, found: Sequence[Found] | None, claimed: Delivery, now: datetime, policy: Policy
) -> There | Perhaps | Told:
    if found is None:
        return Told.CANNOT_TELL
    perhaps: datetime | None = None
    for each in found:
        if each.is_ours:
            return There(provider, each)
        told = each.at + policy.lease + policy.wait_in_place + _RECORDED
        if told > now:
            perhaps = told if perhaps is None else min(perhaps, told)
        elif await _take(store, each, claimed):
            return There(provider, each)
    return Told.NOT_THERE if perhaps is None else Perhaps(perhaps)


async def _take(store: Store, found: Found, claimed: Delivery) -> bool:
    """Whether it is ours: no other delivery has it, and none will."""
    message_id = found.sent.id
    if message_id is None or await store.sent_as(claimed.channel, message_id) is not None:
        return False
    return await store.take_message(claimed, message_id)
