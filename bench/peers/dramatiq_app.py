"""FastAPI and dramatiq: `uvicorn bench.peers.dramatiq_app:api`, `dramatiq bench.peers.dramatiq_app`."""

import os
import uuid

import dramatiq  # type: ignore[import-not-found] # only the environment of `make bench` has it
from dramatiq.brokers.redis import RedisBroker  # type: ignore[import-not-found]
from fastapi import FastAPI

from bench.peers.sms import NotificationRequest, send

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))

api = FastAPI()


@dramatiq.actor(max_retries=5, min_backoff=1000, max_backoff=600_000)  # type: ignore[untyped-decorator]
def send_sms(to: str, message: str) -> None:
    send(to, message)


@api.post("/v1/notifications", status_code=202)
def notify(asked: NotificationRequest) -> dict[str, str]:
    """No `async`: FastAPI has what blocks in a thread, and publishing to Redis does."""
    send_sms.send(asked.to["sms"], asked.message)
    return {"id": str(uuid.uuid4()), "status": "queued"}
