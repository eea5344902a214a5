"""One call of Apprise, in a process of its own, which is killed when its time is up.

Apprise blocks, and reads what it is answered for as long as it comes: a thread that does so cannot be ended. What it
says of a call is a bare yes or no, so what its plugin logs is read for the reason.
"""

import json
import logging
import re
import signal
import sys
from dataclasses import asdict, dataclass
from typing import Any

import apprise

_STATUS = re.compile(r"error=([1-5][0-9]{2})\.$")
# As requests has them: the host, the kind of error, and what the system said.
_UNREACHED = re.compile(
    r"Socket Exception: HTTPS?Connection(Pool)?\(.*(NewConnectionError|NameResolutionError|ConnectTimeoutError)\("
)
_LONGEST_SECONDS = 120  # more than any deadline of a send
_WITH_HEADERS = re.compile("(json|xml|form)s?://")


@dataclass(frozen=True, slots=True)
class Said:
    """status: that the service answered; unreached: nothing was sent, as there was no connection"""

    accepted: bool
    status: int | None = None
    unreached: bool = False


class _Reason(logging.Handler):
    """Reads the status, and whether there was a connection, of what the plugin says itself: the message's text and the
    service's answer are logged, too, and may say anything.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.status: int | None = None
        self.unreached = False

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.levelno >= logging.WARNING:
            found = _STATUS.search(said)
            self.status = int(found[1]) if found is not None else self.status
        elif said.startswith("Socket Exception: "):
            self.unreached = self.unreached or _UNREACHED.match(said) is not None


def target(url: str) -> Any:
    """What Apprise makes of a URL: one target of one service. Raises ValueError, without the URL."""
    asset = apprise.AppriseAsset(
        async_mode=False,
        default_service_retry=0,
        http_redirects=False,
        pem_autogen=False,
        pgp_autogen=False,
        plugin_paths=[],
        secure_logging=True,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    made = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if made is None:
        raise ValueError("is no URL that Apprise can read")
    if len(made) != 1:
        raise ValueError(f"has {len(made)} targets, and each needs a name of its own")
    return made


def notify(url: str, title: str, body: str, notification_id: str) -> Said:
    """Raises ValueError where the URL is none."""
    if _WITH_HEADERS.match(url):
        # Whoever is told can know a repeat by it.
        url += f"{'&' if '?' in url else '?'}+X-Hark-Notification-Id={notification_id}"
    made, reason = target(url), _Reason()
    log = logging.getLogger("apprise")
    log.setLevel(logging.DEBUG)
    log.propagate = False
    log.handlers = [reason]
    accepted = bool(made.notify(body=body, title=title, notify_type=apprise.NotifyType.INFO))
    return Said(accepted, reason.status, reason.unreached)


if __name__ == "__main__":
    signal.alarm(_LONGEST_SECONDS)  # also where whoever began it has died
    json.dump(asdict(notify(**json.load(sys.stdin))), sys.stdout)
