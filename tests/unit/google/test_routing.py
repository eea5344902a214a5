"""Each RPC says where it goes as Google's own client does: by this header the front end finds a named database."""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import grpc.aio
import pytest
from google.cloud.firestore_v1.services.firestore.async_client import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports.grpc_asyncio import FirestoreGrpcAsyncIOTransport
from google.cloud.firestore_v1.types import firestore
from google.pubsub_v1.services.publisher.async_client import PublisherAsyncClient
from google.pubsub_v1.services.publisher.transports.grpc_asyncio import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.types import pubsub

from shared.google import publisher
from shared.google.firestore import rpc
from shared.google.publisher import PubsubPublisher
from shared.sending.messages import Message

DATABASES = (
    "projects/p/databases/(default)",
    "projects/p/databases/hark-callers",
    "projects/example.com:p/databases/named",
)
RPCS = set(re.findall(r"google\.firestore\.v1\.Firestore/(\w+)", Path(rpc.__file__).read_text()))
ROUTING = {"x-goog-request-params", "google-cloud-resource-prefix"}


@dataclass
class Server(grpc.GenericRpcHandler):  # type: ignore[misc] # it has no types
    """Takes every call, keeps what came with it, and answers with an empty message."""

    channel: Any = None
    calls: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)

    def service(self, details: Any) -> Any:
        headers = {name: value for name, value in details.invocation_metadata if name in ROUTING}

        async def answer(request: bytes, _: Any) -> bytes:
            self.calls.append((details.method.rpartition("/")[2], request, headers))
            return b""

        async def stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
            yield await answer(request, context)

        if details.method.endswith(("/RunQuery", "/BatchGetDocuments")):
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(answer)

    def taken(self) -> list[tuple[str, bytes, dict[str, str]]]:
        taken, self.calls = self.calls, []
        return taken


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    running = grpc.aio.server()
    handler = Server()
    running.add_generic_rpc_handlers((handler,))
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as handler.channel:
        yield handler
    await running.stop(None)


def snake(method: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", method).lower()


@pytest.mark.parametrize("database", DATABASES)
async def test_every_firestore_rpc_is_routed_as_googles_client_routes_it(server: Server, database: str) -> None:
    ours = rpc.Rpc(server.channel, database)
    await ours.commit([])
    await ours.batch_write([])
    await ours.run_query(rpc.StructuredQuery())
    await ours.run_query(rpc.StructuredQuery(), parent=f"{ours.documents}/a/b")
    await ours.batch_get([f"{ours.documents}/a/b"])
    with contextlib.suppress(ValueError):  # this server counts nothing
        await ours.count(rpc.StructuredQuery(), 1)
    sent = server.taken()
    google = FirestoreAsyncClient(transport=FirestoreGrpcAsyncIOTransport(channel=server.channel))
    for method, request, headers in sent:
        prefix = [("google-cloud-resource-prefix", database)]  # its hand-written part adds this one to every call
        typed = getattr(firestore, f"{method}Request").deserialize(request)
        answer = await getattr(google, snake(method))(typed, metadata=prefix)
        if isinstance(answer, grpc.aio.Call):
            _ = [part async for part in answer]
        assert [(name, theirs) for name, _, theirs in server.taken()] == [(method, headers)]
    assert {method for method, _, _ in sent} == RPCS


@pytest.mark.parametrize("project", ["p", "example.com:p"])
async def test_a_publish_is_routed_as_googles_client_routes_it(server: Server, project: str) -> None:
    message = Message(notification_id="11111111-1111-4111-8111-111111111111", channel="email")
    await PubsubPublisher(server.channel, project).publish([message])
    ((method, request, headers),) = server.taken()
    google = PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=server.channel))
    await google.publish(pubsub.PublishRequest.deserialize(request))
    assert [(name, theirs) for name, _, theirs in server.taken()] == [(method, headers)]


@pytest.mark.parametrize(
    ("ours", "official"), [(rpc, FirestoreGrpcAsyncIOTransport), (publisher, PublisherGrpcAsyncIOTransport)]
)
def test_we_connect_where_googles_client_does_and_with_its_scopes(ours: ModuleType, official: Any) -> None:
    assert (ours.HOST, ours.SCOPES) == (official.DEFAULT_HOST, official.AUTH_SCOPES)
