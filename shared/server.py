"""The one setting of the server that functions-framework gives no way to set."""

from uvicorn_worker import UvicornWorker

KEEP_ALIVE_SECONDS = 620


def keep_connections() -> None:
    """Idle connections are kept for longer than any client in front keeps them.

    Gunicorn's default closes them after 2 s: a request that is on its way just then gets a reset instead of an
    answer, and its sender cannot know whether it was taken. Google's load balancers keep theirs for 600 s
    (https://cloud.google.com/load-balancing/docs/https#timeout-keepalive-backends). Called at import, by main.py.
    """
    UvicornWorker.CONFIG_KWARGS = {**UvicornWorker.CONFIG_KWARGS, "timeout_keep_alive": KEEP_ALIVE_SECONDS}
