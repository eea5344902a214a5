"""How gRPC keeps its connections to Google's services."""

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
