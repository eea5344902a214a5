"""Every query of the code has its index in infra/indexes.yaml: without it Firestore refuses; the emulator never does.

What a query needs: the fields that it compares for equality (= or IN), then the fields that it orders by, over the
collection or the collection group. By the document's name alone it needs none. Firestore may also serve a query by
merging several indexes with the same order; that is slower, and not counted on here: each query has its own, exactly.
"""

import inspect
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from functions.gateway.access.caller import Caller, CallerKind, Scope
from functions.gateway.access.caller_store import FirestoreCallers, Usage
from functions.gateway.audit_trail.audit_store import FirestoreAudit, entry_values
from functions.gateway.audit_trail.entry import AuditEntry, AuditResult, Head
from functions.gateway.notifications.searching import NotificationsQuery, search_of
from functions.gateway.notifications.visibility import whose
from functions.gateway.rendering.firestore_templates import FirestoreTemplates
from functions.gateway.rendering.template_model import Template
from functions.gateway.web.problem_details import Problem
from shared.channels.registry import load_channels
from shared.delivery.model import Attachment, Delivery, DeliveryStatus, Notification, Receipt, Recipient
from shared.delivery.store import Key, Position
from shared.google.firestore.channel_state_store import FirestoreChannelStates
from shared.google.firestore.endpoint_store import FirestoreEndpoints
from shared.google.firestore.list_store import FirestoreLists
from shared.google.firestore.operation_store import FirestoreOperations
from shared.google.firestore.people_store import FirestorePeople
from shared.google.firestore.receipt_store import FirestoreReceipts
from shared.google.firestore.records import STATE_FIELDS, fixed_values
from shared.google.firestore.rpc import Rpc, StructuredQuery
from shared.google.firestore.statistics_store import FirestoreStatistics
from shared.google.firestore.store import FirestoreStore
from shared.people.broadcast_plan import Plan
from shared.people.category import Category
from shared.people.frequency import DaysNotifications
from shared.people.lists import Member, RecipientList
from shared.people.suppression import AddressHash, Suppression
from shared.sending.channel_states import ChannelState
from shared.sending.endpoints import Endpoint
from shared.sending.operations import Operation
from shared.sending.receipts import Waiting
from shared.sending.replay_plan import ReplayPlan
from tests.fakes.people import MemoryPeople
from tests.fakes.store import MemoryStore

DECLARED = yaml.safe_load((Path(__file__).parents[2] / "infra" / "indexes.yaml").read_text())
OWNERS = (
    FirestoreStore,
    FirestoreReceipts,
    FirestoreCallers,
    FirestoreTemplates,
    FirestoreOperations,
    FirestorePeople,
    FirestoreLists,
    FirestoreChannelStates,
    FirestoreAudit,
    FirestoreStatistics,
    FirestoreEndpoints,
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
EQUAL, CONTAINS, IN, DESCENDING = 5, 7, 8, 2
POSITION = Position(NOW, "00000000-0000-0000-0000-000000000000")
OWN = frozenset({Scope.NOTIFICATIONS_READ, Scope.RECIPIENTS_READ})
FILTERS: Mapping[str, Any] = {
    "recipient": "alice",
    "status": "sent",
    "caller": "0" * 16,
    "channel": "email",
    "address": "a@example.com",
    "tag": "team:infra",
    "template": "order-shipped",
    "version": 1,
    "message_id": "SM1",
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-01-02T00:00:00Z",
}
"""Of GET /v1/notifications."""
GIVEN: Mapping[str, tuple[Any, ...]] = {
    "caller": (None, "c"),
    "channel": (None, "email"),
    "after": (None, POSITION),
}
"""The values of each parameter that decides what is asked."""

ASKED: Mapping[Callable[..., Any], tuple[Mapping[str, tuple[Any, ...]], Mapping[str, Any]]] = {
    FirestoreStore.overdue: ({"channels": (None, ["email"])}, {"shard": 0, "now": NOW, "limit": 9}),
    FirestoreStore.untold: ({}, {"shard": 0, "now": NOW, "limit": 9}),
    FirestoreEndpoints.endpoints: ({"after": (None, "billing")}, {"limit": 9}),
    FirestoreChannelStates.states: ({}, {}),
    FirestoreStore.notifications: ({"search": (), "after": GIVEN["after"]}, {"limit": 9}),  # see `searches`
    FirestoreStore.in_status: (
        {"status": tuple(DeliveryStatus), "caller": (None, "c"), "after": GIVEN["after"]},
        {"limit": 9},
    ),
    FirestoreStore.dead: ({name: GIVEN[name] for name in ("caller", "channel", "after")}, {"limit": 9}),
    FirestoreStore.sent_twice: (
        {"caller": (None, "c"), "after": (None, POSITION), "end": (None, NOW)},
        {"start": NOW, "limit": 9},
    ),
    FirestoreStore.recipients: ({"after": (None, "alice"), "prefix": ("", "team-")}, {"limit": 9}),
    FirestoreStore.scheduled: ({}, {"shard": 0, "start": NOW, "end": NOW, "limit": 9}),
    FirestoreStore.followers: ({}, {"delivery": Delivery("n", "email", "a", NOW)}),
    FirestoreStore.sent_as: ({}, {"channel": "sms", "provider_message_id": "SM1"}),
    FirestoreStore.unsent_of: ({"after": (None, "n/deliveries/email")}, {"made_of": "a/1", "limit": 9}),
    FirestoreStore.to_address: (
        {"after": (None, "n/deliveries/email")},
        {"channel": "email", "address": "a", "limit": 9},
    ),
    FirestoreOperations.due: ({}, {"now": NOW, "limit": 9, "kinds": ("recall",)}),
    FirestoreOperations.operations: ({"caller": (None, "c"), "after": (None, POSITION)}, {"limit": 9}),
    FirestoreLists.lists: ({"after": (None, "news"), "prefix": ("", "team-")}, {"limit": 9}),
    FirestoreLists.members: ({"after": (None, "alice"), "prefix": ("", "team-")}, {"list_id": "l", "limit": 9}),
    FirestoreTemplates.templates: ({"after": (None, "order-shipped")}, {"limit": 9}),
    FirestoreReceipts.due: ({}, {"shard": 0, "now": NOW, "limit": 9}),
    FirestorePeople.suppressions: ({"channel": GIVEN["channel"], "after": (None, "0" * 64)}, {"limit": 9}),
    FirestorePeople.categories: ({"after": (None, "news")}, {"limit": 9}),
    FirestoreCallers.callers: ({"after": (None, "c")}, {"limit": 9}),
    FirestoreStatistics.accepted: ({}, {"start": NOW, "end": NOW}),
    FirestoreStatistics.deliveries: ({}, {"channel": "email", "status": "sent", "start": NOW, "end": NOW}),
    FirestoreStatistics.has_delivery: ({}, {"channel": "email", "status": "sent", "start": NOW, "end": NOW}),
    FirestoreStatistics.due: ({}, {"channel": "email"}),
    FirestoreStatistics.scheduled: ({}, {"channel": "email"}),
    FirestoreStatistics.dead: ({}, {"channel": "email"}),
    FirestoreStatistics.oldest: ({}, {"channel": "email", "status": "queued"}),
    FirestoreAudit.entries: (
        {
            "actor": (None, "c"),
            "action": (None, "a"),
            "start": (None, NOW),
            "end": (None, NOW),
            "after": GIVEN["after"],
        },
        {"limit": 9},
    ),
}
"""Each method that queries: what it may be asked with, in all combinations, and with what else."""


@dataclass(frozen=True)
class Index:
    collection: str
    scope: str
    equal: frozenset[str]
    """Their order in the index makes no difference."""
    order: tuple[str, ...]


class Recording(Rpc):
    """Keeps the queries, and finds nothing."""

    def __init__(self) -> None:
        self.documents = "projects/p/databases/(default)/documents"
        self.queries: list[Any] = []

    async def run_query(
        self,
        structured_query: Any,
        most_bytes: int | None = None,
        parent: str | None = None,
        timeout: float | None = None,
    ) -> list[Any]:
        self.queries.append(structured_query)
        return []

    async def count(self, structured_query: Any, most: int) -> int:
        """As if there were very many, of which a shard is counted by another query."""
        self.queries.append(structured_query)
        return most


def needed(query: Any) -> Index | None:
    """None: the document's name is enough."""
    comparisons = [f.field_filter for f in query.where.composite_filter.filters]
    equal = frozenset(c.field.field_path for c in comparisons if c.op in (EQUAL, IN))
    within = [c.field.field_path for c in comparisons if c.op == CONTAINS]
    assert len(within) <= 1, "Firestore looks into one list"
    equal |= {f"{path} contains" for path in within}
    compared = [c.field.field_path for c in comparisons if c.op not in (EQUAL, CONTAINS, IN)]
    ordered = [o for o in query.order_by if o.field.field_path != "__name__"]
    assert {o.direction for o in query.order_by} <= {query.order_by[0].direction}, "the name is in the last order"
    assert list(dict.fromkeys(compared)) in ([], [o.field.field_path for o in ordered]), (
        "what is compared is what is ordered by"
    )
    (collection,) = query.from_
    if not equal and not ordered:
        assert not collection.all_descendants
        return None
    order = tuple(o.field.field_path + (" desc" if o.direction == DESCENDING else "") for o in ordered)
    scope = "COLLECTION_GROUP" if collection.all_descendants else "COLLECTION"
    return Index(collection.collection_id, scope, equal, order)


async def asked(method: Callable[..., Any]) -> list[Any]:
    varied, fixed = ASKED[method]
    if method is FirestoreStore.notifications:
        varied = {**varied, "search": tuple(searches())}
    owner: Any = {cls.__name__: cls for cls in OWNERS}[method.__qualname__.split(".")[0]]
    rpc = Recording()
    for values in itertools.product(*varied.values()):
        before = len(rpc.queries)
        also: Mapping[Any, Any] = {FirestorePeople: AddressHash("any"), FirestoreAudit: timedelta(days=1)}
        store = owner(rpc, also[owner]) if owner in also else owner(rpc)
        given = dict(zip(varied, values, strict=True))
        if method is FirestoreStore.notifications:
            given |= given["search"]
        await getattr(store, method.__name__)(**fixed, **given)
        assert len(rpc.queries) > before
    return rpc.queries


def searches() -> Iterator[Mapping[str, Any]]:
    """What the store is asked for by each combination of filters that GET /v1/notifications takes, whoever asks."""
    gateway: Any = SimpleNamespace(channels=load_channels(), people=MemoryPeople(MemoryStore()))
    callers = [Caller("0" * 16, CallerKind.LIVE, scopes) for scopes in (frozenset(Scope), OWN)]
    combinations = itertools.chain.from_iterable(itertools.combinations(FILTERS, n) for n in range(len(FILTERS) + 1))
    for names, caller in itertools.product(combinations, callers):
        query = NotificationsQuery.model_validate({name: FILTERS[name] for name in names})
        try:
            search = search_of(gateway, query, caller)
        except Problem:  # a 422, and nothing is asked
            continue
        given = {"recipient": query.recipient, "status": query.status, "search": search}
        yield given | {"caller": whose(caller, query.caller)}


def test_every_filter_of_a_search_is_asked_here() -> None:
    fields = NotificationsQuery.model_fields
    assert {field.alias or name for name, field in fields.items()} - {"limit", "cursor"} == set(FILTERS)
    # The first five go together; with caller, from and to an address, a tag, and a template with its version or not.
    assert len([*searches()]) == 2 * (2**5 + 2**3 + 2**3 + 2 * 2**3 + 2)


def declared() -> list[Index]:
    return [_declared(**index) for index in DECLARED["composite"]]


def _declared(collection: str, scope: str, fields: list[str]) -> Index:
    ordered = [f for f in fields if re.search(r"(_at|_for)( desc)?$", f)]
    assert fields[len(fields) - len(ordered) :] == ordered, "what is ordered by comes last"
    return Index(collection, scope, frozenset(fields) - frozenset(ordered), tuple(ordered))


def test_every_method_that_queries_is_asked_here() -> None:
    querying = {
        f"{cls.__name__}.{name}"
        for cls in OWNERS
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if "queries.select" in inspect.getsource(method)
    }
    # All that it does is to count.
    querying |= {f"FirestoreStatistics.{name}" for name in vars(FirestoreStatistics) if not name.startswith("_")}
    # The private ones are what `notifications` asks for deliveries.
    of_deliveries = {"FirestoreStore._notifications_with", "FirestoreStore._notifications_sent_as"}
    assert querying - of_deliveries == {method.__qualname__ for method in ASKED}


def test_nobody_else_queries() -> None:
    root = Path(__file__).parents[2]
    files = [*(root / "shared").rglob("*.py"), *(root / "functions").rglob("*.py")]
    assert {path.name for path in files if "queries.select" in path.read_text()} == {
        "store.py",
        "receipt_store.py",
        "caller_store.py",
        "firestore_templates.py",
        "operation_store.py",
        "people_store.py",
        "list_store.py",
        "channel_state_store.py",
        "audit_store.py",
        "statistics_store.py",
        "endpoint_store.py",
    }
    assert {path.name for path in files if "run_query" in path.read_text()} == {
        "rpc.py",
        "pages.py",
        "store.py",
        "channel_state_store.py",
        "statistics_store.py",
    }
    assert {path.name for path in files if "rpc.count" in path.read_text()} == {"statistics_store.py"}


async def test_each_query_has_its_index_and_each_index_its_query() -> None:
    wanted = {needed(query) for method in ASKED for query in await asked(method)} - {None}
    assert set(declared()) == wanted
    assert len(declared()) == len(wanted)


@pytest.mark.parametrize(
    ("change", "need"),
    [
        (lambda q: q.order_by[0].field.__setattr__("field_path", "updated_at"), ("updated_at",)),
        (lambda q: q.from_[0].__setattr__("all_descendants", False), ("due_at",)),
        (lambda q: q.where.composite_filter.filters.pop(0), ("due_at",)),
    ],
)
async def test_another_query_would_need_another_index(change: Callable[[Any], Any], need: tuple[str, ...]) -> None:
    query = StructuredQuery()
    query.CopyFrom((await asked(FirestoreStore.overdue))[0])
    assert needed(query) in declared()
    query.where.composite_filter.filters.pop()  # the comparison, which would have to follow the order
    change(query)
    index = needed(query)
    assert index is not None
    assert index.order == need
    assert index not in declared()


def _written() -> Iterator[tuple[str, str]]:
    """Collection and field of what is put on record."""
    for collection, model, left_out in (
        ("notifications", Notification, {"id"}),
        ("deliveries", Delivery, {"version"}),
        ("attachments", Attachment, set[str]()),
        ("keys", Key, {"version"}),
        ("operations", Operation, {"id", "version"}),
        ("templates", Template, {"name", "version"}),
        ("recipients", Recipient, {"name", "version"}),
        ("categories", Category, {"name", "version"}),
        ("suppressions", Suppression, {"id", "version"}),
        ("frequencies", DaysNotifications, {"id", "version"}),
        ("plans", Plan, {"id"}),
        ("replay_plans", ReplayPlan, {"id"}),
        ("lists", RecipientList, {"name", "version"}),
        ("members", Member, {"recipient", "version"}),
        ("channels", ChannelState, {"channel", "version"}),
        ("receipts", Receipt, set[str]()),
        ("receipts", Waiting, {"id", "receipt"}),
        ("callers", Caller, {"id", "version"}),
        ("endpoints", Endpoint, {"name", "version"}),
    ):
        yield from ((collection, f.name) for f in fields(model) if f.name not in left_out)
    head = Head("c", 1, NOW, "h")
    entry = AuditEntry("c", 1, NOW, "a", "act", "r", AuditResult.DONE, 200, "n", "m", follows=(head,))
    yield from (("audit", name) for name in entry_values(entry, timedelta(days=1)))
    yield from (("versions", "body"), ("versions", "created_at"), ("versions", "created_by"))
    yield from (
        ("attachments", "expire_at"),
        ("keys", "expire_at"),
        ("found_messages", "notification_id"),
        ("found_messages", "expire_at"),
        ("frequencies", "expire_at"),
        ("uses", "at"),
        ("usage", "caller"),
        ("usage", "expire_at"),
    )
    yield from (("usage", "requests"), ("usage", "notifications"), ("usage", "segments"), ("usage", "messages"))


def test_a_delivery_is_written_with_all_the_fields_that_are_looked_at_here() -> None:
    fixed = fixed_values(Delivery(notification_id="n", channel="c", address="a", created_at=NOW))
    assert {field for collection, field in _written() if collection == "deliveries"} == {*fixed, *STATE_FIELDS}


def test_no_field_has_an_index_of_its_own() -> None:
    """Nothing asks for one, and each is two entries a record; that of a time would bound all writes besides."""
    written = {(collection, field) for collection, field in _written() if field != "expire_at"}
    assert {(collection, field) for collection, many in DECLARED["unindexed"].items() for field in many} == written


async def test_usage_is_written_as_it_is_looked_at_here() -> None:
    writes: list[Any] = []

    class Stop(Exception):
        pass

    class Writing(Recording):
        async def commit(self, many: Any) -> Any:
            writes.extend(many)
            raise Stop

    with pytest.raises(Stop):
        await FirestoreCallers(Writing()).add(Usage("c", NOW, 1, 1))
    day, use = writes
    assert set(day.update.fields) == {"caller", "expire_at"}
    assert {t.field_path.split(".")[0] for t in day.update_transforms} == {
        "requests",
        "notifications",
        "segments",
    }
    assert set(use.update.fields) == {"at"}
    with pytest.raises(Stop):
        await FirestoreCallers(Writing()).add_messages("k", NOW, 1)
    hour = writes[-1]
    assert set(hour.update.fields) == {"expire_at"}
    assert [t.field_path for t in hour.update_transforms] == ["messages"]


def test_every_collection_whose_records_expire_has_its_ttl() -> None:
    assert {collection for collection, field in _written() if field == "expire_at"} == set(DECLARED["expiring"])
