"""Each function's account may do what its code calls, and nothing besides: method → permission → role, both ways.

What the code calls is read from the modules that its main.py brings along, what the account may from access.tf. Secrets
are not code's to ask for: who reads which is in infra/tests/access.tftest.hcl.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from shared.channels.registry import channel_names
from tests.e2e.stack import ROOT

FUNCTIONS = ("gateway", "relay", "operations", "dead_letter", *channel_names())
ACCESS = (ROOT / "infra" / "access.tf").read_text()

WRITES = {"datastore.entities.create", "datastore.entities.update", "datastore.entities.delete"}
READS = {"datastore.entities.get", "datastore.entities.list"}
# https://cloud.google.com/firestore/native/docs/security/iam, https://cloud.google.com/pubsub/docs/access-control,
# https://docs.cloud.google.com/iam/docs/roles-permissions/telemetry (2026-11)
PERMISSIONS = {
    "google.firestore.v1.Firestore/Commit": WRITES,
    "google.firestore.v1.Firestore/BatchWrite": WRITES,
    "google.firestore.v1.Firestore/RunQuery": READS,
    "google.firestore.v1.Firestore/RunAggregationQuery": READS,
    "google.firestore.v1.Firestore/BatchGetDocuments": {"datastore.entities.get"},
    "google.pubsub.v1.Publisher/Publish": {"pubsub.topics.publish"},
    "telemetry.googleapis.com/v1/traces": {"telemetry.traces.write"},
    "telemetry.googleapis.com/v1/metrics": {"telemetry.metrics.write"},
}
ROLES = {
    "roles/datastore.viewer": READS,
    "roles/datastore.user": READS | WRITES,
    "roles/pubsub.publisher": {"pubsub.topics.publish"},
    "roles/telemetry.tracesWriter": {"telemetry.traces.write"},
    "roles/telemetry.metricsWriter": {"telemetry.metrics.write"},
}

QUEUES = "notifications[each.value.queue].id\n  role   = "
RECORDS = 'for_each = local.functions\n\n  project = var.project\n  role    = "roles/datastore.user"'

# Of Rpc's methods, which RPC each makes; and the one module that asks the callers' database, and not the records'.
RPCS = {"commit": "Commit", "write": "BatchWrite", "batch_write": "BatchWrite", "run_query": "RunQuery"} | {
    "batch_get": "BatchGetDocuments",
    "count": "RunAggregationQuery",
}
CALLERS = "functions.gateway.access.caller_store"
# Google's addresses that need no role: public keys, and the names of OAuth's scopes.
PUBLIC = ("www.googleapis.com/oauth2/", "www.googleapis.com/auth/")

Called = set[tuple[str, str]]
"""Each with what it is about: "records", "callers", "topics" or "project"."""


def path_of(module: str) -> Path | None:
    """None: not ours, or a package."""
    path = ROOT / Path(*module.split(".")).with_suffix(".py")
    return path if path.exists() else None


@cache
def imports_of(module: str) -> frozenset[str]:
    """Ours, wherever in the file. A name that is imported from a package may be a module; providers' are texts."""
    path = path_of(module)
    assert path is not None
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and re.fullmatch(r"(functions|shared)(\.\w+)+", str(node.value)):
            found.add(str(node.value))
    return frozenset(name for name in found if path_of(name))


def modules_of(function: str) -> set[str]:
    """All that its main.py brings along, itself too."""
    found, new = set[str](), {f"functions.{function}.main"}
    while new:
        found |= new
        new = {name for module in new for name in imports_of(module)} - found
    return found


def calls_in(module: str) -> Iterator[tuple[str, str]]:
    path = path_of(module)
    assert path is not None
    text = path.read_text()
    for method in re.findall(r"\b_?rpc\.(\w+)\(", text):
        if method in RPCS:
            yield f"google.firestore.v1.Firestore/{RPCS[method]}", "callers" if module == CALLERS else "records"
    if module != "shared.google.firestore.rpc":  # which has one method for each that the table has
        yield from ((method, "topics") for method in re.findall(r'"/(google\.[\w.]+/\w+)"', text))
    for address in re.findall(r"https://(\w+\.googleapis\.com/[\w/.]*)", text):
        if address.startswith(PUBLIC):
            continue
        below = re.findall(r'_GOOGLE \+ "(\w+)"', text) or [""]
        yield from ((address + last, "project") for last in below)


def called(function: str) -> Called:
    return {call for module in modules_of(function) for call in calls_in(module)}


def needed(function: str) -> Called:
    """The roles: for all that is called on one thing, the smallest that has its permissions."""
    permissions: dict[tuple[str, str], set[str]] = {}
    for method, about in called(function):
        service = method.partition("/")[0]
        key = (about, method if about == "project" else service)
        permissions.setdefault(key, set()).update(PERMISSIONS[method])
    return {
        (min((role for role in ROLES if wanted <= ROLES[role]), key=lambda role: len(ROLES[role])), about)
        for (about, _), wanted in permissions.items()
    }


def granted(access: str) -> dict[str, Called]:
    """By function, what access.tf gives to its account."""
    blocks = dict(
        re.findall(r'^resource "google_\w+_iam_member" "(\w+)" \{\n(.*?)^\}', access, re.MULTILINE | re.DOTALL)
    )
    blocks.pop("pubsub_pushes_as_pusher")  # Pub/Sub's own account, on the pusher's
    blocks.pop("events_publisher")  # one topic more where events are on: infra/tests/events.tftest.hcl
    blocks.pop("channel")  # what channels.yaml says of an optional one: infra/tests/channels.tftest.hcl
    roles: dict[str, Called] = {function: set() for function in FUNCTIONS}

    def give(functions: Iterator[str] | tuple[str, ...], role: str, about: str) -> None:
        for function in functions:
            roles[function].add((role, about))

    for name, block in blocks.items():
        (role,) = re.findall(r"^  role += (.*)$", block, re.MULTILINE)
        database = re.findall(r"google_firestore_database\.(\w+)\.name", block)
        some = re.findall(r'^  for_each = toset\(\["(.*?)"\]\)', block, re.MULTILINE)
        one = some[0].split('", "') if some else []
        if "for_each = local.publishers" in block:
            assert "setproduct(local.functions, keys(local.queues))" in access
            give(FUNCTIONS, role.strip('"'), "topics")
        elif "setproduct(local.functions, [" in block:
            (suffixes,) = re.findall(r"setproduct\(local\.functions, \[(.*?)\]\)", block)
            for suffix in re.findall(r'"(\w+)"', suffixes):
                give(FUNCTIONS, f"roles/telemetry.{suffix}", "project")
        elif database and (one or "for_each = local.functions" in block):
            give(tuple(one) or FUNCTIONS, role.strip('"'), database[0])
        else:
            raise AssertionError(f"{name}: to whom does it grant what? Teach this test to read it")
    return roles


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_account_may_what_its_function_calls_and_nothing_else(function: str) -> None:
    assert granted(ACCESS)[function] == needed(function)


def test_every_method_that_the_code_can_call_is_in_the_table_and_none_besides() -> None:
    methods = {method for function in FUNCTIONS for method, _ in called(function)}
    assert methods == set(PERMISSIONS)
    rpc = (ROOT / "shared" / "google" / "firestore" / "rpc.py").read_text()
    assert {f"Firestore/{name}" for name in RPCS.values()} == set(
        re.findall(r'"/google\.firestore\.v1\.(\w+/\w+)"', rpc)
    )


def test_each_role_of_a_function_is_granted_where_this_looks() -> None:
    """Secrets apart."""
    for file in (ROOT / "infra").glob("*.tf"):
        grants = re.findall(
            r'^resource "google_\w+_iam_member" "(\w+)" \{\n(.*?)^\}', file.read_text(), re.MULTILINE | re.DOTALL
        )
        to_functions = {
            name for name, block in grants if re.search(r"member += google_service_account\.function\[", block)
        }
        assert not to_functions or file.name == "access.tf" or to_functions == {"reader"}, file.name


@pytest.mark.parametrize(
    ("change", "into", "who"),
    [
        ('"tracesWriter", "metricsWriter"', '"tracesWriter"', set(FUNCTIONS)),
        ('["gateway", "operations"]', '["relay", "operations"]', {"gateway", "relay"}),
        (RECORDS, RECORDS.replace("user", "owner"), set(FUNCTIONS)),
        (RECORDS, RECORDS.replace("user", "viewer"), set(FUNCTIONS)),
        (f'{QUEUES}"roles/pubsub.publisher"', f'{QUEUES}"roles/pubsub.editor"', set(FUNCTIONS)),
    ],
)
def test_a_role_that_is_missing_and_one_too_many_are_seen(change: str, into: str, who: set[str]) -> None:
    assert ACCESS.count(change) == 1
    roles = granted(ACCESS.replace(change, into))
    assert {function for function in FUNCTIONS if roles[function] != needed(function)} == who
