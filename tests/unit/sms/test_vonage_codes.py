"""Vonage's published error codes, each with its meaning: tests/data/vonage_codes.json is Vonage's list."""

import json
import re
from pathlib import Path

import pytest

from functions.sms.vonage_codes import CODES, CREDENTIALS, SUPPRESSES, code_of
from functions.sms.vonage_provider import of_code
from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.delivery.model import Outcome, SuppressionReason

PUBLISHED: dict[str, str] = json.loads((Path(__file__).parents[2] / "data" / "vonage_codes.json").read_text())["codes"]
OPERATORS = ["1120", "1140", "1160", "1420", "1470", "1480", "invalid-params"]
RECIPIENTS = ["1040", "1050", "1170", "1190", "1210", "1240", "1260", "1280", "1310"]
ACCOUNTS = ["unauthorized", "jwt-expired", "account-suspended", "low-balance", "1060", "1070", "1080"]


def test_every_published_code_has_a_meaning_and_every_number_is_published() -> None:
    assert {code for code in CODES if code.isdigit()} == {*PUBLISHED}


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (OPERATORS, Refused),
        (RECIPIENTS, Permanent),
        (["1000", "1241", "1460", "1472"], Throttled),
        (["1100", "1180", "1220", "1230"], Retryable),
        (["1030", "1320", "1330", "1331"], Unknown),
    ],
)
def test_whose_fault_it_is(codes: list[str], kind: type[SendError]) -> None:
    errors = [of_code(422, code) for code in codes]
    assert {type(error) for error in errors} == {kind}
    assert not any(getattr(error, "credentials", False) for error in errors)


@pytest.mark.parametrize("code", ACCOUNTS)
def test_only_the_whole_account_rings_the_alert_of_the_credentials(code: str) -> None:
    error = of_code(402, code)
    assert isinstance(error, Retryable)
    assert error.credentials


@pytest.mark.parametrize("code", CODES)
def test_an_error_has_words_of_ours_and_the_code(code: str) -> None:
    kind, words = CODES[code]
    error = of_code(422, code)
    assert str(error) == f"Vonage answered 422: {words} ({code})"
    assert re.fullmatch(r"[a-z][A-Za-z0-9 ,:'_.-]{5,110}", words)
    assert getattr(error, "credentials", False) == (kind == CREDENTIALS)


def test_a_refusal_says_what_to_do() -> None:
    assert "VONAGE_FROM" in str(of_code(422, "1420"))
    assert "Fraud Defender" in str(of_code(422, "1470"))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (202, Outcome.UNKNOWN),
        (400, Outcome.REFUSED),
        (402, Outcome.REFUSED),
        (422, Outcome.REFUSED),
        (401, Outcome.RETRYABLE),
        (403, Outcome.RETRYABLE),
        (500, Outcome.UNKNOWN),
        (503, Outcome.RETRYABLE),
    ],
)
@pytest.mark.parametrize("code", ["9999", "a-new-word", None])
def test_what_has_no_known_code_goes_by_its_status_and_can_be_replayed(
    status: int, outcome: Outcome, code: str | None
) -> None:
    error = of_code(status, code)
    assert error.outcome is outcome
    assert ("9999" in str(error)) == (code == "9999")
    assert "word" not in str(error)


@pytest.mark.parametrize("code", CODES)
def test_only_what_is_about_the_number_suppresses_it(code: str) -> None:
    suppresses = {"1240": SuppressionReason.STOP, "1170": SuppressionReason.INVALID, "1190": SuppressionReason.INVALID}
    assert getattr(of_code(422, code), "suppresses", None) == suppresses.get(code)
    assert suppresses == SUPPRESSES


@pytest.mark.parametrize(
    ("type_", "code"),
    [
        ("https://developer.vonage.com/api-errors/messages#1120", "1120"),
        ("https://developer.nexmo.com/api-errors/messages-olympus#1120", "1120"),
        ("https://developer.vonage.com/en/api-errors#low-balance", "low-balance"),
        ("https://developer.nexmo.com/api-errors/#unathorized", "unathorized"),  # as it is spelt there
        ("https://developer.vonage.com/api-errors/messages#11200", None),
        ("https://developer.vonage.com/api-errors/messages#1120\n", None),
        ("https://developer.vonage.com/api-errors/messages", None),
        ("#1120", None),
        ("1120", None),
        (1120, None),
        (None, None),
        (["https://developer.vonage.com/api-errors/messages#1120"], None),
    ],
)
def test_the_code_is_what_ends_the_problems_type(type_: object, code: str | None) -> None:
    assert code_of(type_) == code
