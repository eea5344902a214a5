"""The systems that are told of events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Optional, Union

from hark_client.models import Endpoint, EventDelivery, Operation, SentTest
from hark_client.operations import NOTHING, Resource, S, operation, paged
from hark_client.sending import Sends


class Endpoints(Resource[S]):
    @operation("PUT", "/v1/endpoints/{name}", Endpoint)
    def put(self, name: str, *, url: str, events: Sequence[str]) -> Sends:
        """Make it, or change it. Its `secret` is in the answer that makes it; whoever missed it calls `rotate`."""
        return Sends(path={"name": name}, json={"url": url, "events": events})

    @operation("GET", "/v1/endpoints/{name}", Endpoint)
    def get(self, name: str) -> Sends:
        return Sends(path={"name": name})

    @paged("/v1/endpoints", Endpoint)
    def list(self, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> Sends:
        return Sends(query={"limit": limit, "cursor": cursor})

    @operation("DELETE", "/v1/endpoints/{name}", NOTHING)
    def delete(self, name: str) -> Sends:
        return Sends(path={"name": name})

    @operation("POST", "/v1/endpoints/{name}/rotate", Endpoint)
    def rotate(self, name: str, *, old_secret_seconds: int = 86_400) -> Sends:
        """A new `secret`, shown this once. Those of before sign besides it for so long."""
        return Sends(path={"name": name}, json={"old_secret_seconds": old_secret_seconds})

    @operation("POST", "/v1/endpoints/{name}/test", SentTest, takes_key=True)
    def test(self, name: str, *, idempotency_key: Optional[str] = None) -> Sends:
        """Send it an event of the type `endpoint.test`."""
        return Sends(path={"name": name}, idempotency_key=idempotency_key)

    @paged("/v1/endpoints/{name}/deliveries", EventDelivery)
    def deliveries(self, name: str, *, limit: Optional[int] = None, cursor: Optional[str] = None) -> Sends:
        """What was sent to it, the latest first."""
        return Sends(path={"name": name}, query={"limit": limit, "cursor": cursor})

    @operation("POST", "/v1/endpoints/{name}/replay", Operation, takes_key=True)
    def replay(
        self,
        name: str,
        *,
        from_: Union[datetime, str],
        to: Union[datetime, str, None] = None,
        idempotency_key: Optional[str] = None,
    ) -> Sends:
        """Send it all events of this time again, each with its old id."""
        until = {} if to is None else {"to": to}
        return Sends(path={"name": name}, json={"from": from_, **until}, idempotency_key=idempotency_key)
