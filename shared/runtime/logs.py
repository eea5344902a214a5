"""Logs: one line, one JSON object, in the fields that Cloud Logging reads.

Only ids, names of settings, statuses and codes go in; never an address, a text or a secret. An exception is
logged by its type and place, because its own text may hold any of these.
"""

import hashlib
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from shared.runtime import trace_context

_project = ""

_SEVERITIES = {
    "debug": "DEBUG",
    "info": "INFO",
    "warning": "WARNING",
    "error": "ERROR",
    "critical": "CRITICAL",
}


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose events carry `module=name`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def configure(project: str = "") -> None:
    """Called once by each composition root, before anything logs. `project`: where the traces are."""
    global _project  # noqa: PLW0603 - as global as the configuration itself
    _project = project
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _cloud_logging,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    # Libraries log with texts of their own making (addresses, URLs): only that something happened gets out.
    logging.basicConfig(handlers=[_Quiet()], level=logging.WARNING, force=True)
    logging.getLogger("grpc").setLevel(logging.CRITICAL)


def name_hash(name: str) -> str:
    """What stands in a log for a name that may be a person's, or an address: the beginning of its SHA-256."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def place(error: BaseException) -> str:
    """Type and innermost place of an exception, e.g. `KeyError at pipeline.py:57`."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f" at {frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}{where}"


def _cloud_logging(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["severity"] = _SEVERITIES[method]
    event["message"] = event.pop("event")
    of_trace = trace_context.ids()
    if of_trace is not None:
        event["logging.googleapis.com/trace"] = f"projects/{_project}/traces/{of_trace[0]}"
        event["logging.googleapis.com/spanId"] = of_trace[1]
    labels = {name: event[name] for name in ("notification_id", "channel") if isinstance(event.get(name), str)}
    if labels:
        event["logging.googleapis.com/labels"] = labels
    return event


class _Quiet(logging.Handler):
    """Passes a library's record on as its logger's name, level and place, without its text."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        get_logger(record.name).log(
            min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL),  # structlog knows no level between
            "a library logged",
            at=f"{record.filename}:{record.lineno}",
            error=place(error) if error else None,
        )
