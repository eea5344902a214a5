"""Settings: what is wrong stops the start, by name, and no value is ever shown."""

from datetime import timedelta

import pytest
from pydantic import Field, SecretStr

from shared.runtime.settings import CoreSettings, HttpUrl, Settings, load

CANARY = "canary-5e3f"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Only the one setting that has no default."""
    for name in CoreSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    return monkeypatch


def refusal(cls: type[Settings] = CoreSettings) -> list[str]:
    """The lines of the refused start."""
    with pytest.raises(SystemExit) as refused:
        load(cls)
    assert CANARY not in str(refused.value)
    assert refused.value.__context__ is None, "whose text would be shown"
    first, *lines = str(refused.value).splitlines()
    assert first == "hark: the settings are not valid"
    return lines


def test_the_defaults_are_enough_with_a_project() -> None:
    settings = load(CoreSettings)
    assert settings.google_cloud_project == "my-project"
    assert (settings.firestore_emulator_host, settings.pubsub_emulator_host) == (None, None)
    policy = settings.policy()
    assert (policy.max_attempts, policy.grace, policy.lease) == (5, timedelta(seconds=60), timedelta(seconds=45))


def test_the_environment_sets_the_times(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RETRY_BASE_SECONDS", "0.5")
    environment.setenv("MAX_ATTEMPTS", "3")
    policy = load(CoreSettings).policy()
    assert (policy.retry_base, policy.max_attempts) == (timedelta(seconds=0.5), 3)


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_project_is_named(environment: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        environment.delenv("GOOGLE_CLOUD_PROJECT")
    else:
        environment.setenv("GOOGLE_CLOUD_PROJECT", value)
    assert refusal() == ["  GOOGLE_CLOUD_PROJECT: Field required"]


def test_an_empty_variable_counts_as_missing(environment: pytest.MonkeyPatch) -> None:
    for name in ("FIRESTORE_EMULATOR_HOST", "FIRESTORE_DATABASE", "LEASE_SECONDS", "MAX_ATTEMPTS"):
        environment.setenv(name, "")
    settings = load(CoreSettings)
    assert settings.firestore_emulator_host is None
    assert (settings.firestore_database, settings.lease_seconds, settings.max_attempts) == ("(default)", 45, 5)


def test_an_ack_deadline_that_a_send_can_outlive_is_refused_with_the_figures(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ACK_DEADLINE_SECONDS", "50")
    assert refusal() == [
        "  ACK_DEADLINE_SECONDS (50) must exceed the wait in place (10) + SEND_DEADLINE_SECONDS (30) "
        "+ ACK_MARGIN_SECONDS (10) = 50"
    ]
    environment.setenv("ACK_DEADLINE_SECONDS", "51")
    load(CoreSettings)


def test_a_lease_that_a_send_can_outlive_is_refused_with_the_figures(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LEASE_SECONDS", "30")
    assert refusal() == ["  LEASE_SECONDS (30) must exceed SEND_DEADLINE_SECONDS (30)"]
    environment.setenv("LEASE_SECONDS", "30.5")
    load(CoreSettings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_ATTEMPTS", "0"),
        ("MAX_ATTEMPTS", "101"),
        ("MAX_ATTEMPTS", "2.5"),
        ("GRACE_SECONDS", "0"),
        ("GRACE_SECONDS", "-1"),
        ("GRACE_SECONDS", "inf"),
        ("GRACE_SECONDS", "nan"),
        ("RETRY_BASE_SECONDS", "1e300"),
        ("RETRY_CAP_SECONDS", CANARY),
        ("SEND_DEADLINE_SECONDS", f"30{CANARY}"),
        ("ACK_DEADLINE_SECONDS", "9"),
        ("ACK_DEADLINE_SECONDS", "601"),
        ("RETENTION_DAYS", "0"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_name(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    (line,) = refusal()
    assert line.startswith(f"  {name}: Input should be ")
    assert not line.endswith(value) or value.isdigit()


def test_every_wrong_setting_has_its_line(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("GOOGLE_CLOUD_PROJECT")
    environment.setenv("MAX_ATTEMPTS", "0")
    assert [line.split(":")[0].strip() for line in refusal()] == ["GOOGLE_CLOUD_PROJECT", "MAX_ATTEMPTS"]


def test_a_secret_is_never_shown(environment: pytest.MonkeyPatch) -> None:
    class Keys(Settings):
        too_short_key: SecretStr = Field(min_length=100)
        plain_key: str = Field(pattern="^SG")
        number: int

    for name in ("TOO_SHORT_KEY", "PLAIN_KEY", "NUMBER"):
        environment.setenv(name, CANARY)
    assert [line.split(":")[0].strip() for line in refusal(Keys)] == ["TOO_SHORT_KEY", "PLAIN_KEY", "NUMBER"]


def test_settings_cannot_be_changed() -> None:
    settings = load(CoreSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.max_attempts = 7  # type: ignore[misc]


def test_a_setting_from_a_file_loses_the_files_newline(environment: pytest.MonkeyPatch) -> None:
    class WithSecret(Settings):
        api_key: SecretStr
        api_url: HttpUrl

    environment.setenv("API_KEY", "key\n")
    environment.setenv("API_URL", " https://api.example.com ")
    settings = load(WithSecret)
    assert (settings.api_key.get_secret_value(), settings.api_url) == ("key", "https://api.example.com")


@pytest.mark.parametrize("url", ["notaurl", "ftp://api.example.com", "https://", "//api.example.com"])
def test_a_url_that_is_none_is_named(environment: pytest.MonkeyPatch, url: str) -> None:
    class WithUrl(Settings):
        api_url: HttpUrl

    environment.setenv("API_URL", url)
    assert refusal(WithUrl) == ["  API_URL: must be an http:// or https:// URL"]
