"""When the relay last ran, on Firestore.

system/relay
"""

from datetime import datetime

from shared.google.firestore.records import document, read_one
from shared.google.firestore.rpc import Rpc, Write
from shared.google.firestore.value_encoding import decode


class FirestoreRelayRuns:
    """See `shared.sending.relay_runs.RelayRuns`."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._name = f"{rpc.documents}/system/relay"

    async def last(self) -> datetime | None:
        """Raises UnreadableRecord, too."""
        found = await self._rpc.batch_get([self._name])
        return read_one(found[self._name], _ran_at) if self._name in found else None

    async def ran(self, at: datetime) -> None:
        await self._rpc.commit([Write(update=document(self._name, {"ran_at": at}))])


def _ran_at(doc: object) -> datetime:
    value = decode(doc.fields["ran_at"])  # type: ignore[attr-defined]
    if not isinstance(value, datetime):
        raise TypeError("ran_at is no time")
    return value
