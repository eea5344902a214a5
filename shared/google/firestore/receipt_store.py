"""The receipts that wait, on Firestore."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from shared.delivery.model import DeliveryStatus, Receipt, SuppressionReason
from shared.google.firestore import pages, queries
from shared.google.firestore.records import document, document_id, known_values
from shared.google.firestore.rpc import Rpc, Write
from shared.sending.receipts import Waiting


class FirestoreReceipts:
    """See `shared.sending.receipts.ReceiptStore`."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def keep(self, waiting: Waiting) -> None:
        await self._rpc.commit([Write(update=document(self._name(waiting), _values(waiting)))])

    async def due(self, shard: int | None, now: datetime, limit: int) -> Sequence[Waiting]:
        query = queries.select(
            "receipts",
            filters=[*queries.given(shard=shard), queries.before("due_at", now)],
            order="due_at",
        )
        return await pages.first_readable(self._rpc, query, limit, _waiting)

    async def forget(self, waiting: Waiting) -> None:
        await self._rpc.commit([Write(delete=self._name(waiting))])

    def _name(self, waiting: Waiting) -> str:
        return f"{self._rpc.documents}/receipts/{waiting.id}"


def _values(waiting: Waiting) -> Mapping[str, Any]:
    receipt = {f.name: getattr(waiting.receipt, f.name) for f in fields(Receipt)}
    own = {name: getattr(waiting, name) for name in ("shard", "due_at", "expire_at", "looks")}
    return {**receipt, "status": str(waiting.receipt.status), **own}


def _waiting(doc: Any) -> Waiting:
    receipt = {"provider_message_id": None, **known_values(doc, Receipt)}  # what is None is not on record
    receipt["status"] = DeliveryStatus(receipt["status"])
    if "suppresses" in receipt:
        receipt["suppresses"] = SuppressionReason(receipt["suppresses"])
    own = {name: value for name, value in known_values(doc, Waiting).items() if name != "receipt"}
    return Waiting(Receipt(**receipt), id=document_id(doc), **own)
