"""The epoch of the records, which a copy of them has, too."""

from shared.google.firestore.records import document
from shared.google.firestore.rpc import Rpc, Write
from shared.google.firestore.value_encoding import decode


class EpochRecord:
    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._name = f"{rpc.documents}/system/epoch"

    async def read(self) -> str | None:
        """None: there is none. Raises StoreUnavailable."""
        found = await self._rpc.batch_get([self._name])
        return str(decode(found[self._name].fields["value"])) if self._name in found else None

    async def write(self, epoch: str) -> None:
        """Raises StoreUnavailable."""
        await self._rpc.commit([Write(update=document(self._name, {"value": epoch}))])
