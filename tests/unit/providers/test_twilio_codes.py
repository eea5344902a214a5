"""Twilio's published error codes, each with its meaning: tests/data/twilio_codes.json is Twilio's list."""

import json
from pathlib import Path

import pytest

from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.delivery.model import Outcome, SuppressionReason
from shared.providers.twilio.codes import CODES, CREDENTIALS, of_code

PUBLISHED = {
    int(code): title
    for code, title in json.loads((Path(__file__).parents[2] / "data" / "twilio_codes.json").read_text())[
        "codes"
    ].items()
}
ELSEWHERE = [
    (20002, 20002),  # services, pages, deletions
    (20007, 20007),
    (20009, 20009),
    (20020, 20021),
    (20101, 20107),  # access tokens, which are for browsers and phones
    (20152, 20162),
    (21200, 21209),  # calls
    (21220, 21263),  # calls, trunks, SIP
    (21300, 21302),
    (21403, 21406),  # buying and setting up numbers, accounts
    (21409, 21409),
    (21422, 21455),
    (21457, 21458),
    (21473, 21481),
    (21501, 21501),  # recordings
    (21503, 21504),
    (21613, 21613),  # numbers' addresses and documents
    (21615, 21615),
    (21628, 21634),
    (21644, 21651),
    (21710, 21710),  # the members of a messaging service
    (21712, 21712),
    (21714, 21714),
    (21721, 21728),  # registration for US A2P 10DLC
    (30009, 30009),  # messages that come in
    (30011, 30011),  # MMS
    (30025, 30026),  # warnings
    (30100, 30108),  # short links
    (30110, 30123),
    (30125, 30125),
    (30128, 30133),
    (30404, 30409),  # schedules
    (30436, 30449),  # verification of toll-free numbers
    (63001, 63001),  # WhatsApp, Messenger, RCS
    (63005, 63006),
    (63008, 63013),
    (63015, 63016),
    (63019, 63023),
    (63025, 63030),
    (63032, 63032),
    (63034, 63037),
    (63039, 63051),
]

OPERATORS = [21210, 21212, 21408, 21601, 21603, 21606, 21608, 21609, 21659, 21660, 21661]
OPERATORS += [21701, 21702, 21703, 21704, 21705, 21709, 30032, 30034]
RECIPIENTS = [21211, 21214, 21217, 21265, 21610, 21612, 21614, 21617, 21635]
ACCOUNTS = [20003, 20005, 20006, 20403, 20404, 21470, 21471, 21472, 30002]


def test_every_published_code_has_a_meaning_or_answers_another_call() -> None:
    elsewhere = {code for code in PUBLISHED if any(first <= code <= last for first, last in ELSEWHERE)}
    assert not elsewhere & {*CODES}
    assert elsewhere | {*CODES} == {*PUBLISHED}


@pytest.mark.parametrize(
    ("codes", "kind"), [(OPERATORS, Refused), (RECIPIENTS, Permanent), ([20429, 21611, 30001], Throttled)]
)
def test_whose_fault_it_is(codes: list[int], kind: type[SendError]) -> None:
    assert {type(of_code(400, code)) for code in codes} == {kind}


@pytest.mark.parametrize("code", ACCOUNTS)
def test_only_the_whole_account_rings_the_alert_of_the_credentials(code: int) -> None:
    error = of_code(401, code)
    assert isinstance(error, Retryable)
    assert error.credentials


@pytest.mark.parametrize("code", CODES)
def test_an_error_has_words_and_the_code(code: int) -> None:
    kind, words = CODES[code]
    error = of_code(400, code)
    assert str(error) == f"Twilio answered 400: {words.format(sender='TWILIO_FROM')} ({code})"
    assert getattr(error, "credentials", False) == (kind == CREDENTIALS)


def test_a_refusal_says_what_to_do() -> None:
    assert "Geo permissions" in str(of_code(400, 21408))
    assert "TWILIO_FROM" in str(of_code(400, 21659))
    assert "WHATSAPP_FROM" in str(of_code(400, 21659, "WHATSAPP_FROM"))
    assert "the person has opted out (21610)" in str(of_code(400, 21610))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (422, Outcome.REFUSED),
        (401, Outcome.RETRYABLE),
        (403, Outcome.RETRYABLE),
        (429, Outcome.THROTTLED),
        (500, Outcome.UNKNOWN),
        (503, Outcome.RETRYABLE),
    ],
)
@pytest.mark.parametrize("code", [99999, None, "21610", True, [21610]])
def test_what_has_no_known_code_goes_by_its_status_and_can_be_replayed(
    status: int, outcome: Outcome, code: object
) -> None:
    assert of_code(status, code).outcome is outcome


@pytest.mark.parametrize("code", CODES)
def test_only_what_is_about_the_number_suppresses_it(code: int) -> None:
    stopped = {21610: SuppressionReason.STOP}
    invalid = dict.fromkeys([21211, 21217, 21614, 21635, 30005], SuppressionReason.INVALID)
    assert getattr(of_code(400, code), "suppresses", None) == (stopped | invalid).get(code)


def test_an_unknown_error_of_twilios_is_unknown() -> None:
    assert isinstance(of_code(500, 20500), Unknown)
