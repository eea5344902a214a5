"""What must hold between infra/ and the code, as far as the files tell. What Terraform makes of them: infra/tests/."""

import importlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from emulator.config import load
from emulator.provision import MAX_DELIVERY_ATTEMPTS, MOST_EVENT_ATTEMPTS, plan
from functions.gateway.access.authentication import CERTIFICATE_HEADERS, SECRET_HEADER
from functions.gateway.settings import GatewaySettings
from infra.deploy import PEOPLE
from shared.channels.declaration import topic
from shared.channels.registry import ALL, channel_names, load_channels, load_screens
from shared.runtime.settings import CoreSettings, Settings
from tests.e2e.stack import ROOT

INFRA = ROOT / "infra"
FILES = sorted(INFRA.glob("*.tf"))
CONFIGURATION = "\n".join(path.read_text() for path in FILES)
CHANNELS = yaml.safe_load((INFRA / "channels.yaml").read_text())
EVERYWHERE = yaml.safe_load((INFRA / "settings.yaml").read_text())
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
OPENED_BY_THE_GATEWAY = {"UNSUBSCRIBE_KEYS"}
"""What a channel's function makes, and the gateway opens with the same."""
SECRET_WORD = re.compile(r"(TOKEN|SECRET|PASSWORD|_KEYS?|SMTP_URL|WEBHOOK_URL|_URLS)$")


def _secrets(*modules: str) -> set[str]:
    """The settings of these modules' own classes that are secret."""
    return {
        name.upper()
        for module in modules
        for cls in vars(importlib.import_module(module)).values()
        if isinstance(cls, type) and issubclass(cls, Settings) and cls.__module__ == module
        for name, field in cls.model_fields.items()
        if SecretStr in getattr(field.annotation, "__args__", (field.annotation,))
    }


@pytest.mark.parametrize("channel", channel_names(ALL))
def test_the_secrets_of_a_channel_are_those_that_its_providers_read(channel: str) -> None:
    files = (ROOT / "functions" / channel).glob("*_provider.py")
    modules = [f"functions.{channel}.{path.stem}" for path in files]
    own, gateways = (set(CHANNELS[channel].get(name, [])) for name in ("secrets", "receipt_secrets"))
    # What also opens what the gateway checks receipts with is the gateway's alone: the provider has a lesser one.
    assert own - OPENED_BY_THE_GATEWAY == _secrets(*modules) - gateways


def test_what_the_gateway_opens_the_function_of_the_mails_makes_by_the_same_keys() -> None:
    assert _secrets("functions.email.unsubscribe_header") == OPENED_BY_THE_GATEWAY | set(PEOPLE)
    assert set(CHANNELS["email"]["secrets"]) & set(CHANNELS["email"]["receipt_secrets"]) == OPENED_BY_THE_GATEWAY
    assert CHANNELS["email"]["settings"]["PUBLIC_URL"] == "{gateway}"


def test_what_checks_the_receipts_of_text_messages_is_the_gateways_alone() -> None:
    assert CHANNELS["sms"]["secrets"] == ["TWILIO_API_KEY_SECRET", "VONAGE_PRIVATE_KEY", "VONAGE_API_SECRET"]
    assert CHANNELS["sms"]["receipt_secrets"] == ["TWILIO_AUTH_TOKEN", "VONAGE_SIGNATURE_SECRET"]


def test_the_gateway_is_told_what_the_function_is_of_where_messages_may_go() -> None:
    function, gateway = (CHANNELS["sms"][name] for name in ("settings", "receipt_settings"))
    shared = {"SMS_PROVIDER", "TWILIO_FROM", "VONAGE_FROM", "SMS_COUNTRIES", "SMS_KINDS", "PUBLIC_URL"}
    assert function.keys() & gateway.keys() == shared
    assert {name: function[name] for name in shared} == {name: gateway[name] for name in shared}
    text = (INFRA / "channels.yaml").read_text()
    for name in shared - {"PUBLIC_URL"}:
        assert re.search(rf"{name}: &(\w+) .*{name}: \*\1\n", text, re.DOTALL), f"{name} is to be set in one place"


def test_the_deployments_test_may_send_to_each_example(monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in CHANNELS.values():
        for name, value in entry.get("receipt_settings", {}).items():
            if value != "":
                monkeypatch.setenv(name, str(value))
    channels = load_channels(ALL)
    for name, screen in load_screens(channels).items():
        refusal = screen.refusal(channels[name].normalise(CHANNELS[name]["example"]))
        assert refusal is None, f"infra/channels.yaml: {name}: example: {refusal}"


@pytest.mark.parametrize("channel", channel_names(ALL))
def test_the_gateway_gets_the_secrets_that_receipts_are_checked_with(channel: str) -> None:
    declared = load_channels(ALL)[channel]
    modules = [*declared.receipts.values(), *declared.replies.values()]
    shared = {provider.partition("_")[0] for provider in declared.receipts}
    modules += [f"shared.providers.{name}.signature" for name in shared if (ROOT / "shared/providers" / name).is_dir()]
    assert set(CHANNELS[channel].get("receipt_secrets", [])) - OPENED_BY_THE_GATEWAY == _secrets(*modules)


def test_every_secret_of_the_settings_is_in_secret_manager() -> None:
    settings = {
        name
        for row in re.findall(r"^\| (`[^|]*)\|", SETTINGS, re.MULTILINE)
        for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row)
    }
    # One is public, one is made by a person, and the gateway keeps its hash, and one is an account's name.
    public = {"SENDGRID_WEBHOOK_PUBLIC_KEY", "HARK_API_KEY", "VONAGE_API_KEY"}
    secret = {n for n in settings if SECRET_WORD.search(n)} - public
    lists = [entry.get(key, []) for entry in CHANNELS.values() for key in ("secrets", "receipt_secrets")]
    declared = {name for names in lists for name in names}
    others = _secrets(GatewaySettings.__module__) | set(PEOPLE)
    assert declared | others == secret
    assert others <= set(re.findall(r'setting = "([A-Z_]+)"', CONFIGURATION))


def test_topics_and_subscriptions_are_named_as_on_one_machine() -> None:
    """The emulator's are what the tests send through."""
    config = load(ROOT, {})
    there = plan(config, "localhost")
    topics = (INFRA / "topics.tf").read_text()
    patterns = re.findall(r'^  name += "(notifications-\$\{each\.key\}[^"]*)"', topics, re.MULTILINE)
    queues = [*channel_names(), *(f"{name}-bulk" for name in channel_names())]
    # What is of each queue stands there without "dead".
    made = {
        pattern.replace("${each.key}", name)
        for pattern in patterns
        for name in (channel_names() if "dead" in pattern else queues)
    }
    assert made == {path.rpartition("/")[2] for path in (*there.topics, *there.subscriptions)}
    assert {topic(name, bulk=bulk) for name in channel_names() for bulk in (False, True)} <= made


def in_the_cloud() -> CoreSettings:
    """With the values as the functions get them: from the environment, so as texts."""
    told = {name.lower(): str(value) for name, value in EVERYWHERE.items()}
    return CoreSettings.model_validate({"google_cloud_project": "any", **told})


def test_what_every_function_is_told_is_a_setting_that_every_function_has() -> None:
    # OpenTelemetry reads variables of its own, which all begin so.
    read = {name for name in EVERYWHERE if name.lower() in CoreSettings.model_fields or name.startswith("OTEL_")}
    assert set(EVERYWHERE) == read
    assert in_the_cloud().max_attempts == EVERYWHERE["MAX_ATTEMPTS"]


def test_attempts_outlast_an_outage_of_an_hour() -> None:
    """What docs/decisions/007-twenty-attempts.md is about: the shortest pauses that there can be."""
    policy = in_the_cloud().policy()
    pauses = (min(policy.retry_base * 2**n, policy.retry_cap) / 2 for n in range(policy.max_attempts - 1))
    assert sum(pauses, timedelta()) > timedelta(hours=1)


def test_pubsub_is_told_what_the_functions_are() -> None:
    assert f"ack_deadline_seconds = {in_the_cloud().ack_deadline_seconds:g}\n" in CONFIGURATION
    assert re.findall(r"max_delivery_attempts += (\d+)", CONFIGURATION) == [
        str(MOST_EVENT_ATTEMPTS),
        str(MAX_DELIVERY_ATTEMPTS),
    ]


def test_the_load_balancer_sets_each_header_that_the_gateway_reads() -> None:
    def headers(text: str) -> dict[str, str]:
        return dict(re.findall(r"(X-[A-Z][\w-]+): (\{\w+\}|what|\$)", text))

    made = headers((INFRA / "client_certificates.tf").read_text())
    assert {name.lower() for name in made} == {*CERTIFICATE_HEADERS, SECRET_HEADER}
    in_docs = headers((ROOT / "docs" / "lab.md").read_text())
    assert {k: v for k, v in made.items() if v != "$"} == {k: v for k, v in in_docs.items() if v != "what"}


def block(resource: str) -> str:
    """Of `type.name`."""
    kind, name = resource.split(".")
    (found,) = re.findall(rf'^resource "{kind}" "{name}" \{{\n(.*?)^\}}', CONFIGURATION, re.MULTILINE | re.DOTALL)
    return str(found)


def test_a_first_apply_makes_the_objective_last_and_not_all_of_the_database_at_once() -> None:
    """Its metrics are known minutes after they are made, which the indexes take; and Firestore takes few at once."""
    first = {"google_firestore_index.composite", "google_firestore_field.unindexed"}

    def waits_for(resource: str) -> set[str]:
        (named,) = re.findall(r"^  depends_on += \[(.*)\]", block(resource), re.MULTILINE)
        return set(named.split(", "))

    assert first <= waits_for("google_monitoring_slo.sent_in_time")
    assert waits_for("google_firestore_field.unindexed") == {"google_firestore_index.composite"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nobody_is_everybody_and_nobody_may_everything(path: Path) -> None:
    text = re.sub(r"#.*", "", path.read_text())
    assert not re.search(r"allUsers|allAuthenticatedUsers", text)
    assert not re.search(r'"roles/(owner|editor|viewer)"|"roles/[\w.]*[aA]dmin"', text)
    # These would take from others in the project what they have.
    assert not re.search(r'"google_\w+_iam_(policy|binding)"', text)


def test_each_line_that_a_metric_counts_is_logged() -> None:
    counted = set(re.findall(r'jsonPayload\.message=\\"([^"\\]+)\\"', CONFIGURATION))
    sources = [*(ROOT / "shared").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    logged = {event for path in sources for event in re.findall(r'log\.\w+\(\s*"([^"]+)"', path.read_text())}
    assert counted
    assert counted <= logged


def test_no_project_and_no_address_of_ours_is_in_the_configuration() -> None:
    for path in [*FILES, INFRA / "terraform.tfvars.example", *(INFRA / "tests").glob("*.hcl")]:
        assert set(_addresses(path.read_text())) <= {
            "you@example.com",
            "a@example.com",
            "b@example.com",
            "ops@example.com",
        }, path.name


def _addresses(text: str) -> Iterator[str]:
    yield from (a for a in re.findall(r"[\w.+-]+@[\w-]+\.[\w.]+", text) if not a.endswith(".iam.gserviceaccount.com"))


def test_every_variable_is_described_and_used() -> None:
    variables = (INFRA / "variables.tf").read_text()
    blocks = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', variables, re.MULTILINE | re.DOTALL)
    others = CONFIGURATION.replace(variables, "")
    assert blocks
    for name, block in blocks:
        assert "description = " in block, name
        assert f"var.{name}" in others, name
