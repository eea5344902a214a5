"""Which channels are paused, and whose providers are down, on Firestore.

channels/{name}
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from shared.google.firestore import queries, writes
from shared.google.firestore.records import document_id, known_values, readable
from shared.google.firestore.rpc import READ_TIMEOUT, Rpc, to_version
from shared.sending.breaker import Breaker, BreakerState, Ramp
from shared.sending.channel_states import Activity, ChannelState


class FirestoreChannelStates:
    """See `shared.sending.channel_states.ChannelStateStore`."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def states(self) -> Mapping[str, ChannelState]:
        # Beside a claim: it may take no longer than what else is read there.
        found = await self._rpc.run_query(queries.select("channels"), timeout=READ_TIMEOUT)
        return {state.channel: state for state in readable(found, _to_state)}

    async def put(self, state: ChannelState) -> None:
        values = {
            "activity": str(state.activity),
            "since": state.since,
            "by": state.by,
            "reason": state.reason,
            "providers": list(state.providers) or None,
            "breakers": {name: _breaker_values(breaker) for name, breaker in state.breakers.items()} or None,
            "ramp": None if state.ramp is None else asdict(state.ramp),
        }
        await self._rpc.commit([writes.put(f"{self._rpc.documents}/channels/{state.channel}", values, state.version)])


def _to_state(doc: Any) -> ChannelState:
    values = known_values(doc, ChannelState)
    values["activity"] = Activity(values["activity"])
    values["providers"] = tuple(values.get("providers", ()))
    values["breakers"] = {name: _to_breaker(of) for name, of in values.get("breakers", {}).items()}
    if "ramp" in values:
        values["ramp"] = Ramp(**values["ramp"])
    return ChannelState(channel=document_id(doc), **values, version=to_version(doc.update_time))


def _breaker_values(breaker: Breaker) -> dict[str, Any]:
    values = {name: value for name, value in asdict(breaker).items() if value is not None}
    return values | {"state": str(breaker.state)}


def _to_breaker(values: Mapping[str, Any]) -> Breaker:
    return Breaker(**{**values, "state": BreakerState(values["state"])})
