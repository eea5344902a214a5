"""What operators say of channels, on Firestore.

channels/{name}
"""

from collections.abc import Mapping
from typing import Any

from shared.google.firestore import queries, writes
from shared.google.firestore.records import document_id, known_values, readable
from shared.google.firestore.rpc import READ_TIMEOUT, Rpc, to_version
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
        values = {"activity": state.activity, "since": state.since, "by": state.by, "reason": state.reason}
        await self._rpc.commit([writes.put(f"{self._rpc.documents}/channels/{state.channel}", values, state.version)])


def _to_state(doc: Any) -> ChannelState:
    values = known_values(doc, ChannelState)
    values["activity"] = Activity(values["activity"])
    return ChannelState(channel=document_id(doc), **values, version=to_version(doc.update_time))
