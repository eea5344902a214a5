"""The gateway's own settings: what would let in the wrong ones stops the start."""

import pytest

from functions.gateway.settings import GOOGLE, GatewaySettings
from shared.providers.twilio.signature import WebhookSettings
from shared.runtime.settings import Settings, load

CANARY = "canary-5e3f"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*GatewaySettings.model_fields, *WebhookSettings.model_fields):
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def refusal(cls: type[Settings] = GatewaySettings) -> str:
    with pytest.raises(SystemExit) as refused:
        load(cls)
    assert CANARY not in str(refused.value)
    return str(refused.value)


def test_by_default_nobody_but_an_api_key_is_trusted() -> None:
    own = load(GatewaySettings)
    assert (own.behind_load_balancer, own.ingress, own.oidc_issuers, own.oidc_audience) == (
        False,
        "all",
        (GOOGLE,),
        None,
    )


def test_the_audience_of_identity_aware_proxy_is_as_it_names_it(environment: pytest.MonkeyPatch) -> None:
    assert load(GatewaySettings).iap_audience is None
    for good in ("/projects/1/global/backendServices/2", "/projects/12/locations/europe-west1/services/hark-gateway"):
        environment.setenv("IAP_AUDIENCE", good)
        assert load(GatewaySettings).iap_audience == good
    for wrong in (CANARY, "/projects/my-project/global/backendServices/2", "/projects/1/", "/projects/1/a b", "hark"):
        environment.setenv("IAP_AUDIENCE", wrong)
        assert "IAP_AUDIENCE" in refusal()


def test_the_callers_database_has_a_databases_name_or_is_that_of_all_records(environment: pytest.MonkeyPatch) -> None:
    assert load(GatewaySettings).callers_database is None
    for name in ("(default)", "callers", "hark-callers-2"):
        environment.setenv("CALLERS_DATABASE", name)
        assert load(GatewaySettings).callers_database == name
    for name in (CANARY + "/x", "default()", "Callers", "ab", "1callers", "callers-", "c" * 64):
        environment.setenv("CALLERS_DATABASE", name)
        assert "CALLERS_DATABASE" in refusal()


def test_a_load_balancer_is_trusted_only_where_nobody_gets_past_it(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BEHIND_LOAD_BALANCER", "true")
    environment.setenv("LOAD_BALANCER_SECRET", CANARY * 2)
    assert "INGRESS=all" in refusal()
    environment.setenv("INGRESS", "all")
    assert "INGRESS=all" in refusal()
    for ingress in ("internal", "internal-and-cloud-load-balancing"):
        environment.setenv("INGRESS", ingress)
        assert load(GatewaySettings).behind_load_balancer


@pytest.mark.parametrize("secret", [None, "", " "])
def test_a_load_balancer_without_a_secret_stops_the_start(environment: pytest.MonkeyPatch, secret: str | None) -> None:
    environment.setenv("BEHIND_LOAD_BALANCER", "true")
    environment.setenv("INGRESS", "internal-and-cloud-load-balancing")
    if secret is not None:
        environment.setenv("LOAD_BALANCER_SECRET", secret)
    assert "LOAD_BALANCER_SECRET" in refusal()


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "https://127.0.0.1",
        "http://127.0.0.1:8080/x",
        "http://127.8.9.1",
        "http://localhost:1",
        "http://[::1]:1",
    ],
)
def test_an_issuer_is_https_or_of_this_machine(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("OIDC_ISSUERS", f"https://b.example,{url}")
    assert load(GatewaySettings).oidc_issuers == ("https://b.example", url)


def test_issuers_are_listed_with_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OIDC_ISSUERS", " https://a.example, https://b.example/realm/ ,")
    assert load(GatewaySettings).oidc_issuers == ("https://a.example", "https://b.example/realm/")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OIDC_ISSUERS", ","),
        ("OIDC_ISSUERS", f"https://{CANARY} https://b.example"),
        ("OIDC_ISSUERS", f"ftp://{CANARY}"),
        ("OIDC_ISSUERS", f"https://a.example?{CANARY}"),
        ("OIDC_ISSUERS", f"http://{CANARY}.example"),
        ("OIDC_ISSUERS", f"https://a.example,http://{CANARY}.example"),
        ("OIDC_ISSUERS", f"http://localhost.{CANARY}.example"),
        ("OIDC_ISSUERS", f"http://127.0.0.1.{CANARY}.example"),
        ("OIDC_ISSUERS", f"http://127.0.0.1@{CANARY}.example"),
        ("OIDC_ISSUERS", "http://10.0.0.1"),
        ("OIDC_ISSUERS", "http://0.0.0.0"),
        ("OIDC_ISSUERS", "HTTP://a.example"),
        ("INGRESS", CANARY),
        ("BEHIND_LOAD_BALANCER", CANARY),
        ("LOAD_BALANCER_SECRET", CANARY),
        ("LOAD_BALANCER_SECRET", CANARY * 2),
    ],
)
def test_a_wrong_setting_is_named(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    assert name in refusal()


@pytest.mark.parametrize(
    "url", [CANARY, f"https://{CANARY}:port", f"https://{CANARY}?x=1", f"https://{CANARY}/#x", f"https:// {CANARY}"]
)
def test_a_public_url_is_one_that_paths_can_stand_behind(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("PUBLIC_URL", url)
    assert "PUBLIC_URL" in refusal(WebhookSettings)
