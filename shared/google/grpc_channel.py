"""How gRPC connects to Google's services, and how it keeps its connections."""

from collections.abc import Sequence

import grpc.aio
from google.api_core import grpc_helpers_async

CHANNEL_OPTIONS = [
    # gRPC's own reconnect pause grows to two minutes; a delivery's lease does not wait that long.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A connection that a router dropped while the CPU was withdrawn answers nothing, and Linux believes in it for a
    # quarter of an hour. Google's own clients ask as often; without the third it waits a minute for the answer (1.85).
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),  # the bound on unacknowledged bytes, too
    ("grpc.http2.ping_timeout_ms", 5_000),
]


def connect(
    emulator: str | None, host: str, scopes: Sequence[str], interceptors: Sequence[grpc.aio.ClientInterceptor] = ()
) -> grpc.aio.Channel:
    """A channel to the emulator at host:port, or to Google's host with the process's own credentials.

    scopes: of OAuth; those of the official clients, which connect in the same way
    """
    if emulator:
        return grpc.aio.insecure_channel(emulator, options=CHANNEL_OPTIONS, interceptors=interceptors)
    channel: grpc.aio.Channel = grpc_helpers_async.create_channel(
        host, default_scopes=scopes, default_host=host, options=CHANNEL_OPTIONS
    )
    return channel
