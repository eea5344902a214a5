"""What anybody can have the gateway do before they are known: next to nothing, whatever they send."""

import asyncio
import base64
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.types import ASGIApp

from functions.email.sendgrid_receipts import SendGridReceipts
from functions.gateway.access.authentication import CallerCache, Identity
from functions.gateway.access.identity_aware_proxy import HEADER as IAP
from functions.gateway.application import application
from functions.gateway.openapi import openapi
from functions.gateway.web import docs_page
from functions.sms.twilio_receipts import TwilioReceipts
from functions.sms.twilio_replies import TwilioReplies
from functions.sms.vonage_receipts import VonageReceipts
from shared.http.openid_connect import Verifier
from shared.people.unsubscribe_tokens import LONGEST, UnsubscribeTokens
from shared.sending.receipts import ReceiptReader
from shared.sending.replies import ReplyReader
from tests.fakes.callers import MemoryCallers
from tests.fakes.issuer import segment
from tests.fakes.work import Work, counted
from tests.unit.gateway.test_application import a_gateway

# 3 ms, by what a call takes (0.2 µs) and a byte (0.5 ns, decoded). An idle request to FastAPI has about 1,000 calls.
MOST_CALLS = 15_000
MOST_READ = 400_000

AT = datetime(2026, 11, 5, 12, tzinfo=UTC)
URL = "https://hark.example.com"
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
READERS: Mapping[str, ReceiptReader] = {
    "twilio": TwilioReceipts("token", URL),
    "vonage": VonageReceipts("secret"),
    "sendgrid": SendGridReceipts(PUBLIC),
}
REPLIES: Mapping[str, ReplyReader] = {"twilio": TwilioReplies("token", URL)}
SCRIPT = "/docs/swagger-ui-bundle.js"
TWILIO, SENDGRID, INBOUND = "/v1/receipts/twilio", "/v1/receipts/sendgrid", "/v1/inbound/twilio"
LINK = "/u/" + "A" * LONGEST
SIGNATURE = "X-Twilio-Signature"
EVENTS = "X-Twilio-Email-Event-Webhook-"

Headers = Sequence[tuple[str, str]]


def twilio(signature: str = "A" * 27 + "=", type_: str = "application/x-www-form-urlencoded") -> Headers:
    return [(SIGNATURE, signature), ("Content-Type", type_)]


def sendgrid(signature: str = "MAYC" + "A" * 88 + "AQ==", at: float = 0) -> Headers:
    return [(EVENTS + "Signature", signature), (EVENTS + "Timestamp", str(int(AT.timestamp() - at)))]


@dataclass
class Answer:
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    taken: int = 0
    """Bytes of the request's body."""


async def ask(
    app: ASGIApp,
    method: str,
    target: str,
    headers: Headers = (),
    body: bytes = b"",
    part: int = 65_536,
) -> Answer:
    """As the server hands a request on, its body in parts of so many bytes."""
    path, _, query = target.partition("?")
    answer, parts = Answer(), iter([body[at : at + part] for at in range(0, len(body), part)])

    async def receive() -> Any:
        chunk = next(parts, b"")
        answer.taken += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": answer.taken < len(body)}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], message["headers"]
        else:
            answer.body += message.get("body", b"")

    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode()}
    rest = {"http_version": "1.1", "scheme": "http", "root_path": "", "server": ("hark", 80), "client": ("x", 1)}
    await app({**scope, **rest, "headers": raw, "asgi": {"version": "3.0"}}, receive, send)
    return answer


@pytest.fixture(scope="module")
def app() -> ASGIApp:
    async def made() -> ASGIApp:
        gateway, *_ = await a_gateway()
        identity = Identity(
            *(CallerCache(MemoryCallers()), Verifier(["https://issuer.example"], ["hark"]), True, "s" * 16),
            proxy=Verifier(["https://issuer.example"], ["hark"]),
        )
        tokens = UnsubscribeTokens([letter * 32 for letter in "abcde"])
        tokens.opened(LINK.rpartition("/")[2])  # what is imported once is
        with_all = replace(
            gateway,
            readers=READERS,
            reply_readers=REPLIES,
            identity=identity,
            unsubscribe_tokens=tokens,
            now=lambda: AT,
        )
        app = application(with_all)
        for target in ("/docs", SCRIPT, "/openapi.json", "/console"):
            assert (await ask(app, "GET", target)).status == 200
        return app

    return asyncio.run(made())


def forms() -> Iterator[tuple[str, bytes]]:
    for size in (8 * 1024, 16 * 1024, 1_000_000):
        yield f"{size} of %41", (b"%41" * size)[:size]
        yield f"{size} of %C3%A4", (b"%C3%A4" * size)[:size]
        yield f"{size} of fields", (b"a&" * size)[:size]
        yield f"{size} of names", (b"a=1&" * size)[:size]
        yield f"{size} of letters", b"a=" + b"x" * (size - 2)
        yield f"{size} of no UTF-8", b"\xff" * size
        for fields in (50, 60, 100):
            part = b"%41" * (size // 3 // fields - 2)
            yield f"{size} in {fields} fields", b"&".join(b"%41=" + part for _ in range(fields))


def batches() -> Iterator[tuple[str, bytes]]:
    for size in (800 * 1024, 5_000_000):
        yield f"{size} of brackets", b"[" * size
        yield f"{size} of events", (b'[{"event":"delivered"},' * size)[:size]
        yield f"{size} of umlauts", ("ä" * size).encode()[:size]
        yield f"{size} of no UTF-8", b"\xff" * size


def tokens() -> Iterator[tuple[str, str]]:
    yield "a long one", "e" * 60_000
    yield "of dots", "." * 60_000
    yield "long claims", f"{segment({'alg': 'RS256'})}.{'A' * 60_000}.x"
    yield "the longest", f"{segment({'alg': 'RS256', 'kid': 'x'})}.{segment({'iss': 'https://issuer.example' * 200})}.x"
    yield "deep", f"{segment({'alg': 'RS256'})}.{segment(b'[' * 5000)}.x"
    yield "a long key", "hark_live_0123456789abcdef_" + "A" * 60_000
    yield "blanks", " " * 60_000 + "x"


# What is asked, how, and what is answered.
CASES: dict[str, tuple[str, str, Headers, bytes, set[int]]] = {
    **{f"twilio: {name}": ("POST", TWILIO, twilio(), body, {403, 413}) for name, body in forms()},
    **{f"inbound: {name}": ("POST", INBOUND, twilio(), body, {403, 413}) for name, body in forms()},
    **{f"sendgrid: {name}": ("POST", SENDGRID, sendgrid(), body, {403, 413}) for name, body in batches()},
    "twilio: a long query": ("POST", f"{TWILIO}?{'a=%41&' * 2000}", twilio(), b"a=1", {403, 414}),
    "twilio: a query of one": ("POST", f"{TWILIO}?{'%41' * 5000}", twilio(), b"a=1", {403}),
    "twilio: many signatures": ("POST", TWILIO, [(SIGNATURE, "x")] * 3000, b"a=1", {403}),
    "sendgrid: a huge signature": ("POST", SENDGRID, sendgrid("A" * 60_000), b"[]", {403}),
    **{f"a token: {n}": ("GET", "/v1/channels", [("Authorization", f"Bearer {t}")], b"", {401}) for n, t in tokens()},
    **{
        f"an assertion of Identity-Aware Proxy: {n}": (
            "GET",
            "/v1/channels",
            [(IAP, t), ("Sec-Fetch-Site", "same-origin")],
            b"",
            {401},
        )
        for n, t in tokens()
    },
    "assertions of Identity-Aware Proxy": ("GET", "/v1/channels", [(IAP, "x.y.z")] * 3000, b"", {401}),
    **{
        f"{name}: {method} {target[:50]}": (
            method,
            target + query,
            headers,
            b"x" * 1_000_000,
            {401, 404, 405, 414, 200},
        )
        for method, target in (
            ("POST", "/v1/notifications"),
            ("GET", "/v1/notifications"),
            ("HEAD", "/v1/notifications"),
            ("PUT", "/v1/recipients/alice"),
            ("POST", "/v1/callers"),
            ("DELETE", "/v1/dead-letters/6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4/email"),
            ("POST", "/v1/receipts/nobody"),
            ("GET", "/docs"),
            ("GET", SCRIPT),
            ("GET", "/docs/nothing"),
            ("GET", "/console"),
            ("GET", "/console/main.js"),
            ("GET", "/console/nothing.js"),
            ("PATCH", "/console"),
            ("GET", "/openapi.json"),
            ("GET", "/healthz"),
            ("PATCH", "/docs"),
            ("GET", LINK),
            ("POST", LINK),
            ("POST", LINK * 20),
            ("GET", "/" + "a/" * 5_000),
        )
        for name, query, headers in (
            ("plain", "", ()),
            ("a query of fields", "?" + "a&" * 32_000, ()),
            ("a query of escapes", "?a=" + "%41" * 20_000, ()),
            ("the most parameters", "?" + "%41=%41&" * 99, ()),
            ("the longest query", "?" + "%41" * 1_900, ()),
            ("cookies", "", [("Cookie", "a=b;" * 16_000)]),
            ("cookies apart", "", [("Cookie", "a=b;" * 16)] * 900),
            (
                "certificates",
                "",
                [
                    ("X-Client-Cert-Present", "true"),
                    ("X-Client-Cert-Chain-Verified", "true"),
                    ("X-Client-Cert-Uri-Sans", "QUFB," * 12_000),
                    ("X-Load-Balancer-Secret", "x" * 16),
                ],
            ),
        )
    },
}


@pytest.mark.parametrize("case", CASES)
async def test_it_costs_next_to_nothing(app: ASGIApp, case: str) -> None:
    method, target, headers, body, statuses = CASES[case]
    with counted() as work:
        answer = await ask(app, method, target, headers, body)
    assert answer.status in statuses
    assert work.calls < MOST_CALLS
    assert work.read < MOST_READ
    if not target.startswith(("/v1/receipts", "/v1/inbound")):
        assert answer.taken == 0


def test_the_measure_sees_what_it_is_for() -> None:
    """A form of 1 MB, as the reader would take it without its bound."""
    from urllib.parse import parse_qs  # noqa: PLC0415

    def work(do: Callable[[], object]) -> Work:
        with counted() as done:
            do()
        return done

    assert work(lambda: parse_qs("a=" + "%41" * 333_333)).calls > 20 * MOST_CALLS
    assert work(lambda: (b"x" * 1_000_000).decode().encode()).read > 2 * MOST_READ


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (TWILIO, ()),
        (TWILIO, twilio("short")),
        (TWILIO, twilio("!" * 27 + "=")),
        (TWILIO, [*twilio(), *twilio()]),
        (TWILIO, twilio(type_="application/json")),
        (TWILIO, [twilio()[0]]),
        (f"{TWILIO}?notification_id={'x' * 2000}", twilio()),
        (INBOUND, ()),
        (INBOUND, twilio("short")),
        (INBOUND, [*twilio(), *twilio()]),
        (INBOUND, twilio(type_="application/json")),
        (SENDGRID, ()),
        (SENDGRID, [sendgrid()[0]]),
        (SENDGRID, [sendgrid()[1]]),
        (SENDGRID, sendgrid("x" * 5000)),
        (SENDGRID, sendgrid("")),
        (SENDGRID, sendgrid(at=301)),
        (SENDGRID, sendgrid(at=-301)),
        (SENDGRID, [*sendgrid(), *sendgrid()]),
    ],
)
async def test_what_its_head_gives_away_is_refused_before_its_body_is_read(
    app: ASGIApp, target: str, headers: Headers
) -> None:
    answer = await ask(app, "POST", target, headers, b"x" * 1000)
    assert (answer.status, answer.taken) == (403, 0)


@pytest.mark.parametrize(
    ("target", "headers", "limit"),
    [
        (TWILIO, twilio(), TwilioReceipts.body_limit),
        (SENDGRID, sendgrid(), SendGridReceipts.body_limit),
        (INBOUND, twilio(), TwilioReplies.body_limit),
    ],
)
async def test_no_more_is_read_than_the_provider_sends(app: ASGIApp, target: str, headers: Headers, limit: int) -> None:
    assert (await ask(app, "POST", target, headers, b"x" * limit, 1024)).status == 403
    answer = await ask(app, "POST", target, headers, b"x" * (4 * limit), 1024)
    assert (answer.status, answer.taken) == (413, limit + 1024)
    declared = await ask(app, "POST", target, [*headers, ("Content-Length", str(limit + 1))], b"x" * limit)
    assert (declared.status, declared.taken) == (413, 0)


def test_the_bounds_are_those_of_what_the_providers_send() -> None:
    limits = {"twilio": 8192, "vonage": 8192, "sendgrid": 800 * 1024}
    assert {name: reader.body_limit for name, reader in READERS.items()} == limits
    assert {name: reader.body_limit for name, reader in REPLIES.items()} == {"twilio": 16 * 1024}


async def test_the_pages_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def watched(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
        def making(*args: Any) -> Any:
            made.append(name)
            return make(*args)

        return making

    monkeypatch.setattr(docs_page, "assets", watched("assets", docs_page.assets))
    monkeypatch.setattr("functions.gateway.fastapi_app.openapi", watched("openapi", openapi))
    gateway, *_ = await a_gateway()
    app = application(gateway)
    for method, target in itertools.product(("GET", "HEAD"), ("/openapi.json", "/docs", SCRIPT, "/docs/start.js")):
        answers = await asyncio.gather(*(ask(app, method, target) for _ in range(5)))
        assert len({answer.body for answer in answers}) == 1
    assert made.count("assets") == 1
    assert made.count("openapi") <= 2
