"""The tables of what SendGrid and a mail server refuse, held to the lists that are published."""

import json
from pathlib import Path
from typing import Any

import pytest

from functions.email.sendgrid_refusals import FIELDS, STATUSES, of_refusal
from functions.email.smtp_replies import BASIC, ENHANCED, Phase, of_reply
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.delivery.model import SuppressionReason

PUBLISHED = Path(__file__).parents[2] / "data"
SENDGRID: dict[str, Any] = json.loads((PUBLISHED / "sendgrid.json").read_text())
SMTP: dict[str, Any] = json.loads((PUBLISHED / "smtp.json").read_text())
WITH_RECIPIENT = (Phase.RECIPIENT, Phase.MAIL)


def test_every_status_that_sendgrid_publishes_is_in_the_table() -> None:
    assert set(SENDGRID["statuses"]) - {202} <= set(STATUSES)


def test_the_fields_are_those_of_the_published_request() -> None:
    request = SENDGRID["request"]["properties"]
    personal = request["personalizations"]["items"]["properties"]
    assert set(FIELDS) == set(request) | {f"personalizations.{name}" for name in personal}


def test_only_the_recipient_and_what_was_written_can_be_at_fault_for_good() -> None:
    whose = {field for field, meant in FIELDS.items() if meant is Permanent}
    personal = {f"personalizations.{name}" for name in ("to", "cc", "bcc", "subject")}
    assert whose == personal | {"subject", "content", "attachments"}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_below_one_of_the_table_is_judged_like_it(field: str) -> None:
    top, _, rest = field.partition(".")
    for named in (field, f"{field}.0.email", f"{top}.0.{rest}.0.email" if rest else f"{top}.12", f"{field}[0].x"):
        error = sendgrid(400, [named])
        assert type(error) is (Permanent if FIELDS[field] is Permanent else Refused), named


def test_the_operators_fault_beside_the_recipients_comes_first() -> None:
    assert type(sendgrid(400, ["personalizations.0.to.0.email", "from.email"])) is Refused
    assert type(sendgrid(400, ["personalizations.0.to.0.email", "subject"])) is Permanent


@pytest.mark.parametrize("status", [400, 402, 404, 405, 406, 409, 410, 415, 418, 422, 451, 499])
def test_a_4xx_of_which_nothing_is_known_can_be_replayed_and_says_what_to_do(status: int) -> None:
    for body in (
        b"",
        b"{}",
        b'{"errors": null}',
        b'{"errors": [7]}',
        b'{"errors": [{"field": 5}]}',
        b"<html>",
        b"[" * 9999,
    ):
        error = of_refusal(status, body, {}, 0)
        assert type(error) is Refused
        assert ": " in str(error) or "," in str(error)


def test_a_field_that_is_none_of_sendgrids_is_not_shown() -> None:
    assert "canary" not in str(sendgrid(400, ["canary@example.com"]))


def sendgrid(status: int, fields: list[str]) -> SendError:
    errors = [{"message": "no", "field": field, "help": None} for field in fields]
    return of_refusal(status, json.dumps({"errors": errors}).encode(), {}, 0)


def test_every_enhanced_code_of_the_registry_is_in_the_table_and_no_other() -> None:
    assert set(ENHANCED) == set(SMTP["enhanced"])
    assert set(BASIC) == set(SMTP["basic"])


@pytest.mark.parametrize("code", ENHANCED)
def test_an_enhanced_code_means_what_the_table_says(code: str) -> None:
    for phase in WITH_RECIPIENT:
        error = of_reply(phase, 550, f"5.{code} no")
        if code == "7.8":
            assert isinstance(error, Retryable)
            assert error.credentials
        else:
            assert type(error) is (Permanent if ENHANCED[code] is Permanent else Refused)
        assert f"550 5.{code}" in str(error)


def test_addresses_and_mailboxes_are_the_recipients_and_routes_and_policies_mostly_not() -> None:
    ours = {code for code, meant in ENHANCED.items() if meant is not Permanent}
    assert {code for code in ours if code[:2] in {"1.", "2.", "6."}} == {"1.7", "1.8"}  # the sender's address
    theirs = {code for code in ENHANCED if code not in ours}
    assert {code for code in theirs if code[:2] in {"4.", "5.", "7."}} == {"7.17", "7.18"}  # it has changed hands


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("554 5.7.1 <a@b.example>: Relay access denied", Refused),
        ("550 5.7.1 Unable to relay", Refused),
        ("550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", Refused),
        ("550 relay not permitted", Refused),
        ("550 Relaying denied", Refused),
        ("550 Relaying to <a@b.example> prohibited by administrator", Refused),
        ("550 5.7.1 Relaying to <a@b.example> denied (authentication required)", Refused),
        ("550 authentication required", Refused),
        ("550 SMTP authentication is required for this address", Refused),
        ("550 5.1.1 <a@b.example> must authenticate: no such user", Permanent),
        ("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", Refused),
        ("550 5.4.5 Daily user sending limit exceeded", Refused),
        ("550 5.7.26 This mail is unauthenticated", Refused),
        ("554 Transaction failed", Refused),
        ("550 5.1.1 <a@b.example>: User unknown in relay recipient table", Permanent),
        ("550 User unknown in relay recipient table", Permanent),
        ("550 5.4.1 Recipient address rejected: Access denied.", Permanent),
        ("550 5.4.1 no answer from host", Refused),
        ("550 sorry, no mailbox here by that name. (#5.1.1)", Permanent),
        ("550 No such user", Permanent),
        ("552 5.2.2 over quota", Permanent),
        ("552 5.3.4 too big", Permanent),
        ("553 5.1.3 not a valid address", Permanent),
        ("556 5.1.10 takes no mail", Permanent),
        ("550 5.99.1 a new subject", Refused),
        ("550 5.7.509 a new policy", Refused),
        ("550 5.1.351 a new trouble with the address", Permanent),
        ("550 4.1.1 of another class", Permanent),
        ("599 what", Refused),
        ("454 4.7.1 <a@b.example>: Relay access denied", Retryable),
        ("450 4.7.1 greylisted", Throttled),
        ("451 4.7.500 busy", Throttled),
        ("450 4.2.2 full", Retryable),
    ],
)
def test_what_real_servers_say_once_there_is_a_recipient(reply: str, expected: type[SendError]) -> None:
    for phase in WITH_RECIPIENT:
        error = of_reply(phase, int(reply[:3]), reply[4:])
        assert type(error) is expected
        assert "a@b.example" not in str(error)


@pytest.mark.parametrize("code", ["1.1", "1.2", "1.6", "1.10"])
@pytest.mark.parametrize("phase", Phase)
def test_only_a_mailbox_that_is_not_there_is_a_hard_bounce_and_only_at_rcpt(phase: Phase, code: str) -> None:
    error = of_reply(phase, 550, f"5.{code} <a@b.example> no")
    hard = SuppressionReason.HARD_BOUNCE if phase is Phase.RECIPIENT else None
    assert getattr(error, "suppresses", None) is hard


@pytest.mark.parametrize(
    "reply",
    [
        *(f"550 5.{code} no" for code in ENHANCED if code not in {"1.1", "1.2", "1.6", "1.10"}),
        *(f"{code} no such user" for code in BASIC),
        "550 5.1.351 a new trouble with the address",
        "550 5.4.1 Recipient address rejected: Access denied.",
        "450 4.1.1 not yet",
        "550 4.1.1 of another class",
        "550 5.7.1 5.1.1",
    ],
)
def test_policy_content_and_what_says_less_suppress_nothing(reply: str) -> None:
    assert getattr(of_reply(Phase.RECIPIENT, int(reply[:3]), reply[4:]), "suppresses", None) is None


@pytest.mark.parametrize("field", FIELDS)
def test_sendgrid_refuses_a_form_and_has_asked_no_mailbox(field: str) -> None:
    assert getattr(sendgrid(400, [field]), "suppresses", None) is None


@pytest.mark.parametrize(
    ("phase", "reply", "expected"),
    [
        (Phase.CONNECT, "421 4.7.0 too many connections", Throttled),
        (Phase.CONNECT, "554 5.7.1 blocked", Retryable),
        (Phase.EHLO, "421 4.7.0 Try again later, closing connection. (EHLO)", Retryable),
        (Phase.EHLO, "550 5.7.1 bad name", Refused),
        (Phase.STARTTLS, "454 4.7.0 TLS not available", Retryable),
        (Phase.LOGIN, "454 4.7.0 Temporary authentication failure", Retryable),
        (Phase.LOGIN, "504 5.5.4 unrecognised mechanism", Refused),
        (Phase.SENDER, "550 5.7.1 Sender address rejected: not owned by user", Refused),
        (Phase.SENDER, "550 5.1.0 sender unknown", Refused),
        (Phase.SENDER, "550 no", Refused),
        (Phase.SENDER, "421 4.7.0 slow down", Throttled),
        (Phase.SENDER, "552 5.3.4 too big", Permanent),
        (Phase.SENDER, "550 5.4.5 Daily user sending limit exceeded", Refused),
        (Phase.SENDER, "530 5.7.0 Must issue a STARTTLS command first", Refused),
        (Phase.SENDER, "538 5.7.11 encryption required", Refused),
    ],
)
def test_before_there_is_a_recipient_nothing_is_its_fault(phase: Phase, reply: str, expected: type[SendError]) -> None:
    error = of_reply(phase, int(reply[:3]), reply[4:])
    assert type(error) is expected
    assert not getattr(error, "credentials", False)


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        (Phase.LOGIN, "535 5.7.8 no"),
        (Phase.LOGIN, "535 5.7.139 no"),
        (Phase.LOGIN, "534 5.7.9 Application-specific password required"),
        (Phase.LOGIN, "525 5.7.13 disabled"),
        (Phase.LOGIN, "432 4.7.12 password transition"),
        (Phase.LOGIN, "550 no"),
        (Phase.SENDER, "530 5.7.0 Authentication required"),
        (Phase.SENDER, "530 5.7.57 Client not authenticated to send mail"),
        (Phase.RECIPIENT, "530 5.7.0 Authentication required"),
    ],
)
def test_a_rejected_login_is_about_our_credentials(phase: Phase, reply: str) -> None:
    error = of_reply(phase, int(reply[:3]), reply[4:])
    assert isinstance(error, Retryable)
    assert error.credentials


@pytest.mark.parametrize("reply", ["5.7.1 Relaying not allowed. Authentication required", "Relaying denied"])
def test_a_recipient_that_is_not_relayed_to_rings_no_alert_about_our_login(reply: str) -> None:
    """Any caller can name one."""
    error = of_reply(Phase.RECIPIENT, 530, reply)
    assert type(error) is Refused
    assert "relay" in str(error)


@pytest.mark.parametrize("phase", Phase)
def test_what_is_no_reply_is_unknown_only_once_the_mail_has_begun(phase: Phase) -> None:
    for code in (-1, 0, 220, 299, 354, 600, 999):
        assert type(of_reply(phase, code, "canary")) is (Unknown if phase is Phase.MAIL else Retryable)


def test_a_greeting_that_is_refused_names_its_setting() -> None:
    assert "SMTP_HELO" in str(of_reply(Phase.EHLO, 421, "4.7.0 Try again later, closing connection. (EHLO)"))
