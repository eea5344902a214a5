"""The gateway in this process, over the real Firestore and Pub/Sub emulators, each test in a project of its own."""

import asyncio
import base64
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc.aio
import httpx
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from functions.gateway.accept import Gateway
from functions.gateway.app import create_app, guarded
from functions.gateway.problems import MEDIA_TYPE, ProblemDetails
from functions.gateway.schemas import NotificationJson
from shared import pubsub
from shared.channels import Channel, load_channels, topic
from shared.errors import PublishFailed
from shared.firestore import rpc
from shared.firestore.store import FirestoreStore
from shared.model import Attempt, Delivery, DeliveryStatus, Outcome
from shared.pubsub import Message, Publisher, PubsubPublisher
from shared.settings import CoreSettings
from shared.state import Policy
from shared.store import Store

POLICY: Policy = CoreSettings(google_cloud_project="any").policy()
RETENTION = timedelta(days=30)
CLOSED_PORT = "127.0.0.1:1"  # nobody listens on tcpmux
WAIT = 10.0  # seconds, for what the emulator is sure to do

MINIMAL: Mapping[str, Any] = {"to": {"email": "a@example.com"}, "message": "Build 42 is live"}
FULL: Mapping[str, Any] = {
    "to": {"email": "a@example.com", "sms": "+14155552671", "slack": "#ops"},
    "channels": ["slack", "email"],
    "subject": "Deploy",
    "message": "Build 42 is live",
    "tags": {"team": "infra"},
}


@checked(config=ConfigDict(extra="forbid"))
class _Strict:
    """Carries the configuration that forbids keys which a schema does not declare."""


class Calls:
    """Counts the RPCs of the gRPC channels that it is given to."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.interceptors = [_Unary(self.made), _Stream(self.made)]

    def taken(self) -> dict[str, int]:
        """The calls by method since the last time."""
        made = dict(self.made)
        self.made.clear()
        return made


class _Unary(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc] # grpc has no types
    def __init__(self, made: Counter[str]) -> None:
        self._made = made

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        self._made[_method(details)] += 1
        return await continuation(details, request)


class _Stream(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc] # grpc has no types
    def __init__(self, made: Counter[str]) -> None:
        self._made = made

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        self._made[_method(details)] += 1
        return await continuation(details, request)


def _method(details: Any) -> str:
    method = details.method
    return str(method.decode() if isinstance(method, bytes) else method).rpartition("/")[2]
