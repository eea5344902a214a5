"""The contract of whatever reads a provider's requests: a genuine one is read, anything else raises one of two errors.

A receipt reader inherits ReceiptContract, one of replies SignedContract, and says how a genuine request of its provider
is made. The lab signs, the SDK verifies: neither can be wrong in the same way as the other.
"""

import base64
import binascii
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from shared.delivery.errors import ForgedReceipt, MalformedReceipt
from shared.delivery.model import DeliveryStatus, Receipt
from shared.sending.receipts import ReceiptReader, ReceiptRequest

AT = datetime(2026, 11, 5, 12, 0, 0, 250_000, UTC)
NOTIFICATION_ID = "5b3c9cde-0001-4000-8000-000000000001"
CANARY = "canary"
LEAST_FORGERIES = 250

Forgeries = Iterator[tuple[str, ReceiptRequest]]
Pairs = Sequence[tuple[str, str]]


def headers_of(pairs: Pairs) -> Headers:
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in pairs])


# Bodies, signatures and targets that nobody would send.
arbitrary = given(body=st.binary(max_size=300), signature=st.text(max_size=120), target=st.text(max_size=80))


class SignedContract:
    """What holds for every reader of signed requests."""

    signature_header: str

    def reader(self) -> Any:
        """A ReceiptReader, or a ReplyReader."""
        raise NotImplementedError

    def genuine(self) -> ReceiptRequest:
        """A request that says something, with CANARY in every text that may repeat an address."""
        raise NotImplementedError

    def signed_by_another(self) -> ReceiptRequest:
        """The same with the signature of somebody else's key."""
        raise NotImplementedError

    def forgeries_of_its_own(self) -> Forgeries:
        """What can be forged with this provider alone."""
        raise NotImplementedError

    # What the suite does with them

    def read(self, request: ReceiptRequest) -> Any:
        return self.reader().read(request)

    def test_a_genuine_one_can_come_again(self) -> None:
        reader, request = self.reader(), self.genuine()
        assert reader.read(request) == reader.read(request)

    def test_every_forgery_is_refused_as_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        forgeries = list(self.forgeries())
        assert len(forgeries) >= LEAST_FORGERIES
        reader = self.reader()
        assert reader.read(self.genuine())
        for name, request in forgeries:
            with pytest.raises(ForgedReceipt) as raised:
                pytest.fail(f"{name} was read: {reader.read(request)}")
            assert CANARY not in str(raised.value), name
        assert CANARY not in "".join(capsys.readouterr())

    def forgeries(self) -> Forgeries:
        genuine = self.genuine()
        yield "another's key", self.signed_by_another()
        for name, value in signatures(genuine.headers[self.signature_header]):
            yield f"signature {name}", self.with_signature(genuine, value)
        signature = genuine.headers[self.signature_header]
        yield "no signature", self.with_signature(genuine)
        yield "signature twice", self.with_signature(genuine, signature, signature)
        yield "signature, then another", self.with_signature(genuine, signature, "x")
        yield "another, then the signature", self.with_signature(genuine, "x", signature)
        for name, body in changed(genuine.body):
            yield f"body {name}", replace(genuine, body=body)
        yield from self.forgeries_of_its_own()

    def with_signature(self, request: ReceiptRequest, *values: str) -> ReceiptRequest:
        return with_header(request, self.signature_header, *values)

    def refuses(self, body: bytes, signature: str, target: str) -> None:
        """For a test of each reader's own: hypothesis wants no test that classes share."""
        genuine = self.genuine()
        for request in (
            replace(genuine, body=body),
            replace(genuine, body=body, target=target),
            self.with_signature(genuine, signature),
        ):
            if (request.body, request.headers) != (genuine.body, genuine.headers):
                with pytest.raises((ForgedReceipt, MalformedReceipt)):
                    self.read(request)


class ReceiptContract(SignedContract):
    """What holds for every reader of receipts."""

    def reader(self) -> ReceiptReader:
        raise NotImplementedError

    def genuine(self, status: DeliveryStatus = DeliveryStatus.DELIVERED) -> ReceiptRequest:
        """A request that says delivered or undelivered."""
        raise NotImplementedError

    def read(self, request: ReceiptRequest) -> Sequence[Receipt]:
        return self.reader().read(request)

    def test_a_genuine_one_is_read(self) -> None:
        [receipt] = self.read(self.genuine())
        assert receipt.status is DeliveryStatus.DELIVERED
        assert receipt.notification_id == NOTIFICATION_ID
        assert receipt.provider_message_id
        assert receipt.reason is None

    def test_of_its_two_words_one_overrules_the_other(self) -> None:
        said = [self.read(self.genuine(status))[0] for status in (DeliveryStatus.DELIVERED, DeliveryStatus.UNDELIVERED)]
        assert sorted(receipt.overrules for receipt in said) == [False, True]

    def test_undelivered_has_a_reason_without_an_address(self, capsys: pytest.CaptureFixture[str]) -> None:
        request = self.genuine(DeliveryStatus.UNDELIVERED)
        assert CANARY in request.body.decode()
        [receipt] = self.read(request)
        assert receipt.status is DeliveryStatus.UNDELIVERED
        assert receipt.reason
        assert CANARY not in repr(receipt)
        assert CANARY not in "".join(capsys.readouterr())


def with_header(request: ReceiptRequest, name: str, *values: str) -> ReceiptRequest:
    others = [(key, value) for key, value in request.headers.items() if key != name.lower()]
    return replace(request, headers=headers_of([*others, *((name, value) for value in values)]))


def signatures(genuine: str) -> Iterator[tuple[str, str]]:
    """Signatures that are not this one."""
    alphabet = string.ascii_letters + string.digits + "+/"
    for position, character in enumerate(genuine):
        other = alphabet[(alphabet.find(character) + 7) % len(alphabet)]
        yield f"changed at {position}", genuine[:position] + other + genuine[position + 1 :]
    for length in range(len(genuine)):
        yield f"cut to {length}", genuine[:length]
    try:
        raw = base64.b64decode(genuine)
    except binascii.Error:  # a token, which has parts
        raw = genuine.encode()
    others: Mapping[str, str] = {
        "twice over": genuine * 2,
        "in lower case": genuine.lower(),
        "with a line break": f"{genuine[:4]}\n{genuine[4:]}",
        "with what is not base64": f"{genuine[:4]}!?{genuine[4:]}",
        "with spaces": f" {genuine} ",
        "of the other alphabet": genuine.replace("=", "") + "-_",
        "not ASCII": "ü" + genuine[1:],
        "not ASCII at all": "é" * len(genuine),
        "huge": "A" * 1_000_000,
        "binary": "\x00\xff\x80",
        "in hex": raw.hex(),
        "of zeros": base64.b64encode(bytes(len(raw))).decode(),
        "backwards": base64.b64encode(raw[::-1]).decode(),
        "a word": "None",
        "a list": f"{genuine},{genuine}",
        "quoted": f'"{genuine}"',
    }
    yield from others.items()


def changed(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Bodies that are not this one."""
    for position in range(0, len(body), 2):
        yield f"changed at {position}", body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
    for length in range(0, len(body), 25):
        yield f"cut to {length}", body[:length]
    yield "with more", body + b"&More=1"
    yield "not UTF-8", body + b"\xff"
    yield "a gigantic one", body + b"x" * 1_000_000
    yield "of zeros", bytes(len(body))
