"""Forged pushes: what may be wrong with a push's token, and what with its body."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.sending.messages import Message
from tests.fakes.issuer import AUDIENCE, EMAIL, Issuer, ec_key, jwk, rsa_key, segment

Authorization = Sequence[bytes]
"""The values of a request's Authorization headers."""

WEAK, FOR_ENCRYPTION = "weak", "enc"  # ids of keys that the issuer has and nobody must accept


def forged_tokens(issuer: Issuer) -> Mapping[str, Callable[[], Authorization]]:
    """By what is wrong with them. The issuer's key set must hold the `extra_keys`."""
    cases: dict[str, Callable[[], Authorization]] = {
        name: partial(_bearer, partial(issuer.token, **changes)) for name, changes in _claims(issuer).items()
    }
    cases |= {name: partial(_bearer, made) for name, made in (_signed(issuer) | _mangled(issuer)).items()}
    return cases | _headers(issuer)


def extra_keys() -> list[dict[str, Any]]:
    return [jwk(rsa_key(WEAK, 1024), WEAK), jwk(rsa_key(FOR_ENCRYPTION), FOR_ENCRYPTION, use="enc")]


def _bearer(made: Callable[[], str]) -> Authorization:
    return [b"Bearer " + made().encode()]


def _headers(issuer: Issuer) -> dict[str, Callable[[], Authorization]]:
    """A header that is none, around a token that is good."""

    def good() -> bytes:
        return issuer.token().encode()

    return {
        "no header": list,
        "empty header": lambda: [b""],
        "Bearer alone": lambda: [b"Bearer"],
        "Bearer and a space": lambda: [b"Bearer "],
        "the token alone": lambda: [good()],
        "Basic": lambda: [b"Basic " + base64.b64encode(b"user:" + good())],
        "Basic with a token": lambda: [b"Basic " + good()],
        "Token": lambda: [b"Token " + good()],
        "Bearer: with a colon": lambda: [b"Bearer: " + good()],
        "a tab for a space": lambda: [b"Bearer\t" + good()],
        "quoted": lambda: [b'Bearer "' + good() + b'"'],
        "as a parameter": lambda: [b"Bearer token=" + good()],
        "two words": lambda: [b"Bearer " + good() + b" " + good()],
        "two in one header": lambda: [b"Bearer " + good() + b", Bearer " + good()],
        "two headers": lambda: [b"Bearer " + good()] * 2,
        "two headers, one empty": lambda: [b"Bearer " + good(), b""],
        "two headers, one Basic": lambda: [b"Basic eDp5", b"Bearer " + good()],
        "bytes beyond ASCII": lambda: [b"Bearer " + good() + b"\xe9"],
        "only bytes beyond ASCII": lambda: [b"Bearer \xff\xfe.\xff.\xff"],
    }


def _claims(issuer: Issuer) -> dict[str, dict[str, Any]]:
    """Signed by the issuer, and saying what they must not."""
    now = issuer.claims()["iat"]
    missing = {f"no {name}": {name: ...} for name in ("iss", "aud", "sub", "exp", "iat", "email", "email_verified")}
    return missing | {
        "another audience": {"aud": "https://other.example"},
        "an audience with a slash": {"aud": AUDIENCE + "/"},
        "a longer audience": {"aud": AUDIENCE + ".evil.example"},
        "a shorter audience": {"aud": AUDIENCE[:-1]},
        "no audiences": {"aud": []},
        "other audiences": {"aud": ["https://other.example", AUDIENCE.upper()]},
        "an audience that is an object": {"aud": {AUDIENCE: AUDIENCE}},
        "an audience within audiences": {"aud": [[AUDIENCE]]},
        "another issuer": {"iss": "https://evil.example"},
        "an issuer with a slash": {"iss": issuer.url + "/"},
        "a longer issuer": {"iss": issuer.url + "@evil.example"},
        "Google by its old name": {"iss": "accounts.google.com"},
        "issuers": {"iss": [issuer.url]},
        "issuer null": {"iss": None},
        "a sub that is a number": {"sub": 7},
        "an empty sub": {"sub": ""},
        "expired": {"exp": now - 11, "iat": now - 3611},
        "expired long ago": {"exp": 0},
        "an expiry that is a text": {"exp": "4102444800"},
        "an expiry that is true": {"exp": True},
        "an expiry that is a list": {"exp": [4102444800]},
        "an expiry without end": {"exp": float("inf")},
        "an expiry that is no number": {"exp": float("nan")},
        "an expiry of 4,000 digits": {"exp": 10**4000},
        "an expiry below zero": {"exp": -1},
        "not yet valid": {"nbf": now + 60},
        "a beginning that is a text": {"nbf": "0"},
        "issued in the future": {"iat": now + 60},
        "issued at a text": {"iat": "0"},
        "another account": {"email": "other@project.iam.gserviceaccount.com"},
        "a longer account": {"email": EMAIL + ".evil.example"},
        "the account in capitals": {"email": EMAIL.upper()},
        "the account with a line end": {"email": EMAIL + "\n"},
        "accounts": {"email": [EMAIL]},
        "account null": {"email": None},
        "not verified": {"email_verified": False},
        "verified by a text": {"email_verified": "true"},
        "verified by a number": {"email_verified": 1},
        "verified by a list": {"email_verified": [True]},
        "huge": {"more": "x" * 10_000},
        "a claim in the wrong place": {"email": "x", "claims": {"email": EMAIL, "email_verified": True}},
    }


def _signed(issuer: Issuer) -> dict[str, Callable[[], str]]:
    """With a key or an algorithm that is not the issuer's for such tokens, or a header that says something else."""
    forger = rsa_key("forger")
    public = rsa_key("r1").public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    token = issuer.token
    brought: dict[str, Any] = {
        "jwk": jwk(forger, "mine"),
        "jku": issuer.url + "/mine",
        "x5u": issuer.url + "/mine",
        "x5c": [base64.b64encode(der).decode()],
    }
    cases: dict[str, Callable[[], str]] = {}
    for name, value in brought.items():
        cases[f"{name} of the forger's"] = partial(token, forger, header={"kid": "mine", name: value})
        cases[f"{name} and a known key id"] = partial(token, forger, header={"kid": "r1", name: value})
        cases[f"{name} and no key id"] = partial(token, forger, header={name: value})
    for kid in ("unknown", "", "../../etc/passwd", "r1\0", "R1", "' OR 1=1 --", "https://evil.example/k", "é" * 500):
        cases[f"the key id {kid[:30]!r}"] = partial(token, forger, header={"kid": kid})
    for odd in (None, 1, True, ["r1"], {"r1": 1}):
        cases[f"the key id {odd}"] = partial(token, header={"kid": odd})
    for bits in ("256", "384", "512"):
        for kind, secret in (
            ("PEM", pem),
            ("DER", der),
            ("JWK", json.dumps(jwk(rsa_key("r1"))).encode()),
            ("nothing", b""),
        ):
            cases[f"HS{bits}, its secret the public key as {kind}"] = partial(token, secret, f"HS{bits}")
    return cases | {
        "another's key": lambda: token(forger),
        "another's P-256 key": lambda: token(ec_key("forger"), "ES256", header={"kid": "e1"}),
        "the P-256 key's id for RS256": lambda: token(header={"kid": "e1"}),
        "the RSA key's id for ES256": lambda: token(ec_key("e1"), "ES256"),
        "ES256 claimed of an RSA signature": lambda: token(header={"kid": "r1", "alg": "ES256"}),
        "RS384": lambda: token(algorithm="RS384"),
        "RS512": lambda: token(algorithm="RS512"),
        "PS256": lambda: token(algorithm="PS256"),
        "ES384": lambda: token(ec_key("wide", ec.SECP384R1), "ES384", header={"kid": "e1"}),
        "a weak key of the issuer's": lambda: token(rsa_key(WEAK, 1024), header={"kid": WEAK}),
        "a key for encryption": lambda: token(rsa_key(FOR_ENCRYPTION), header={"kid": FOR_ENCRYPTION}),
        "an extension that is needed": lambda: token(header={"kid": "r1", "crit": ["exp"], "exp": 1}),
        "b64 that is needed": lambda: token(header={"kid": "r1", "crit": ["b64"], "b64": True}),
        "b64 false": lambda: token(header={"kid": "r1", "b64": False}),
        "algorithms": lambda: token(header={"kid": "r1", "alg": ["RS256", "none"]}),
    }


def _mangled(issuer: Issuer) -> dict[str, Callable[[], str]]:
    """Good tokens that were changed after they were signed."""
    token = issuer.token

    def part(n: int) -> str:
        return token().split(".")[n]

    def with_signature(signature: bytes | str, **header: Any) -> str:
        encoded = segment(signature) if isinstance(signature, bytes) else signature
        return f"{segment({'alg': 'RS256', 'kid': 'r1'} | header)}.{segment(issuer.claims())}.{encoded}"

    def flipped() -> str:
        head, claims, signature = token().split(".")
        data = bytearray(base64.urlsafe_b64decode(signature + "=="))
        data[-1] ^= 1
        return f"{head}.{claims}.{segment(bytes(data))}"

    cases: dict[str, Callable[[], str]] = {}
    for none in ("none", "None", "NONE", "nOnE", ""):
        cases[f"algorithm {none!r}"] = partial(with_signature, "", alg=none)
        cases[f"algorithm {none!r} with a signature"] = partial(with_signature, b"x" * 256, alg=none)
    cases["zeros for RS256"] = partial(with_signature, b"\0" * 256)
    cases["zeros for ES256"] = partial(with_signature, b"\0" * 64, alg="ES256", kid="e1")
    return cases | {
        "signature removed by Google": lambda: token().rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE",
        "no signature": lambda: with_signature(""),
        "no signature, no dot": lambda: token().rpartition(".")[0],
        "the header alone": lambda: part(0),
        "dots alone": lambda: "..",
        "cut short": lambda: token()[:-20],
        "cut in its claims": lambda: token()[: len(part(0)) + 40],
        "a bit flipped": flipped,
        "a dot before": lambda: "." + token(),
        "a dot after": lambda: token() + ".",
        "many dots": lambda: token().replace(".", ".."),
        "five parts": lambda: token() + "." + token().partition(".")[2],
        "twice": lambda: token() + token(),
        "another token's signature": lambda: f"{part(0)}.{segment(issuer.claims(email=EMAIL, jti='x'))}.{part(2)}",
        "another token's claims": lambda: f"{part(0)}.{segment(issuer.claims(aud=[AUDIENCE]))}.{part(2)}",
        "standard base64": lambda: token().replace(".", "+/."),
        "claims that are a list": lambda: f"{part(0)}.{segment([issuer.claims()])}.{part(2)}",
        "claims that are nested": lambda: f"{part(0)}.{segment(b'[' * 5000)}.{part(2)}",
        "claims that are no JSON": lambda: f"{part(0)}.{segment(b'claims')}.{part(2)}",
        "claims that are not UTF-8": lambda: f"{part(0)}.{segment(bytes([255, 254]))}.{part(2)}",
        "a header that is a list": lambda: f"{segment(['RS256'])}.{part(1)}.{part(2)}",
        "a header that is nested": lambda: f"{segment(b'[' * 5000)}.{part(1)}.{part(2)}",
        "of many megabytes": lambda: token() + "A" * 3_000_000,
    }


def push(data: bytes | str) -> bytes:
    """A push request's body, as Pub/Sub sends it."""
    encoded = base64.b64encode(data).decode() if isinstance(data, bytes) else data
    return json.dumps({"message": {"data": encoded, "messageId": "1"}, "subscription": "projects/p/s/s"}).encode()


def malformed_bodies(message: Message) -> Mapping[str, bytes]:
    """By what is wrong with them, next to a push of this message."""
    fields = message.model_dump(mode="json")
    text = message.model_dump_json()

    def changed(**changes: Any) -> bytes:
        return push(json.dumps(fields | changes).encode())

    return {
        "nothing": b"",
        "no JSON": b"notification",
        "cut short": push(text.encode())[:-30],
        "not UTF-8": b'{"message": {"data": "\xff\xfe"}}',
        "null": b"null",
        "a list": b"[" + push(text.encode()) + b"]",
        "nested JSON": b'{"message": ' * 2000,
        "nested data": push(b"[" * 2000),
        "a huge number": b'{"message": {"data": ' + b"9" * 5000 + b"}}",
        "a number beyond floats": b'{"message": {"data": 1e999}}',
        "no base64": push("!" + text),
        "base64 cut short": push(base64.b64encode(text.encode()).decode()[:-5]),
        "base64 for URLs": push("-_-_"),
        "a null byte": push(text.encode() + b"\0"),
        "two messages": push((text + text).encode()),
        "another channel": changed(channel="sms"),
        "the channel is a path": changed(channel="../email"),
        "the channel in other letters": changed(channel="еmail"),
        "the id is a path": changed(notification_id="../../recipients/alice"),
        "the id is a path in disguise": changed(notification_id="..%2f..%2frecipients"),
        "the id is wide": changed(notification_id="１" * 36),
        "the id is a number": changed(notification_id=10**400),
        "the id is a list": changed(notification_id=[message.notification_id]),
        "the content is a list": changed(content=[1]),
        "the version is huge": changed(content=fields["content"] | {"version": "9" * 5000}),
        "the version is beyond floats": push(text.replace(str(fields["content"]["version"]), "1e999").encode()),
        "another field": changed(admin=True),
        "a field of objects": changed(__proto__={"admin": True}),
        "the id twice, the last a path": push(text.replace("}}", '},"notification_id":"../x"}').encode()),
    }
