"""FastAPI and Celery: `uvicorn bench.peers.celery_app:api`, `celery -A bench.peers.celery_app worker`.

With the two settings that Celery's documentation has for tasks that must not be lost with their worker.
"""

import os
import uuid

from celery import Celery, Task  # type: ignore[import-not-found] # only the environment of `make bench` has it
from fastapi import FastAPI

from bench.peers.sms import NotificationRequest, send

app = Celery("peers", broker=os.environ["REDIS_URL"])
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, task_ignore_result=True)

api = FastAPI()


@app.task(  # type: ignore[untyped-decorator]
    bind=True, autoretry_for=(Exception,), retry_backoff=True, retry_backoff_max=600, max_retries=5
)
def send_sms(_: Task, to: str, message: str) -> None:
    send(to, message)


@api.post("/v1/notifications", status_code=202)
def notify(asked: NotificationRequest) -> dict[str, str]:
    """No `async`: FastAPI has what blocks in a thread, and publishing to Redis does."""
    send_sms.delay(asked.to["sms"], asked.message)
    return {"id": str(uuid.uuid4()), "status": "queued"}
