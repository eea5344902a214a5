"""What clients and logs see when something behind the gateway fails, and what they never see."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from functions.gateway.notifications import acceptance
from shared.delivery.errors import StoreUnavailable
from shared.delivery.model import Notification
from shared.google.firestore import rpc
from shared.google.firestore.store import FirestoreStore
from shared.google.publisher import PUBLISH_TIMEOUT, PubsubPublisher, connect
from shared.runtime import logs
from tests.integration.gateway import CLOSED_PORT, MINIMAL, BrokenPublisher, Hark, client_of, nothing_done, problem

CANARY = "canary7f3a"
ID = "6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4"
EMAIL = {"addresses": {"email": "a@example.com"}}


@pytest.fixture
async def storeless(hark: Hark) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway whose Firestore is a port where nobody listens."""
    async with rpc.connect(CLOSED_PORT) as channel:
        store = FirestoreStore(rpc.Rpc(channel, f"projects/{hark.project}/databases/(default)"))
        async with client_of(replace(hark.gateway, store=store), hark.key) as client:
            yield client


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/notifications", MINIMAL),
        ("GET", "/v1/notifications", None),
        ("GET", "/v1/notifications?status=dead", None),
        ("GET", f"/v1/notifications/{ID}", None),
        ("PUT", "/v1/recipients/alice", EMAIL),
        ("GET", "/v1/recipients/alice", None),
        ("GET", "/v1/recipients", None),
        ("DELETE", "/v1/recipients/alice", None),
        ("GET", "/v1/dead-letters", None),
        ("POST", f"/v1/dead-letters/{ID}/email/replay", None),
        ("DELETE", f"/v1/dead-letters/{ID}/email", None),
    ],
)
async def test_without_its_store_each_route_answers_503_in_bounded_time(
    hark: Hark, storeless: httpx.AsyncClient, method: str, path: str, body: Any
) -> None:
    began = time.monotonic()
    answer = await storeless.request(method, path, json=body)
    assert time.monotonic() - began < acceptance.CREATE_SECONDS + rpc.WRITE_TIMEOUT + rpc.READ_TIMEOUT
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert "Publish" not in hark.calls.taken()


async def test_a_request_that_is_wrong_is_told_so_even_without_a_store(storeless: httpx.AsyncClient) -> None:
    problem(
        await storeless.post("/v1/notifications", json={"to": {"email": "nobody"}, "message": "Hi"}), 422, "to.email"
    )
    problem(await storeless.get("/v1/notifications/x"), 404)
    assert (await storeless.get("/healthz")).status_code == 200
    assert (await storeless.get("/v1/channels")).status_code == 200


async def test_without_pubsub_a_notification_stays_on_record_and_the_answer_is_503(hark: Hark) -> None:
    async with connect(CLOSED_PORT) as channel:
        publisher = PubsubPublisher(channel, hark.project)
        async with client_of(replace(hark.gateway, publisher=publisher), hark.key) as client:
            began = time.monotonic()
            answer = await client.post("/v1/notifications", json=MINIMAL)
    assert time.monotonic() - began < 3 * PUBLISH_TIMEOUT
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    (kept,) = (await hark.client.get("/v1/notifications")).json()["items"]
    assert kept["status"] == "queued"


async def test_one_topics_failure_does_not_keep_the_others_messages_back(hark: Hark) -> None:
    await hark.sent()
    url = f"http://{hark.pubsub}/v1/projects/{hark.project}/topics/notifications-email"
    (await hark.emulators.delete(url)).raise_for_status()
    problem(await hark.send(to={"email": "a@example.com", "sms": "+14155552671"}), 503)
    assert len(await hark.published("sms")) == 1


async def test_a_fault_of_ours_is_a_500_that_says_nothing_of_it(
    hark: Hark, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def faulty(*_: Any, **__: Any) -> Notification:
        raise RuntimeError(CANARY)

    logs.configure()
    monkeypatch.setattr(hark.store, "notification", faulty)
    answer = await hark.client.get(f"/v1/notifications/{ID}")

    problem(answer, 500)
    said = capfd.readouterr()
    assert CANARY not in answer.text + said.out + said.err
    events = [json.loads(line) for line in said.out.splitlines()]
    assert any(e["severity"] == "ERROR" and e["error"].startswith("RuntimeError at test_gateway_") for e in events)
    assert (await hark.client.get("/v1/notifications")).status_code == 200  # it goes on serving


Request = Callable[[Hark], Awaitable[httpx.Response]]


def post(headers: dict[str, str] | None = None, **body: Any) -> Request:
    return lambda hark: hark.send(headers, **body)


def put(body: Any) -> Request:
    return lambda hark: hark.client.put("/v1/recipients/alice", json=body)


def get(path: str) -> Request:
    return lambda hark: hark.client.get(path)


def raw(body: str) -> Request:
    return lambda hark: hark.client.post("/v1/notifications", content=body)


@pytest.mark.parametrize(
    "request_",
    [
        post(message=f"{CANARY}\x00"),
        post(message=CANARY * 20_000),
        post(message=[CANARY]),
        post(subject=f"{CANARY}\n"),
        post(subject=CANARY * 100),
        post(to={"email": CANARY}),
        post(to={"email": f"{CANARY}@localhost"}),
        post(to={"email": f"{CANARY} <a@example.com>"}),
        post(to={"sms": f"+1{CANARY}"}),
        post(to={"slack": f"{CANARY} x"}),
        post(to=CANARY),
        post(to=[CANARY]),
        post(to=None, recipient=CANARY),
        post(to=None, recipient=f"{CANARY}/x"),
        post(recipient=CANARY),
        post(channels=[CANARY]),
        post(channels=CANARY),
        post(tags={"team": f"{CANARY}\x00"}),
        post(tags={"team": CANARY * 100}),
        post(tags=CANARY),
        post(unknown=CANARY),
        post({"Idempotency-Key": f"{CANARY} {CANARY}"}),
        post({"Idempotency-Key": CANARY * 100}),
        put({"addresses": {"email": CANARY, "sms": CANARY, "slack": f"<{CANARY}>"}}),
        put({"name": CANARY, "addresses": {"email": f"{CANARY}@example.com"}}),
        put([CANARY]),
        raw(CANARY),
        raw(f'"{CANARY}"'),
        raw(f'{{"message": "{CANARY}'),
        raw(f'{{"message": "{CANARY}\n"}}'),
        raw(f'{{"message": "{CANARY}\\ud800"}}'),
        raw(f'{{"message": {CANARY}}}'),
        get(f"/v1/notifications/{CANARY}"),
        get(f"/v1/notifications?cursor={CANARY}"),
        get(f"/v1/notifications?status={CANARY}"),
        get(f"/v1/notifications?limit={CANARY}"),
        get(f"/v1/notifications?recipient={CANARY}/x"),
        get(f"/v1/recipients/{CANARY}"),
        get(f"/v1/dead-letters?channel={CANARY}"),
        get(f"/{CANARY}"),
    ],
)
async def test_a_refusal_repeats_nothing_of_what_was_sent(
    hark: Hark, capfd: pytest.CaptureFixture[str], request_: Request
) -> None:
    logs.configure()
    async with nothing_done(hark):
        answer = await request_(hark)
    assert 400 <= answer.status_code < 500
    problem(answer, answer.status_code)
    said = capfd.readouterr()
    assert CANARY not in answer.text + str(answer.headers) + said.out + said.err


async def test_a_503_and_its_log_repeat_nothing_of_what_was_sent(
    hark: Hark, storeless: httpx.AsyncClient, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure()
    monkeypatch.setattr(acceptance, "CREATE_SECONDS", 0.3)
    body = {
        "to": {"email": f"{CANARY}@example.com", "slack": f"#{CANARY}"},
        "subject": CANARY,
        "message": CANARY,
        "tags": {CANARY: CANARY},
    }
    headers = {"Idempotency-Key": CANARY}
    broken = BrokenPublisher(hark.gateway.publisher)
    async with client_of(replace(hark.gateway, publisher=broken), hark.key) as unpublished:
        answers = [
            await client.post("/v1/notifications", json=body, headers=headers) for client in (storeless, unpublished)
        ]
    for answer in answers:
        problem(answer, 503)
        assert CANARY not in answer.text
    said = capfd.readouterr()
    assert len(said.out.splitlines()) == 2
    assert CANARY not in said.out + said.err


async def test_an_accepted_notification_leaves_nothing_of_itself_in_the_log(
    hark: Hark, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    await hark.send({"Idempotency-Key": CANARY}, message=CANARY, subject=CANARY, tags={CANARY: CANARY})
    said = capfd.readouterr()
    assert CANARY not in said.out + said.err


async def test_a_replay_without_the_store_changes_nothing(hark: Hark, monkeypatch: pytest.MonkeyPatch) -> None:
    notification_id = await hark.dead()

    async def unavailable(*_: Any) -> int:
        raise StoreUnavailable("a test")

    monkeypatch.setattr(hark.store, "update", unavailable)
    async with nothing_done(hark):
        problem(await hark.client.post(f"/v1/dead-letters/{notification_id}/email/replay"), 503)
