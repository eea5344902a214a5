"""What the settings of SMS let through, and what stops the start of the gateway and of the sms function."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import ValidationError

from functions.sms.destinations import DestinationSettings, screen
from functions.sms.twilio_provider import TwilioSettings, provider
from functions.sms.vonage_provider import VonageSettings
from functions.sms.vonage_provider import provider as vonage_provider
from shared.channels.phone_destinations import Kind, refusals
from shared.channels.phone_numbers import in_e164

ACCOUNT = {"twilio_account_sid": "AC" + "0" * 32, "twilio_from": "+15005550006"}
SERVICE = "MG" + "a1" * 16
VARIABLES = ("SMS_COUNTRIES", "SMS_KINDS", "SMS_PER_NUMBER_PER_HOUR", "TWILIO_FROM", "VONAGE_FROM")
APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
EC = ec.generate_private_key(ec.SECP256R1())
RSA = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
VONAGE = {
    "vonage_from": "+15005550006",
    "vonage_api_key": "lab00000",  # pragma: allowlist secret
    "vonage_api_secret": "x",
}

Start = Callable[..., None]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Sets the environment to these variables alone."""

    def tell(**variables: str) -> None:
        of_vonage = [name.upper() for name in VonageSettings.model_fields]
        for name in [*VARIABLES, "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SID", *of_vonage]:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return tell


def why(address: str, **settings: str) -> str:
    chosen = DestinationSettings.model_validate({"twilio_from": "+15005550006", **settings})
    countries = chosen.countries()
    assert countries is not None
    # As the gateway asks: of an address in its one spelling.
    return refusals("SMS", countries, chosen.sms_kinds)(in_e164(address)) or ""


@pytest.mark.parametrize(
    "address",
    [
        "+14155552671",
        "+18005551234",  # free of charge
        "+15551230000",  # in no known range: the calling code decides
        *(f"+1500555000{n}" for n in range(10)),  # Twilio's and the lab's for tests
    ],
)
def test_by_default_numbers_of_the_senders_country_are_allowed(address: str) -> None:
    assert why(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "+18765551234",  # Jamaica
        "+16585551234",  # Jamaica, too
        "+12425551234",  # the Bahamas
        "+16135551234",  # Canada
        "+447400123456",
        "+491701234567",
        "+80012345678",  # of no country
        "+77012345678",
    ],
)
def test_by_default_no_other_countrys_are(address: str) -> None:
    refusal = why(address)
    assert "SMS_COUNTRIES allows numbers of US" in refusal
    assert address[2:] not in refusal
    assert why(address, sms_countries="*") == ""


@pytest.mark.parametrize(
    ("address", "country", "neighbour"),
    [
        ("+77012345678", "KZ", "RU"),
        ("+79161234567", "RU", "KZ"),
        ("+447797712345", "JE", "GB"),
        ("+447781123456", "GG", "GB"),
        ("+447624123456", "IM", "GB"),
        ("+390669812345", "VA", "IT"),
        ("+18765551234", "JM", "US"),
        ("+4779123456", "SJ", "NO"),
    ],
)
def test_countries_that_share_a_calling_code_are_told_apart(address: str, country: str, neighbour: str) -> None:
    assert why(address, sms_countries=country) == ""
    assert "SMS_COUNTRIES" in why(address, sms_countries=neighbour)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("+1 900 555 1234", Kind.PREMIUM),
        ("+44 909 879 1234", Kind.PREMIUM),
        ("+979123456789", Kind.PREMIUM),
        ("+80812345678", Kind.SHARED_COST),
        ("+49 180 5 012345", Kind.SHARED_COST),
        ("+44 70 1234 5678", Kind.PERSONAL),
        ("+1 500 234 5678", Kind.PERSONAL),
        ("+44 7640 123456", Kind.PAGER),
        ("+881612345678", Kind.SATELLITE),
        ("+88216123456", Kind.SATELLITE),
        ("+883510001234567", Kind.SATELLITE),
        ("+870773111632", Kind.SATELLITE),
    ],
)
def test_dear_numbers_are_refused_wherever_they_are_unless_their_kind_is_named(address: str, kind: Kind) -> None:
    assert f"SMS_KINDS does not name {kind} numbers" in why(address)
    assert f"SMS_KINDS does not name {kind} numbers" in why(address, sms_countries="*")
    others = ",".join(other for other in Kind if other is not kind)
    assert "SMS_KINDS" in why(address, sms_countries="*", sms_kinds=others)
    assert why(address, sms_countries="*", sms_kinds=f" {kind} ,") == ""


def test_satellites_are_no_countrys_and_need_their_kind_alone() -> None:
    assert why("+881612345678", sms_countries="US", sms_kinds="satellite") == ""
    assert "SMS_COUNTRIES" in why("+979123456789", sms_countries="US", sms_kinds="premium")


def test_both_rules_are_named_when_both_are_broken() -> None:
    refusal = why("+44 70 1234 5678")
    assert "SMS_KINDS" in refusal
    assert "SMS_COUNTRIES" in refusal


def test_a_long_list_of_countries_is_not_repeated() -> None:
    many = "AT,AU,BE,BG,CA,CH,CY,CZ,DE,DK,EE,ES,FI,FR,GB,GR,HR,HU,IE,IS,IT"
    assert "the countries that it names" in why("+12425551234", sms_countries=many)


def test_what_is_no_number_is_refused() -> None:
    assert "SMS_COUNTRIES" in (refusals("SMS", frozenset("*"), frozenset())("+") or "")


@pytest.mark.parametrize(
    ("sender", "countries"),
    [
        ("+15005550006", {"US"}),
        ("+15551230000", {"US"}),  # in no known range
        ("+18005551234", {"US"}),
        ("+16135551234", {"CA"}),
        ("+447400123456", {"GB"}),
        ("+447797712345", {"JE"}),
        ("+881612345678", None),  # no country's
        ("+9991234567", None),  # nobody's
        (SERVICE, None),
        ("MGM Resorts", None),
        ("12345", None),
    ],
)
def test_the_country_of_the_sender_is_the_default(sender: str, countries: set[str] | None) -> None:
    given = DestinationSettings(twilio_from=sender, sms_countries=("DE",))
    assert given.countries() == frozenset(["DE"])
    by_default = given.model_copy(update={"sms_countries": ()}).countries()
    assert by_default == (None if countries is None else frozenset(countries))


@pytest.mark.parametrize(
    ("twilio", "vonage", "countries"),
    [
        (None, "+447400123456", {"GB"}),
        ("+15005550006", "+447400123456", {"US", "GB"}),
        ("+15005550006", "+16135551234", {"US", "CA"}),
        ("+15005550006", "Hark", None),
        (SERVICE, "+447400123456", None),
        (None, "12345", None),
    ],
)
def test_of_several_senders_each_has_to_have_a_country(
    told: Start, monkeypatch: pytest.MonkeyPatch, twilio: str | None, vonage: str, countries: set[str] | None
) -> None:
    """Any of them may send it: another takes the place of one that is down."""
    told(VONAGE_FROM=vonage, **({} if twilio is None else {"TWILIO_FROM": twilio}))
    if countries is None:
        with pytest.raises(SystemExit, match="SMS_COUNTRIES must be set"):
            screen()
        monkeypatch.setenv("SMS_COUNTRIES", "US")
        screen()
    else:
        settings = DestinationSettings.model_validate({"twilio_from": twilio, "vonage_from": vonage})
        assert settings.countries() == frozenset(countries)
        assert "SMS_COUNTRIES" in (screen().refusal("+491701234567") or "")


@pytest.mark.parametrize("sender", [SERVICE, "MGM Resorts", "12345", "+881612345678"])
def test_without_a_country_the_start_stops_and_names_the_setting(
    told: Start, sender: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(TWILIO_FROM=sender)
    with pytest.raises(SystemExit, match="SMS_COUNTRIES must be set"):
        screen()
    told(TWILIO_FROM=sender, TWILIO_ACCOUNT_SID="AC" + "0" * 32, TWILIO_AUTH_TOKEN="x")
    with pytest.raises(SystemExit, match="SMS_COUNTRIES must be set"):
        provider()
    monkeypatch.setenv("SMS_COUNTRIES", "US,GB")
    assert screen().refusal("+447400123456") is None
    provider()


def test_a_deployment_that_sends_nothing_starts_without_any(told: Start) -> None:
    told()
    assert screen().refusal("+447400123456") is None
    assert "SMS_KINDS" in (screen().refusal("+19005551234") or "")


@pytest.mark.parametrize(
    "variables",
    [
        {"SMS_COUNTRIES": "UK"},
        {"SMS_COUNTRIES": "US;GB"},
        {"SMS_COUNTRIES": "US,*"},
        {"SMS_COUNTRIES": "001"},
        {"SMS_KINDS": "mobile"},
        {"SMS_KINDS": "*"},
        {"SMS_PER_NUMBER_PER_HOUR": "-1"},
        {"SMS_PER_NUMBER_PER_HOUR": "many"},
        {"TWILIO_FROM": "the MGM Resorts"},
        {"TWILIO_FROM": "MG" + "a" * 30},
        {"TWILIO_FROM": "15005550006"},
        {"TWILIO_FROM": "+1 500 555 0006"},
        {"TWILIO_FROM": "Caf\u00e9"},
        {"VONAGE_FROM": "MGM Resorts"},
        {"VONAGE_FROM": "15005550006"},
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_name_and_without_its_value(
    told: Start, variables: dict[str, str]
) -> None:
    told(**variables)
    ((name, value),) = variables.items()
    with pytest.raises(SystemExit, match=f"  {name}: must be|  {name}: Input should") as stopped:
        screen()
    assert len(value) < 3 or value not in str(stopped.value)


def test_an_hour_has_thirty_to_one_number_by_default_and_none_is_no_limit(told: Start) -> None:
    told()
    assert screen().most_per_hour == 30
    told(SMS_PER_NUMBER_PER_HOUR="0")
    assert screen().most_per_hour is None
    assert screen().setting == "SMS_PER_NUMBER_PER_HOUR"


@pytest.mark.parametrize("sender", ["+14155552671", SERVICE, "MGM Resorts", "MG1", "12345", "A", "Hark & Co-1"])
def test_a_sender_is_a_number_a_service_a_short_code_or_a_name(sender: str) -> None:
    assert TwilioSettings.model_validate({**ACCOUNT, "twilio_auth_token": "x", "twilio_from": sender}).twilio_from


@pytest.mark.parametrize(
    "sender", ["the MGM Resorts", "MG" + "g" * 32, SERVICE + "a", "+1", "415 555 2671", "123456789", "Caf\u00e9", "a/b"]
)
def test_nothing_else_is(sender: str) -> None:
    with pytest.raises(ValidationError, match="must be a number in"):
        TwilioSettings.model_validate({**ACCOUNT, "twilio_auth_token": "x", "twilio_from": sender})


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET must be set, or TWILIO_AUTH_TOKEN"),
        ({"twilio_api_key_sid": "SK" + "0" * 32}, "TWILIO_API_KEY_SECRET is missing"),  # pragma: allowlist secret
        ({"twilio_api_key_secret": "x"}, "TWILIO_API_KEY_SID is missing"),
        ({"twilio_api_key_secret": "x", "twilio_auth_token": "x"}, "TWILIO_API_KEY_SID is missing"),
        ({"twilio_api_key_sid": "SK1", "twilio_api_key_secret": "x"}, "twilio_api_key_sid"),  # pragma: allowlist secret
    ],
)
def test_half_of_the_credentials_stops_the_start(given: dict[str, str], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        TwilioSettings.model_validate({**ACCOUNT, **given})


def test_an_api_key_comes_before_the_accounts_token() -> None:
    token = {"twilio_auth_token": "token"}
    key = {"twilio_api_key_sid": "SK" + "0" * 32, "twilio_api_key_secret": "secret"}  # pragma: allowlist secret
    assert TwilioSettings.model_validate(ACCOUNT | token).credentials() == ("AC" + "0" * 32, "token")
    for given in (key, key | token):
        assert TwilioSettings.model_validate(ACCOUNT | given).credentials() == ("SK" + "0" * 32, "secret")


@pytest.mark.parametrize("sender", ["+14155552671", "12345", "Hark", "1Hark"])
def test_vonages_sender_is_a_number_a_short_code_or_a_name(sender: str) -> None:
    assert VonageSettings.model_validate({**VONAGE, "vonage_from": sender}).vonage_from == sender


@pytest.mark.parametrize("sender", [SERVICE, "Hark & Co", "twelve12345x", "+1", "14155552671", "Caf\u00e9", ""])
def test_nothing_else_is_vonages(sender: str) -> None:
    with pytest.raises(ValidationError, match="must be a number in"):
        VonageSettings.model_validate({**VONAGE, "vonage_from": sender})


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "VONAGE_APPLICATION_ID and VONAGE_PRIVATE_KEY must be set, or VONAGE_API_KEY and VONAGE_API_SECRET"),
        ({"vonage_application_id": APPLICATION}, "VONAGE_PRIVATE_KEY is missing beside VONAGE_APPLICATION_ID"),
        ({"vonage_private_key": RSA}, "VONAGE_APPLICATION_ID is missing beside VONAGE_PRIVATE_KEY"),
        ({"vonage_api_key": "lab00000"}, "VONAGE_API_SECRET is missing"),  # pragma: allowlist secret
        ({"vonage_api_secret": "x"}, "VONAGE_API_KEY is missing"),  # pragma: allowlist secret
        (
            {"vonage_application_id": APPLICATION, "vonage_private_key": RSA, "vonage_reports": "true"},
            "VONAGE_REPORTS needs VONAGE_API_KEY",
        ),
    ],
)
def test_half_of_vonages_credentials_stops_the_start(given: dict[str, str], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        VonageSettings.model_validate({"vonage_from": "+15005550006", **given})


@pytest.mark.parametrize(
    "key",
    [
        "canary",
        "/run/canary.pem",
        RSA.replace("PRIVATE KEY", "RSA PRIVATE KEY"),
        RSA[:200],
        EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    ],
    ids=["a word", "a path", "another head", "cut", "elliptic", "public"],
)
def test_a_key_that_is_no_applications_stops_the_start_without_being_shown(
    told: Start, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    told(VONAGE_FROM="+15005550006", VONAGE_APPLICATION_ID=APPLICATION, VONAGE_PRIVATE_KEY=key)
    with pytest.raises(SystemExit, match=r"  VONAGE_PRIVATE_KEY: must be the application's private\.key") as stopped:
        vonage_provider()
    assert key[-60:] not in str(stopped.value)
    monkeypatch.setenv("VONAGE_PRIVATE_KEY", RSA + "\n")
    vonage_provider()
