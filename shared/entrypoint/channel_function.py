"""The whole of a channel's main.py."""

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

from shared.entrypoint.push_handler import Deliver, push_handler
from shared.entrypoint.push_requests import Handler
from shared.entrypoint.restored_records import RestoredRecords, restored_records
from shared.entrypoint.startup import open_rpc, open_store, start
from shared.google.firestore.channel_state_store import FirestoreChannelStates
from shared.google.firestore.people_store import FirestorePeople
from shared.google.firestore.store import FirestoreStore
from shared.runtime.settings import SENDS_NOTHING, PeopleSettings, listed, load
from shared.sending.breakers import Breakers
from shared.sending.channel_states import ChannelStates
from shared.sending.messages import Answer, Message
from shared.sending.pipeline import Pipeline
from shared.sending.provider import Provider

if TYPE_CHECKING:
    from shared.google.publisher import PubsubPublisher


class ProviderModule(Protocol):
    """A provider's file: `provider()` reads its settings and returns a function that connects it."""

    def provider(self) -> Callable[[], Provider]: ...


def channel_function(
    channel: str,
    providers: Mapping[str, str],
    *,
    unsubscribes: bool = True,
    of_events: bool = False,
    many_hosts: bool = False,
) -> Handler:
    """The whole of a channel's main.py: its pushes go through the pipeline to the providers that are set.

    providers: the module of each, by the words that `<CHANNEL>_PROVIDER` may hold; only the chosen ones are imported.
    unsubscribes, of_events: as of the channel's declaration, which has more to import
    many_hosts: each address is at a host of its own, so that one which is down says nothing about the others
    """
    settings = start()
    address_hash = load(PeopleSettings).address_hash()
    connects = _chosen(f"{channel.upper()}_PROVIDER", providers)

    @cache
    def publisher() -> "PubsubPublisher":
        # Its libraries take a fifth of a second of a cold start: only what others wait for is published here.
        from shared.google.publisher import open_publisher  # noqa: PLC0415

        return open_publisher(settings)

    def open_pipeline() -> Deliver:
        rpc = open_rpc(settings)
        first, *others = [connect() for connect in connects]
        states = ChannelStates(FirestoreChannelStates(rpc))
        names = [provider.name for provider in (first, *others)]
        deliver = Pipeline(
            FirestoreStore(rpc) if of_events else open_store(settings, rpc, publisher),
            first,
            settings.policy(),
            publisher=publisher,
            # An endpoint is no person, and one that does not answer says nothing about the others.
            people=None if of_events else FirestorePeople(rpc, address_hash),
            unsubscribes=unsubscribes,
            channel_states=states,
            breakers=None if of_events or many_hosts else Breakers(channel, names, states, settings.policy()),
            others=others,
        ).deliver
        restored = restored_records(settings)
        return deliver if restored is None else _unless_held(restored, deliver)

    return push_handler(open_pipeline, channel)


def _unless_held(restored: RestoredRecords, deliver: Deliver) -> Deliver:
    async def unless_held(message: Message) -> Answer:
        # What it was about stays due, and the relay publishes it when it may go.
        return Answer.ACK if await restored.why_held() is not None else await deliver(message)

    return unless_held


def _chosen(setting: str, providers: Mapping[str, str]) -> Sequence[Callable[[], Provider]]:
    """The first choice first. Each with its own settings."""
    choices = listed(os.environ.get(setting, ""))
    if not choices or not set(choices) <= set(providers):
        raise SystemExit(f"hark: {setting} must be one of {', '.join(sorted(providers))}")
    if len(set(choices)) < len(choices):
        raise SystemExit(f"hark: {setting} names a provider twice")
    if len(choices) > 1 and SENDS_NOTHING in choices:
        raise SystemExit(f"hark: {setting}: {SENDS_NOTHING} sends nothing, so it takes no other's place")
    modules: list[ProviderModule] = [importlib.import_module(providers[choice]) for choice in choices]
    return [module.provider() for module in modules]
