"""Every receipt reader, held to the contract in receipts.py, and what only one of them has."""

import base64
import contextlib
import hashlib
import importlib
import json
import re
import string
import subprocess
import sys
from codecs import BOM_UTF8
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook
from twilio.rest.api.v2010.account.message import MessageInstance
from vonage_jwt import verify_signature

from emulator.lab.callbacks import Callback
from emulator.lab.providers.vonage_receipts import VonageReporter
from functions.email.sendgrid_receipts import CLASSES, COMPLAINTS, DROPS, EVENTS, LISTED, SendGridReceipts
from functions.sms import vonage_codes, vonage_receipts
from functions.sms.twilio_receipts import TwilioReceipts
from functions.sms.vonage_receipts import VonageReceipts
from shared.channels.registry import ALL, load_channels
from shared.delivery.errors import ForgedReceipt, MalformedReceipt
from shared.delivery.model import DeliveryStatus, Receipt, SuppressionReason
from shared.providers.twilio.reasons import REASONS, SUPPRESSES
from shared.providers.twilio.status_callbacks import OF_MESSAGES
from shared.sending.receipts import ReceiptRequest
from tests.contract.receipts import (
    AT,
    CANARY,
    NOTIFICATION_ID,
    Forgeries,
    ReceiptContract,
    arbitrary,
    headers_of,
    with_header,
)
from tests.contract.twilio_signed import URL, TwilioSigned
from tests.e2e.stack import ROOT

MESSAGE_ID = "SM" + "0a" * 16
UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
SECRET = "a-signature-secret-of-32-letters"  # pragma: allowlist secret
GONE = "the number is no longer in use (1190)"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLISHED = json.loads((Path(__file__).parent / "published.json").read_text(encoding="utf-8"))
"""Of the lists that the providers publish: Twilio's codes that a message can have, SendGrid's reasons for dropping."""
DELIVERED, UNDELIVERED = DeliveryStatus.DELIVERED, DeliveryStatus.UNDELIVERED


def public(key: ec.EllipticCurvePrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


class TestTwilio(TwilioSigned, ReceiptContract):
    target = f"/v1/receipts/twilio?notification_id={NOTIFICATION_ID}"

    def reader(self) -> TwilioReceipts:
        return TwilioReceipts("token", URL + "/")

    def fields(self, **changes: str | None) -> bytes:
        fields = {
            "AccountSid": "AC" + "0" * 32,
            "ApiVersion": "2010-04-01",
            "From": f"+1{CANARY}",
            "MessageSid": MESSAGE_ID,
            "MessageStatus": "delivered",
            "RawDlrDoneDate": "",
            "To": f"+2{CANARY} ü",
            **changes,
        }
        return urlencode({name: value for name, value in fields.items() if value is not None}).encode()

    def genuine(self, status: DeliveryStatus = DELIVERED) -> ReceiptRequest:
        return self.signed(self.fields(MessageStatus=status, ErrorCode="30003" if status is UNDELIVERED else None))

    def read_fields(self, **changes: str | None) -> list[Receipt]:
        return list(self.read(self.signed(self.fields(**changes))))

    @pytest.mark.parametrize(("word", "status"), OF_MESSAGES.items())
    def test_a_status_means_what_the_table_says(self, word: str, status: DeliveryStatus | None) -> None:
        assert [receipt.status for receipt in self.read_fields(MessageStatus=word)] == ([status] if status else [])

    def test_every_status_of_the_sdk_is_in_the_table(self) -> None:
        documented = {value for name, value in vars(MessageInstance.Status).items() if name.isupper()}
        assert len(documented) >= 13
        assert documented <= {*OF_MESSAGES}

    @pytest.mark.parametrize("word", ["teleported", "Delivered", CANARY + "@example.com", ""])
    def test_an_unknown_status_says_nothing_and_is_logged(self, word: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.read_fields(MessageStatus=word) == []
        printed = "".join(capsys.readouterr())
        assert "unknown status" in printed
        assert ("teleported" in printed) == (word == "teleported")
        assert CANARY not in printed

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("30003", "Twilio reports failed: unreachable handset (30003)"),
            ("21610", "Twilio reports failed: the person has opted out (21610)"),
            ("31999", "Twilio reports failed (31999)"),
            (None, "Twilio reports failed"),
            ("", "Twilio reports failed"),
            (CANARY, "Twilio reports failed"),
            ("30003 " + CANARY, "Twilio reports failed"),
            ("³", "Twilio reports failed"),
            ("9" * 5000, "Twilio reports failed"),
        ],
    )
    def test_a_reason_is_a_code_and_words_of_ours(self, code: str | None, reason: str) -> None:
        [receipt] = self.read_fields(MessageStatus="failed", ErrorCode=code)
        assert receipt.reason == reason

    @pytest.mark.parametrize(
        ("code", "suppresses"),
        [
            ("30005", SuppressionReason.INVALID),
            ("21211", SuppressionReason.INVALID),
            ("21614", SuppressionReason.INVALID),
            ("21635", SuppressionReason.INVALID),
            ("21610", SuppressionReason.STOP),
            *((code, None) for code in ("30003", "30004", "30006", "30007", "30008", "21612", "63014", "", "x", None)),
        ],
    )
    @pytest.mark.parametrize("word", ["undelivered", "failed"])
    def test_only_a_code_that_is_about_the_number_suppresses(
        self, word: str, code: str | None, suppresses: SuppressionReason | None
    ) -> None:
        [receipt] = self.read_fields(MessageStatus=word, ErrorCode=code)
        assert receipt.suppresses is suppresses

    def test_what_arrived_suppresses_nothing(self) -> None:
        [receipt] = self.read_fields(MessageStatus="delivered", ErrorCode="30005")
        assert receipt.suppresses is None

    def test_the_codes_that_suppress_are_twilios(self) -> None:
        assert {*SUPPRESSES} <= {int(code) for code in PUBLISHED["twilio"]["codes"]}
        assert {*SUPPRESSES} <= {*REASONS}

    def test_the_codes_are_twilios_and_each_that_a_callback_can_have_has_words(self) -> None:
        published = PUBLISHED["twilio"]["codes"]
        newer = {30036, 30500}  # than the list
        assert {*REASONS} - newer <= {int(code) for code in published}
        assert {int(code) for code in published if code.startswith(("30", "63"))} <= {*REASONS}
        assert {14107, 21211, 21408, 21606, 21610, 21611, 21612, 21614, 21617, 21659, 21703, 21705} <= {*REASONS}
        for words in REASONS.values():
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ,:'()%-]{5,60}", words), words

    @pytest.mark.parametrize(
        ("id_", "known"),
        [
            (NOTIFICATION_ID, True),
            (NOTIFICATION_ID.upper(), False),
            (NOTIFICATION_ID.replace("-", ""), False),
            (f"{NOTIFICATION_ID}&notification_id={NOTIFICATION_ID}", False),
            (f"{NOTIFICATION_ID}%0A", False),
            ("x" + "&a" * 200, False),
            ("%ff", False),
            ("n-1", False),
            ("", False),
        ],
    )
    def test_our_id_is_known_by_its_one_spelling(self, id_: str, known: bool) -> None:
        [receipt] = self.read(self.signed(self.fields(), f"/v1/receipts/twilio?notification_id={id_}"))
        assert receipt.notification_id == (NOTIFICATION_ID if known else None)

    def test_all_fields_of_a_receipt(self) -> None:
        reason = "Twilio reports undelivered: unreachable handset (30003)"
        expected = Receipt("sms", "twilio", MESSAGE_ID, UNDELIVERED, NOTIFICATION_ID, reason)
        assert self.read(self.genuine(UNDELIVERED)) == (expected,)

    def test_the_older_names_of_the_fields_do(self) -> None:
        [receipt] = self.read_fields(MessageSid=None, MessageStatus=None, SmsSid=MESSAGE_ID, SmsStatus="delivered")
        assert (receipt.provider_message_id, receipt.status) == (MESSAGE_ID, DELIVERED)

    @pytest.mark.parametrize("port", [":443", ""])
    def test_twilio_may_sign_the_default_port(self, port: str) -> None:
        assert self.read(self.signed(self.fields(), url=URL + port))

    @pytest.mark.parametrize(
        "changes",
        [{"MessageSid": id_} for id_ in (None, "", "SM1", f"XX{MESSAGE_ID[2:]}", f"{MESSAGE_ID}\n", CANARY)]
        + [{"MessageStatus": None}],
    )
    def test_what_twilio_signed_and_cannot_be_read_is_malformed(self, changes: dict[str, str | None]) -> None:
        with pytest.raises(MalformedReceipt) as raised:
            self.read_fields(**changes)
        assert CANARY not in str(raised.value)

    @pytest.mark.parametrize("again", [b"&MessageStatus=failed", f"&MessageSid={MESSAGE_ID}".encode()])
    def test_a_field_that_is_there_twice_is_malformed(self, again: bytes) -> None:
        with pytest.raises(MalformedReceipt):
            self.read(self.signed(self.fields() + again))

    @arbitrary
    def test_arbitrary_bytes_are_refused(self, body: bytes, signature: str, target: str) -> None:
        self.refuses(body, signature, target)

    @given(st.dictionaries(st.text(max_size=9), st.text(max_size=20), max_size=9), st.sampled_from([*OF_MESSAGES, "x"]))
    def test_any_form_that_twilio_signed_is_read_or_malformed(self, more: dict[str, str], word: str) -> None:
        read_or_malformed(self, self.signed(urlencode({"MessageSid": MESSAGE_ID, "SmsStatus": word, **more}).encode()))


class TestSendGrid(ReceiptContract):
    signature_header = "X-Twilio-Email-Event-Webhook-Signature"

    def reader(self) -> SendGridReceipts:
        return SendGridReceipts(public(KEY))

    def signed(
        self, body: bytes, timestamp: str | None = None, key: ec.EllipticCurvePrivateKey = KEY
    ) -> ReceiptRequest:
        at = str(int(AT.timestamp())) if timestamp is None else timestamp
        signature = base64.b64encode(key.sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
        headers = [("Content-Type", "application/json"), (self.signature_header, signature), (TIMESTAMP, at)]
        return ReceiptRequest("/v1/receipts/sendgrid", headers_of(headers), body, AT)

    def event(self, **changes: Any) -> dict[str, Any]:
        event = {
            "email": f"{CANARY}@example.com",
            "timestamp": int(AT.timestamp()) - 60,
            "event": "delivered",
            "sg_event_id": "ZGVsaXZlcmVk",
            "sg_message_id": "euo2iKxd-yPF4YE4--I7A.recvd-5f54b5d587-pczjm-1-67BADEEA-6.0",
            "smtp-id": f"<{CANARY}@example.com>",
            "reason": f"550 5.1.1 <{CANARY}@example.com>: no such user",
            "notification_id": NOTIFICATION_ID,
            **changes,
        }
        return {name: value for name, value in event.items() if value is not ...}

    def genuine(self, status: DeliveryStatus = DELIVERED) -> ReceiptRequest:
        bounce = {"event": "bounce", "type": "bounce", "status": "5.1.1", "bounce_classification": "Invalid Address"}
        return self.signed(json.dumps([self.event(**(bounce if status is UNDELIVERED else {}))]).encode())

    def signed_by_another(self) -> ReceiptRequest:
        return self.signed(self.genuine().body, key=ec.generate_private_key(ec.SECP256R1()))

    def forgeries_of_its_own(self) -> Forgeries:
        genuine, now = self.genuine(), int(AT.timestamp())
        body = genuine.body
        for seconds in (301, 302, 600, 3600, 86_400, 10**9):
            for timestamp in (now - seconds, now + seconds):
                yield f"signed at {timestamp}", self.signed(body, str(timestamp))
        for text in ("", " ", f" {now}", f"{now} ", f"+{now}", f"-{now}", f"{now}.0", f"{now}e0", hex(now), "now", "0"):
            yield f"signed at {text!r}", self.signed(body, text)
        yield "signed at a time beyond time", self.signed(body, "9" * 5000)
        yield "signed at digits of another script", with_header(genuine, TIMESTAMP, "²" * 10)
        yield "time moved", with_header(genuine, TIMESTAMP, str(now + 1))
        yield "no time", with_header(genuine, TIMESTAMP)
        yield "time twice", with_header(genuine, TIMESTAMP, str(now), str(now))
        yield "signed, not UTF-8", self.signed(body + b"\xff")
        yield "received too late", replace(genuine, at=AT + timedelta(minutes=5, seconds=1))
        yield "received too early", replace(genuine, at=AT - timedelta(minutes=5, seconds=1))

    def read_events(self, *events: Any) -> list[Receipt]:
        return list(self.read(self.signed(json.dumps(events).encode())))

    @pytest.mark.parametrize("seconds", [-299, 0, 299])
    def test_the_clocks_may_differ_by_five_minutes(self, seconds: int) -> None:
        assert self.read(self.signed(self.genuine().body, str(int(AT.timestamp()) + seconds)))

    @pytest.mark.parametrize("word", EVENTS)
    def test_an_event_means_what_the_table_says(self, word: str) -> None:
        receipts = self.read_events(self.event(event=word))
        if EVENTS[word] is None:
            assert receipts == []
        else:
            [receipt] = receipts
            assert receipt.status is (DELIVERED if word == "delivered" or word in COMPLAINTS else UNDELIVERED)
            assert receipt.overrules == (receipt.status is UNDELIVERED)
            assert receipt.suppresses is COMPLAINTS.get(word)
            assert (receipt.reason is None) == (receipt.status is DELIVERED)

    @pytest.mark.parametrize(
        ("changes", "suppresses"),
        [
            ({"event": "bounce", "type": "bounce", "status": "5.1.1"}, SuppressionReason.HARD_BOUNCE),
            ({"event": "bounce", "type": "bounce", "status": "5.0.0"}, SuppressionReason.HARD_BOUNCE),
            ({"event": "bounce", "type": "bounce"}, SuppressionReason.HARD_BOUNCE),
            ({"event": "bounce", "type": "bounce", "status": "4.2.2"}, None),  # for now, says the mail server
            ({"event": "bounce", "type": "blocked", "status": "5.7.1"}, None),
            ({"event": "bounce", "status": "5.1.1"}, None),
            ({"event": "bounce", "type": ["bounce"], "status": "5.1.1"}, None),
            ({"event": "blocked", "type": "bounce", "status": "5.1.1"}, None),
            ({"event": "delivered", "type": "bounce"}, None),
            ({"event": "dropped", "reason": "Bounced Address"}, SuppressionReason.HARD_BOUNCE),
            ({"event": "dropped", "reason": "Spam Reporting Address"}, SuppressionReason.COMPLAINT),
            ({"event": "dropped", "reason": "Unsubscribed Address"}, SuppressionReason.UNSUBSCRIBED),
            ({"event": "dropped", "reason": "Invalid"}, SuppressionReason.INVALID),
            ({"event": "dropped", "reason": "Invalid SMTPAPI header"}, None),  # our request's fault
            ({"event": "dropped", "reason": "Spam Content"}, None),
            ({"event": "dropped", "reason": "Recipient List over Package Quota"}, None),
            ({"event": "dropped", "reason": f"Bounced Address {CANARY}"}, None),
            ({"event": "dropped", "reason": ["Bounced Address"]}, None),
            ({"event": "spamreport"}, SuppressionReason.COMPLAINT),
            ({"event": "unsubscribe"}, SuppressionReason.UNSUBSCRIBED),
            ({"event": "group_unsubscribe"}, SuppressionReason.UNSUBSCRIBED),
        ],
    )
    def test_what_an_event_says_of_the_address(
        self, changes: dict[str, Any], suppresses: SuppressionReason | None
    ) -> None:
        [receipt] = self.read_events(self.event(**{"reason": ..., **changes}))
        assert receipt.suppresses is suppresses
        assert CANARY not in repr(receipt)

    def test_a_mail_that_is_put_off_says_nothing(self) -> None:
        assert self.read_events(self.event(event="deferred", type="bounce", status="5.1.1")) == []

    def test_the_reasons_that_suppress_are_published_ones(self) -> None:
        assert {*LISTED} < {*DROPS}

    def test_every_documented_event_is_in_the_table(self) -> None:
        delivery = {"processed", "deferred", "delivered", "bounce", "blocked", "dropped"}
        engagement = {"open", "click", "spamreport", "unsubscribe", "group_unsubscribe", "group_resubscribe"}
        assert {*EVENTS} == delivery | engagement | {"account_status_change"}

    @pytest.mark.parametrize("word", ["teleported", f"{CANARY}@example.com"])
    def test_an_unknown_event_says_nothing_and_is_logged(self, word: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.read_events(self.event(event=word)) == []
        printed = "".join(capsys.readouterr())
        assert "unknown event" in printed
        assert ("teleported" in printed) == (word == "teleported")
        assert CANARY not in printed

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({}, "SendGrid reports bounce"),
            ({"status": "5.1.1"}, "SendGrid reports bounce (5.1.1)"),
            ({"type": "blocked", "status": "4.0.0"}, "SendGrid reports blocked (4.0.0)"),
            (
                {"status": "5.1.1", "bounce_classification": "Invalid Address"},
                "SendGrid reports bounce (5.1.1, Invalid Address)",
            ),
            ({"bounce_classification": "Unclassified"}, "SendGrid reports bounce (Unclassified)"),
            ({"event": "dropped", "status": "5.0.0"}, "SendGrid reports dropped (5.0.0)"),
            *(
                ({name: junk}, "SendGrid reports bounce")
                for name in ("status", "type", "bounce_classification")
                for junk in (f"5.1.1 {CANARY}", CANARY, "5.1.1\n", "٥.1.1", ["5.1.1"], None, 511, "")
            ),
        ],
    )
    def test_a_reason_is_sendgrids_codes_and_fixed_words(self, changes: dict[str, Any], reason: str) -> None:
        [receipt] = self.read_events(self.event(**{"event": "bounce", **changes}))
        assert receipt.reason == reason

    @pytest.mark.parametrize("cause", PUBLISHED["sendgrid"]["drop_reasons"])
    def test_a_published_reason_for_dropping_is_shown_with_words(self, cause: str) -> None:
        [receipt] = self.read_events(self.event(event="dropped", reason=cause, status="5.0.0"))
        assert receipt.reason is not None
        assert re.fullmatch(rf"SendGrid reports dropped \(5\.0\.0, {cause}: [A-Za-z' -]{{10,}}\)", receipt.reason)
        [bounce] = self.read_events(self.event(event="bounce", reason=cause))
        assert bounce.reason == "SendGrid reports bounce"

    def test_the_reasons_for_dropping_are_the_published_ones(self) -> None:
        assert {*DROPS} == {*PUBLISHED["sendgrid"]["drop_reasons"]}

    @pytest.mark.parametrize("cause", [f"Bounced Address {CANARY}", CANARY, "", None, 5, ["Invalid"], "invalid"])
    def test_any_other_reason_for_dropping_is_not_shown(self, cause: object) -> None:
        [receipt] = self.read_events(self.event(event="dropped", reason=cause))
        assert receipt.reason == "SendGrid reports dropped"

    @pytest.mark.parametrize(
        "way",
        [
            "recvd-5f54b5d587-pczjm-1-67BADEEA-6.0",
            "filterdrecv-86bcb8f6b8-jnzq8-1-6426A2C5-17.0",
            "filter0001.16648.5515E0B88.0",
            "filter0307p1las1-18846-53A0A2A5-B.1",
        ],
    )
    @pytest.mark.parametrize("id_", ["euo2iKxd-yPF4YE4--I7A", "14c5d75ce93.dfd.64b469", "a.b", "-.-", "x.y.z-1_2"])
    def test_an_id_may_have_dots(self, id_: str, way: str) -> None:
        [receipt] = self.read_events(self.event(sg_message_id=f"{id_}.{way}"))
        assert receipt.provider_message_id == id_

    @pytest.mark.parametrize(
        ("whole", "id_"),
        [
            ("abc", "abc"),
            ("abc.another-1.0", "abc"),  # a way that nobody has seen yet
            ("a.b.recvd-1.filter2.0", "a.b"),
            ("filter.recvd-1", "filter"),
            ("..recvd-1", None),
            ("a..b.recvd-1", None),
            ("a b.recvd-1", None),
            (".recvd-1", None),
            (f"{'a.' * 70}b.recvd-1", None),
        ],
    )
    def test_an_id_ends_where_the_way_begins(self, whole: str, id_: str | None) -> None:
        [receipt] = self.read_events(self.event(sg_message_id=whole))
        assert receipt.provider_message_id == id_

    def test_a_byte_order_mark_is_ignored(self) -> None:
        assert self.read(self.signed(BOM_UTF8 + self.genuine().body)) == self.read(self.genuine())

    def test_it_verifies_as_the_sdk_does(self) -> None:
        """Of the signatures in the one spelling that SendGrid gives them: the SDK takes others, too."""
        sdk, reader, now = EventWebhook(public(KEY)), self.reader(), str(int(AT.timestamp()))
        genuine = [self.signed(body) for body in (b"[]", b"{}", '["é"]'.encode(), b"[" + b" " * 100_000 + b"]")]
        others = [self.signed_by_another(), *(replace(one, body=one.body + b" ") for one in genuine)]
        for request, good in [*((one, True) for one in genuine), *((one, False) for one in others)]:
            signature = request.headers[self.signature_header]
            assert sdk.verify_signature(request.body.decode(), signature, now) is good
            try:
                reader.read(request)
            except ForgedReceipt:
                assert not good
            except MalformedReceipt:
                assert good
            else:
                assert good

    def test_the_classes_are_words(self) -> None:
        assert all(name.replace(" ", "").isalpha() for name in CLASSES)

    def test_all_fields_of_a_receipt(self) -> None:
        expected = Receipt(
            "email",
            "sendgrid",
            "euo2iKxd-yPF4YE4--I7A",
            UNDELIVERED,
            NOTIFICATION_ID,
            "SendGrid reports bounce (5.1.1, Invalid Address)",
            overrules=True,
            suppresses=SuppressionReason.HARD_BOUNCE,
        )
        assert list(self.read(self.genuine(UNDELIVERED))) == [expected]

    def test_one_event_need_not_be_in_a_list(self) -> None:
        assert self.read(self.signed(json.dumps(self.event()).encode()))

    def test_a_batch_of_ten_thousand_is_read_and_one_more_is_not(self) -> None:
        batch = [self.event()] * 10_000
        assert len(self.read_events(*batch)) == 10_000
        with pytest.raises(MalformedReceipt):
            self.read_events(*batch, self.event())

    @pytest.mark.parametrize("id_", [NOTIFICATION_ID.upper(), "", "n-1", None, 5, [NOTIFICATION_ID], ...])
    def test_our_id_is_known_by_its_one_spelling(self, id_: object) -> None:
        [receipt] = self.read_events(self.event(notification_id=id_))
        assert receipt.notification_id is None

    def test_our_id_alone_does(self) -> None:
        [receipt] = self.read_events(self.event(sg_message_id=...))
        assert (receipt.provider_message_id, receipt.notification_id) == (None, NOTIFICATION_ID)

    def test_unreadable_events_are_skipped_in_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        bad = (..., "", ".x", CANARY + "@", 5, None)
        nameless = [self.event(sg_message_id=id_, notification_id=...) for id_ in bad]
        unreadable = [None, 5, CANARY, [self.event()], {}, {"event": 5}, {"event": [CANARY]}, *nameless]
        assert len(self.read_events(self.event(), *unreadable, self.event())) == 2
        [line] = "".join(capsys.readouterr()).splitlines()
        assert f"events={len(unreadable)}" in line
        assert CANARY not in line

    @pytest.mark.parametrize(
        "body", [b"", b"null", b"5", b'"canary"', b"{", b"canary", b"[" * 100_000, b"[]]", b"[1" + b"0" * 5000 + b"]"]
    )
    def test_what_sendgrid_signed_and_is_no_list_is_malformed(self, body: bytes) -> None:
        with pytest.raises(MalformedReceipt) as raised:
            self.read(self.signed(body))
        assert CANARY not in str(raised.value)

    @arbitrary
    def test_arbitrary_bytes_are_refused(self, body: bytes, signature: str, target: str) -> None:
        self.refuses(body, signature, target)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from([*EVENTS]),
            lambda values: (
                st.lists(values, max_size=4)
                | st.dictionaries(st.sampled_from(["event", "timestamp", "sg_message_id", "status", "x"]), values)
            ),
            max_leaves=12,
        )
    )
    def test_any_json_that_sendgrid_signed_is_read_or_malformed(self, value: Any) -> None:
        read_or_malformed(self, self.signed(json.dumps(value).encode()))


class TestVonage(ReceiptContract):
    signature_header = "Authorization"

    def reader(self) -> VonageReceipts:
        return VonageReceipts(SECRET)

    def event(self, **changes: Any) -> dict[str, Any]:
        event = {
            "message_uuid": UUID,
            "to": f"4477{CANARY}",
            "from": f"4488{CANARY}",
            "timestamp": "2026-11-05T12:00:00Z",
            "status": "delivered",
            "client_ref": NOTIFICATION_ID,
            "channel": "sms",
            "usage": {"currency": "EUR", "price": "0.0333"},
            **changes,
        }
        return {name: value for name, value in event.items() if value is not ...}

    def error(self, title: object, fragment: object = CANARY) -> dict[str, Any]:
        type_ = f"https://developer.vonage.com/api-errors/messages#{fragment}"
        return {"type": type_, "title": title, "detail": f"Absent {CANARY}", "instance": "bf0c"}

    def signed(self, body: bytes, at: datetime = AT, secret: str = SECRET) -> ReceiptRequest:
        return self.with_token(body, VonageReporter(secret).sign(Callback("", "", body, ()), at, True)["Authorization"])

    def with_token(self, body: bytes, authorization: str) -> ReceiptRequest:
        headers = headers_of([("Content-Type", "application/json"), ("Authorization", authorization)])
        return ReceiptRequest("/v1/receipts/vonage", headers, body, AT)

    def genuine(self, status: DeliveryStatus = DELIVERED) -> ReceiptRequest:
        changes = {"status": "rejected", "error": self.error(1190)} if status is UNDELIVERED else {}
        return self.signed(json.dumps(self.event(**changes)).encode())

    def signed_by_another(self) -> ReceiptRequest:
        return self.signed(self.genuine().body, secret="another" * 8)  # pragma: allowlist secret

    def forgeries_of_its_own(self) -> Forgeries:
        body = self.genuine().body
        hashed = hashlib.sha256(body).hexdigest()
        claims = {"iat": int(AT.timestamp()), "jti": "x", "payload_hash": hashed}

        def token(changes: dict[str, Any], algorithm: str = "HS256", key: str = SECRET) -> ReceiptRequest:
            given = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
            return self.with_token(body, f"Bearer {jwt.encode(given, key, algorithm=algorithm)}")

        assert self.read(token({}))
        yield "of no algorithm", token({}, "none", "")
        yield "of another algorithm", token({}, "HS512", SECRET * 2)
        for when in (..., None, "now", str(claims["iat"]), 1.5e9, True, -1, 0, 10**400):
            yield f"made {when!r:.20}", token({"iat": when})
        for hash_ in (..., None, "", 5, [hashed], hashed.upper(), "0" * 64):
            yield f"of the body {hash_!r}", token({"payload_hash": hash_})
        for seconds in (25 * 3600 + 1, -301):
            yield f"{seconds} s old", self.signed(body, AT - timedelta(seconds=seconds))
        header, payload, signature = self.genuine().headers["Authorization"].removeprefix("Bearer ").split(".")
        for name, text in {
            "no claims": f"{header}..{signature}",
            "no signature": f"{header}.{payload}.",
            "two parts": f"{header}.{payload}",
            "four parts": f"{header}.{payload}.{signature}.{signature}",
            "padded": f"{header}.{payload}.{signature}=",
            "of another spelling": f"{header}.{payload}.{signature[:-1]}{another_spelling(signature[-1])}",
            "a deep header": f"{'W1tb' * 2000}.{payload}.{signature}",
        }.items():
            yield name, self.with_token(body, f"Bearer {text}")
        for scheme in ("bearer", "BEARER", "Basic", "JWT", ""):
            yield f"scheme {scheme!r}", self.with_token(body, f"{scheme} {header}.{payload}.{signature}")
        for claimed in (b"[]", b"5", b"null", b"{", b"\xff"):
            yield f"signed claims {claimed!r}", self.with_token(body, f"Bearer {jws(claimed)}")

    def read_event(self, **changes: Any) -> list[Receipt]:
        return list(self.read(self.signed(json.dumps(self.event(**changes)).encode())))

    @pytest.mark.parametrize("seconds", [-299, 0, 299, 24 * 3600])
    def test_a_token_may_be_a_day_old(self, seconds: int) -> None:
        """As long as Vonage tries; and its clock may be ahead by five minutes."""
        assert self.read(self.signed(self.genuine().body, AT - timedelta(seconds=seconds)))

    @pytest.mark.parametrize("word", vonage_receipts.STATUSES)
    def test_a_status_means_what_the_table_says(self, word: str) -> None:
        status = vonage_receipts.STATUSES[word]
        assert [receipt.status for receipt in self.read_event(status=word)] == ([status] if status else [])

    def test_every_documented_status_is_in_the_table(self) -> None:
        assert {*vonage_receipts.STATUSES} == {"submitted", "delivered", "rejected", "undeliverable", "read"}

    @pytest.mark.parametrize("word", ["teleported", "Delivered", CANARY + "@example.com", ""])
    def test_an_unknown_status_says_nothing_and_is_logged(self, word: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.read_event(status=word) == []
        printed = "".join(capsys.readouterr())
        assert "unknown status" in printed
        assert ("teleported" in printed) == (word == "teleported")
        assert CANARY not in printed

    @pytest.mark.parametrize(
        ("title", "fragment", "reason"),
        [
            (1190, CANARY, "Vonage reports rejected: the number is no longer in use (1190)"),
            ("1190", CANARY, "Vonage reports rejected: the number is no longer in use (1190)"),
            (CANARY, "1240", "Vonage reports rejected: the person has opted out (1240)"),
            (9999, CANARY, "Vonage reports rejected (9999)"),
            *(
                (junk, CANARY, "Vonage reports rejected")
                for junk in (CANARY, None, "", "1190\n", 11900, 1190.0, [1190])
            ),
        ],
    )
    def test_a_reason_is_a_code_and_words_of_ours(self, title: object, fragment: str, reason: str) -> None:
        [receipt] = self.read_event(status="rejected", error=self.error(title, fragment))
        assert receipt.reason == reason

    @pytest.mark.parametrize("error", [..., None, 5, CANARY, [CANARY], {}, {"type": 5}, {"type": "https://x#1190"}])
    def test_without_a_code_the_status_is_the_reason(self, error: object) -> None:
        [receipt] = self.read_event(status="undeliverable", error=error)
        assert receipt.reason in {"Vonage reports undeliverable", f"Vonage reports undeliverable: {GONE}"}
        assert (receipt.suppresses is not None) == (error == {"type": "https://x#1190"})

    @pytest.mark.parametrize("code", vonage_codes.CODES)
    def test_only_a_code_that_is_about_the_number_suppresses(self, code: str) -> None:
        [receipt] = self.read_event(status="rejected", error=self.error(code if code.isdigit() else None, code))
        stopped = {"1240": SuppressionReason.STOP}
        invalid = dict.fromkeys(["1170", "1190"], SuppressionReason.INVALID)
        assert receipt.suppresses is (stopped | invalid).get(code)

    def test_what_arrived_suppresses_nothing(self) -> None:
        [receipt] = self.read_event(error=self.error(1190))
        assert (receipt.suppresses, receipt.reason) == (None, None)

    @pytest.mark.parametrize("id_", [NOTIFICATION_ID.upper(), f"{NOTIFICATION_ID}\n", "", "n-1", None, 5, ...])
    def test_our_id_is_known_by_its_one_spelling(self, id_: object) -> None:
        [receipt] = self.read_event(client_ref=id_)
        assert receipt.notification_id is None

    def test_all_fields_of_a_receipt(self) -> None:
        reason = f"Vonage reports rejected: {GONE}"
        invalid = SuppressionReason.INVALID
        expected = Receipt("sms", "vonage", UUID, UNDELIVERED, NOTIFICATION_ID, reason, suppresses=invalid)
        assert self.read(self.genuine(UNDELIVERED)) == (expected,)

    @pytest.mark.parametrize("channel", ["whatsapp", "rcs", None, ...])
    def test_of_another_channel_of_the_account_it_says_nothing(self, channel: object) -> None:
        assert self.read_event(channel=channel) == []

    @pytest.mark.parametrize(
        "changes",
        [{"message_uuid": id_} for id_ in (..., None, "", "SM1", UUID + "\n", 5, CANARY)]
        + [{"status": word} for word in (..., None, 5, [CANARY])],
    )
    def test_what_vonage_signed_and_cannot_be_read_is_malformed(self, changes: dict[str, Any]) -> None:
        with pytest.raises(MalformedReceipt) as raised:
            self.read_event(**changes)
        assert CANARY not in str(raised.value)

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"canary"', b"{", b"[" * 5000, b"\xff"])
    def test_what_vonage_signed_and_is_no_object_is_malformed(self, body: bytes) -> None:
        with pytest.raises(MalformedReceipt):
            self.read(self.signed(body))

    def test_it_verifies_as_the_sdk_does(self) -> None:
        """Of a signature in the one spelling that Vonage gives it: the SDK takes others, too."""
        for request, good in ((self.genuine(), True), (self.signed_by_another(), False)):
            token = request.headers["Authorization"].removeprefix("Bearer ")
            assert verify_signature(token, SECRET) is good

    @arbitrary
    def test_arbitrary_bytes_are_refused(self, body: bytes, signature: str, target: str) -> None:
        self.refuses(body, signature, target)

    @given(
        st.dictionaries(
            st.sampled_from(["message_uuid", "status", "channel", "error", "client_ref"]),
            st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["sms", UUID, "rejected"]) | st.just({}),
        )
    )
    def test_any_object_that_vonage_signed_is_read_or_malformed(self, event: dict[str, Any]) -> None:
        read_or_malformed(self, self.signed(json.dumps(event).encode()))


def another_spelling(last: str) -> str:
    """Of a signature's last letter, which has four bits: the same bits, and one more."""
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    return letters[letters.index(last) ^ 1]


def jws(payload: bytes) -> str:
    """A token with these bytes for claims, signed by the right secret."""
    return jwt.PyJWS().encode(payload, SECRET, algorithm="HS256")


def read_or_malformed(suite: ReceiptContract, request: ReceiptRequest) -> None:
    with contextlib.suppress(MalformedReceipt):
        suite.read(request)


SETTINGS = {
    "twilio": {"TWILIO_AUTH_TOKEN": "token", "PUBLIC_URL": URL},
    "vonage": {"VONAGE_SIGNATURE_SECRET": SECRET},
    "sendgrid": {"SENDGRID_WEBHOOK_PUBLIC_KEY": public(KEY)},
}
SETTINGS |= dict.fromkeys(("twilio_whatsapp", "twilio_voice"), SETTINGS["twilio"])
MODULES = {name: module for channel in load_channels(ALL).values() for name, module in channel.receipts.items()}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for settings in SETTINGS.values():
        for name in settings:
            monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("provider", MODULES)
def test_a_reader_is_there_when_all_that_it_needs_is_set(environment: pytest.MonkeyPatch, provider: str) -> None:
    module = importlib.import_module(MODULES[provider])
    assert set(module.SETTINGS) == set(SETTINGS[provider])
    assert module.receipts() is None
    for name, value in SETTINGS[provider].items():
        assert module.receipts() is None
        environment.setenv(name, value)
    assert module.receipts() is not None


@pytest.mark.parametrize(
    ("provider", "name", "value"),
    [
        ("twilio", "PUBLIC_URL", "hark-canary.example"),
        ("sendgrid", "SENDGRID_WEBHOOK_PUBLIC_KEY", "canary"),
        ("sendgrid", "SENDGRID_WEBHOOK_PUBLIC_KEY", "ü"),
        ("sendgrid", "SENDGRID_WEBHOOK_PUBLIC_KEY", public(KEY)[:-8]),
        ("sendgrid", "SENDGRID_WEBHOOK_PUBLIC_KEY", public(KEY)[:-8] + "AAAAAAA="),
        ("sendgrid", "SENDGRID_WEBHOOK_PUBLIC_KEY", public(ec.generate_private_key(ec.SECP384R1()))),
        ("sendgrid", "SENDGRID_WEBHOOK_PUBLIC_KEY", f"-----BEGIN PUBLIC KEY-----\n{public(KEY)}"),
    ],
)
def test_a_wrong_setting_stops_the_start_by_name_alone(
    environment: pytest.MonkeyPatch, provider: str, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SystemExit, match=name) as stopped:
        importlib.import_module(MODULES[provider]).receipts()
    assert value not in str(stopped.value)


@pytest.mark.parametrize("provider", MODULES)
def test_a_start_loads_no_sdk(provider: str) -> None:
    code = (
        f"import sys, {MODULES[provider]} as module\n"
        "assert module.receipts() is not None\n"
        "assert not {'twilio', 'sendgrid', 'vonage_jwt', 'jwt', 'aiohttp'} & sys.modules.keys()"
    )
    environ = {"PYTHONPATH": str(ROOT), **SETTINGS[provider]}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, check=True, timeout=60)
