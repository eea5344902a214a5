"""Every reader of what people answer, held to the contract in receipts.py, and what each makes of it."""

import importlib
import subprocess
import sys
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.sms.stop_words import START, STOP
from functions.sms.twilio_replies import TwilioReplies
from shared.channels.registry import ALL, load_channels
from shared.delivery.errors import MalformedReceipt
from shared.sending.receipts import ReceiptRequest
from shared.sending.replies import Reply, Wish
from tests.contract.receipts import CANARY, arbitrary
from tests.contract.twilio_signed import URL, TwilioSigned
from tests.e2e.stack import ROOT

MESSAGE_ID = "SM" + "0a" * 16
NUMBER = "+14155552671"


class TestTwilio(TwilioSigned):
    target = "/v1/inbound/twilio"

    def reader(self) -> TwilioReplies:
        return TwilioReplies("token", URL + "/")

    def fields(self, **changes: str | None) -> bytes:
        fields = {
            "AccountSid": "AC" + "0" * 32,
            "ApiVersion": "2010-04-01",
            "Body": "STOP",
            "From": NUMBER,
            "FromCity": f"{CANARY} ü",
            "FromCountry": "US",
            "FromState": "CA",
            "FromZip": "94105",
            "MessageSid": MESSAGE_ID,
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsMessageSid": MESSAGE_ID,
            "SmsStatus": "received",
            "To": f"+1{CANARY}",
            "ToCity": "",
            "ToCountry": "US",
            **changes,
        }
        return urlencode({name: value for name, value in fields.items() if value is not None}).encode()

    def genuine(self) -> ReceiptRequest:
        return self.signed(self.fields())

    def said(self, body: str | None, **changes: str | None) -> Wish | None:
        reply: Reply | None = self.read(self.signed(self.fields(Body=body, **changes)))
        return None if reply is None else reply.wish

    def test_a_genuine_one_names_whose_it_is(self) -> None:
        assert self.read(self.genuine()) == Reply("sms", NUMBER, Wish.STOP, MESSAGE_ID)

    @pytest.mark.parametrize(
        "word",
        ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "ARRET", "ARRETE", "ARRETT"],
    )
    def test_each_of_twilios_words_stops(self, word: str) -> None:
        ways = (word, word.lower(), word.title(), f"  {word}\n", f"{word}.", f"{word}!!", f'"{word}"', f"\u200f{word}")
        assert {self.said(said) for said in ways} == {Wish.STOP}

    @pytest.mark.parametrize(
        "said", ["Arrêt", "ARRÊTE", "Stop all", "opt-out", "Opt out.", "S T O P", "ＳＴＯＰ", "Stop 🛑"]
    )
    def test_letters_alone_count(self, said: str) -> None:
        assert self.said(said) is Wish.STOP

    @pytest.mark.parametrize("word", ["START", "YES", "UNSTOP"])
    def test_each_of_twilios_words_starts(self, word: str) -> None:
        assert {self.said(said) for said in (word, word.lower(), word.title(), f" {word}\r\n")} == {Wish.START}

    @pytest.mark.parametrize(
        "said",
        [
            *("HELP", "INFO", "help", "", " ", ".", "🛑", "42", None),
            *("please stop by at six", "don't stop", "stopping", "unstoppable", "the end", "STOP PLEASE", "NONSTOP"),
            *("yes please", "start over", "yes!", "restart", "y e s"),
            "x" * 1600,
        ],
    )
    def test_whatever_else_is_said_says_nothing(self, said: str | None) -> None:
        assert self.said(said) is None

    def test_no_word_is_both(self) -> None:
        assert not STOP & START

    @pytest.mark.parametrize(
        ("said", "type_", "wish"),
        [
            ("BAJA", "STOP", Wish.STOP),
            ("配信停止", "STOP", Wish.STOP),
            ("ALTA", "START", Wish.START),
            ("AYUDA", "HELP", None),
            ("STOP", "HELP", None),
            ("STOP", "START", Wish.START),
            ("START", "STOP", Wish.STOP),
            (None, "STOP", Wish.STOP),
            ("STOP", "", Wish.STOP),
            ("STOP", "stop", Wish.STOP),
            ("hello", "PAUSE", None),
            ("START", "PAUSE", Wish.START),
        ],
    )
    def test_what_twilio_takes_it_for_goes_before_the_words(
        self, said: str | None, type_: str, wish: Wish | None
    ) -> None:
        assert self.said(said, OptOutType=type_) is wish

    @pytest.mark.parametrize(
        "sender",
        [
            *(f"whatsapp:{NUMBER}", f"rcs:{NUMBER}", "messenger:1234567890", "12345", "HARK", "", "+1", f"{NUMBER}x"),
            f"{NUMBER};ext=5",
        ],
    )
    def test_who_has_no_phone_number_stops_no_text_messages(self, sender: str) -> None:
        assert self.said("STOP", From=sender) is None

    @pytest.mark.parametrize("sender", ["+1 415 555 2671", "+1 (415) 555-2671"])
    def test_a_number_has_the_channels_one_spelling(self, sender: str) -> None:
        reply = self.read(self.signed(self.fields(From=sender)))
        assert reply.address == load_channels()["sms"].normalise(sender) == NUMBER

    def test_the_older_name_of_the_id_does(self) -> None:
        assert self.said("STOP", MessageSid=None, SmsSid=MESSAGE_ID) is Wish.STOP

    def test_the_longest_message_is_read_and_a_word_beside_ten_files(self) -> None:
        files = {f"MediaUrl{n}": "https://api.twilio.com/" + "x" * 150 for n in range(10)}
        more = {f"MediaContentType{n}": "image/jpeg" for n in range(10)}
        for body in (
            self.fields(Body="語" * 1600, OptOutType="STOP"),
            self.fields(NumMedia="10", **files, **more),
        ):
            assert len(body) <= TwilioReplies.body_limit
            assert self.read(self.signed(body)).wish is Wish.STOP

    @pytest.mark.parametrize(
        "changes",
        [
            *({"MessageSid": id_} for id_ in (None, "", "SM1", f"XX{MESSAGE_ID[2:]}", f"{MESSAGE_ID}\n", CANARY)),
            {"From": None},
        ],
    )
    def test_what_twilio_signed_and_cannot_be_read_is_malformed(self, changes: dict[str, str | None]) -> None:
        with pytest.raises(MalformedReceipt) as raised:
            self.read(self.signed(self.fields(**changes)))
        assert CANARY not in str(raised.value)

    @pytest.mark.parametrize("again", ["From=%2B14155552672", "Body=START", f"MessageSid={MESSAGE_ID}"])
    def test_a_field_that_is_there_twice_is_malformed(self, again: str) -> None:
        with pytest.raises(MalformedReceipt):
            self.read(self.signed(self.fields() + f"&{again}".encode()))

    @arbitrary
    def test_arbitrary_bytes_are_refused(self, body: bytes, signature: str, target: str) -> None:
        self.refuses(body, signature, target)

    @given(st.text(max_size=30), st.sampled_from([None, "STOP", "START", "HELP", "x"]), st.text(max_size=20))
    def test_any_text_that_twilio_signed_is_read(self, body: str, type_: str | None, sender: str) -> None:
        self.said(body, OptOutType=type_, From=sender)


SETTINGS = {"twilio": {"TWILIO_AUTH_TOKEN": "token", "PUBLIC_URL": URL}}
MODULES = {name: module for channel in load_channels(ALL).values() for name, module in channel.replies.items()}


@pytest.mark.parametrize("provider", MODULES)
def test_a_reader_is_there_when_all_that_it_needs_is_set(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    for name in SETTINGS[provider]:
        monkeypatch.delenv(name, raising=False)
    module = importlib.import_module(MODULES[provider])
    for name, value in SETTINGS[provider].items():
        assert module.replies() is None
        monkeypatch.setenv(name, value)
    assert module.replies() is not None


@pytest.mark.parametrize("provider", MODULES)
def test_a_start_loads_no_sdk(provider: str) -> None:
    code = (
        f"import sys, {MODULES[provider]} as module\n"
        "assert module.replies() is not None\n"
        "assert not {'twilio', 'sendgrid'} & sys.modules.keys()"
    )
    environ = {"PYTHONPATH": str(ROOT), **SETTINGS[provider]}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, check=True, timeout=60)
