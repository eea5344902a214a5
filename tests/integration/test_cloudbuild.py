"""The builds: what they test and deploy, and that the real gcloud takes each of their commands."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from shared.channels.registry import channel_names
from tests.e2e.stack import ROOT
from tests.integration.deployment import (
    BUILDS,
    NO_ACCOUNT,
    Deployed,
    asked,
    assert_taken,
    config,
    copy,
    deployed,
    gcloud,
    run_step,
    without_account,
)
from tests.integration.functions_api import REFUSED, functions_api

FUNCTIONS = {"gateway", "relay", "operations", "dead_letter", *channel_names()}
MTLS = {"_CLIENT_CERTIFICATES": "true"}
ISSUERS = "https://a.example,https://b.example"
ALL = {**MTLS, "_OIDC_AUDIENCE": "hark", "_OIDC_ISSUERS": ISSUERS, "_MIN_INSTANCES": "1", "_ALL_USERS": "true"}
MISTAKES = {
    "--concurency=80": "unrecognized arguments",
    "--ingress-settings=internal": "Invalid choice",
    "--concurrency=many": "argument --concurrency",
    "--set-build-env-vars=GOOGLE_FUNCTION_TARGET=email": "is reserved",  # pragma: allowlist secret
    "--set-secrets=SMTP_URL=hark-smtp-url:": "argument --set-secrets",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy(tmp_path)


def deployments(root: Path) -> list[Deployed]:
    """In every variant."""
    variants = [deployed(root), deployed(root, secrets="3"), deployed(root, ALL, secrets="3")]
    return [function for variant in variants for function in variant.values()]


def test_every_function_is_deployed_once_under_a_name_and_an_account_of_its_own(root: Path) -> None:
    functions = deployed(root)
    assert set(functions) == FUNCTIONS
    for name, function in functions.items():
        assert function.name == f"hark-{name.replace('_', '-')}"
        account = f"{function.name}@some-project.iam.gserviceaccount.com"
        assert function.flags["--service-account"] == account
        assert function.variables("--set-build-env-vars") == {"GOOGLE_FUNCTION_SOURCE": f"functions/{name}/main.py"}
        assert function.variables("--update-labels") == {"commit": "abc1234"}
    assert len({function.flags["--service-account"] for function in functions.values()}) == len(FUNCTIONS)


def test_every_function_has_the_size_that_it_is_made_for(root: Path) -> None:
    for function in deployments(root):
        flags = function.flags
        assert {"--gen2", "--quiet", "--trigger-http", "--serve-all-traffic-latest-revision"} <= set(flags)
        assert (flags["--runtime"], flags["--cpu"], flags["--memory"]) == ("python311", "1", "512Mi")
        assert int(flags["--concurrency"]) >= 80
        assert 0 <= int(flags["--min-instances"]) <= int(flags["--max-instances"]) <= 20  # of one CPU: a new project's
        assert 60 <= int(flags["--timeout"].removesuffix("s")) <= 120


@pytest.mark.parametrize(("all_users", "check"), [("false", "--no-invoker-iam-check"), ("true", "--invoker-iam-check")])
def test_only_the_gateway_can_be_called_by_anybody(root: Path, all_users: str, check: str) -> None:
    """By a grant to allUsers only who asked for that: an organisation may refuse it."""
    _, calls = run_step(root, "deploy", {"_ALL_USERS": all_users})
    for call in (call for call in calls if call[:2] == ["functions", "deploy"]):
        function = Deployed(call)
        granted = "--allow-unauthenticated" in function.flags
        assert granted == (function.function == "gateway" and all_users == "true")
        assert granted != ("--no-allow-unauthenticated" in function.flags)
        assert (function.function == "gateway") == (function.flags["--ingress-settings"] != "internal-only")
    updates = [call for call in calls if call[:3] == ["run", "services", "update"]]
    assert {(call[3], call[-1]) for call in updates} == {("hark-gateway", check)}
    of_gateway = [call[:3] for call in calls if "hark-gateway" in call and call[0] != "secrets"]
    assert of_gateway[-1] == ["run", "services", "update"]  # whatever the deployment left
    # Without a grant the check is off before the grant of an earlier deployment goes: no request is refused between.
    assert (of_gateway[0] == ["run", "services", "update"]) == (all_users == "false")


def test_a_gateway_that_cannot_be_opened_is_not_deployed(root: Path) -> None:
    done, _ = run_step(root, "deploy", failing="--no-invoker-iam-check")
    assert done.returncode == 1
    assert done.stderr == "hark: not deployed: hark-gateway\n"


def test_nobody_reaches_the_gateway_past_the_load_balancer_whose_headers_count_only_with_mtls(root: Path) -> None:
    for substitutions, behind in (({}, False), (MTLS, True)):
        gateway = deployed(root, substitutions, secrets="3")["gateway"]
        settings = gateway.variables("--set-env-vars")
        assert gateway.flags["--ingress-settings"] == "internal-and-gclb"
        assert settings["INGRESS"] == "internal-and-cloud-load-balancing"
        assert settings.get("BEHIND_LOAD_BALANCER") == ("true" if behind else None)
        secret = gateway.variables("--set-secrets").get("LOAD_BALANCER_SECRET")
        assert secret == ("hark-load-balancer-secret:3" if behind else None)


def test_each_function_but_the_gateway_can_be_called_by_the_one_account_that_has_reason_to(root: Path) -> None:
    _, calls = run_step(root, "deploy")
    bindings = {call[3]: call for call in calls if call[:3] == ["run", "services", "add-iam-policy-binding"]}
    assert set(bindings) == {f"hark-{name.replace('_', '-')}" for name in FUNCTIONS - {"gateway"}}
    for service, call in bindings.items():
        account = "hark-scheduler" if service in {"hark-relay", "hark-operations"} else "hark-pusher"
        assert f"--member=serviceAccount:{account}@some-project.iam.gserviceaccount.com" in call
        assert "--role=roles/run.invoker" in call


def test_the_options_of_terraform_reach_the_functions(root: Path) -> None:
    functions = deployed(
        root, {**ALL, "_NAME": "bell", "_DATABASE": "records", "_CALLERS_DATABASE": "bells"}, secrets="3"
    )
    for name, function in functions.items():
        assert function.name == f"bell-{name.replace('_', '-')}"
        assert function.flags["--min-instances"] == ("1" if name == "gateway" else "0")
        assert function.flags["--docker-repository"].endswith("/europe-west1/repositories/bell")
        assert function.flags["--build-service-account"].endswith("/bell-builder@some-project.iam.gserviceaccount.com")
        assert function.variables("--set-env-vars")["FIRESTORE_DATABASE"] == "records"
        callers = "bells" if name in {"gateway", "operations"} else None
        assert function.variables("--set-env-vars").get("CALLERS_DATABASE") == callers
    gateway = functions["gateway"].variables("--set-env-vars")
    assert (gateway["OIDC_AUDIENCE"], gateway["OIDC_ISSUERS"]) == ("hark", ISSUERS)
    least = deployed(root, {"_MAX_INSTANCES": "5"})
    most = {name: function.flags["--max-instances"] for name, function in least.items()}
    assert most == dict.fromkeys(FUNCTIONS, "5") | {"relay": "1", "operations": "1"}
    output = (ROOT / "infra" / "outputs.tf").read_text().partition('output "substitutions"')[2]
    told = set(re.findall(r"^ +(_[A-Z_]+) +=", output, re.MULTILINE))
    assert told
    assert told <= set(config()["substitutions"])


def test_client_certificates_are_not_trusted_without_the_load_balancers_secret(root: Path) -> None:
    done, calls = run_step(root, "deploy", MTLS)
    assert done.returncode == 1
    assert "[hark-gateway] the secret hark-load-balancer-secret has no version\n" in done.stdout
    assert done.stderr == "hark: not deployed: hark-gateway\n"
    assert "hark-gateway" not in {call[2] for call in calls}


def test_secrets_come_from_secret_manager_to_the_functions_they_are_for_and_never_as_settings(root: Path) -> None:
    entries = yaml.safe_load((ROOT / "infra" / "channels.yaml").read_text())
    channels = {name: entry for name, entry in entries.items() if not entry.get("of_events")}
    functions = deployed(root, secrets="3")
    for name, function in functions.items():
        lists = [("secrets", name)] if name in channels else [("receipt_secrets", c) for c in channels]
        wanted = {s for key, channel in lists if name in {channel, "gateway"} for s in channels[channel].get(key, ())}
        wanted |= set() if name == "dead_letter" else {"ADDRESS_HASH_KEY"}
        named = {setting: f"hark-{setting.lower().replace('_', '-')}:3" for setting in wanted}
        assert function.variables("--set-secrets") == named
        assert ("--clear-secrets" in function.flags) == (not wanted)
    secret = {s for c in channels.values() for key in ("secrets", "receipt_secrets") for s in c.get(key, ())}
    secret.add("ADDRESS_HASH_KEY")
    for function in deployments(root):
        assert not secret & set(function.variables("--set-env-vars"))


def test_with_events_there_are_two_functions_more_and_all_are_told(root: Path) -> None:
    functions = deployed(root, {"_EVENTS": "true"}, secrets="3")
    assert set(functions) == FUNCTIONS | {"events", "webhook"}
    assert all(function.variables("--set-env-vars")["EVENTS"] == "on" for function in functions.values())
    having = {name for name, f in functions.items() if "ENDPOINT_KEYS" in f.variables("--set-secrets")}
    assert having == {"gateway", "webhook"}


def test_a_deployment_without_the_value_of_any_providers_secret_sets_none(root: Path) -> None:
    """As the first one is; which provider each channel then has is for infra/channels.yaml to say."""
    functions = deployed(root)
    for channel in channel_names():
        assert functions[channel].variables("--set-env-vars")[f"{channel.upper()}_PROVIDER"]
    assert "--clear-secrets" in functions.pop("dead_letter").flags
    for function in functions.values():
        assert function.variables("--set-secrets") == {"ADDRESS_HASH_KEY": "hark-address-hash-key:1"}


def test_who_knows_addresses_is_not_deployed_without_the_key_to_their_hashes(root: Path) -> None:
    done, calls = run_step(root, "deploy", needed="")
    assert done.returncode == 1
    assert "[hark-relay] the secret hark-address-hash-key has no version\n" in done.stdout
    assert {call[2] for call in calls if call[:2] == ["functions", "deploy"]} == {"hark-dead-letter"}


def test_providers_are_told_the_address_that_the_gateway_has(root: Path) -> None:
    functions = deployed(root)
    for name in ("email", "sms", "gateway"):
        assert functions[name].variables("--set-env-vars")["PUBLIC_URL"] == "https://hark.example.com"


def test_a_channel_is_deployed_by_its_entry_alone(root: Path) -> None:
    with (root / "infra" / "channels.yaml").open("a") as channels:
        channels.write("sat_phone:\n  example: x\n  settings: {SAT_PHONE_PROVIDER: log}\n  secrets: [SAT_PHONE_KEY]\n")
    functions = deployed(root, secrets="7")
    assert set(functions) == {*FUNCTIONS, "sat_phone"}
    assert functions["sat_phone"].name == "hark-sat-phone"
    assert functions["sat_phone"].variables("--set-secrets") == {
        "ADDRESS_HASH_KEY": "hark-address-hash-key:7",
        "SAT_PHONE_KEY": "hark-sat-phone-key:7",
    }
    assert functions["sat_phone"].variables("--set-env-vars")["SAT_PHONE_PROVIDER"] == "log"


def test_what_every_function_is_told_is_for_one_file_to_say(root: Path) -> None:
    told = yaml.safe_load((root / "infra" / "settings.yaml").read_text())
    for function in deployments(root):
        settings = function.variables("--set-env-vars")
        assert {name: settings[name] for name in told} == {name: str(value) for name, value in told.items()}
        assert settings["OTEL_RESOURCE_ATTRIBUTES"] == "cloud.platform=gcp_cloud_run,cloud.region=europe-west1"


def test_a_channels_own_setting_wins(root: Path) -> None:
    file = root / "infra" / "channels.yaml"
    file.write_text(file.read_text().replace('    VONAGE_REPORTS: ""\n', "    MAX_ATTEMPTS: 5\n"))
    attempts = {name: f.variables("--set-env-vars")["MAX_ATTEMPTS"] for name, f in deployed(root).items()}
    assert attempts == dict.fromkeys(FUNCTIONS, "20") | {"sms": "5"}


@pytest.mark.parametrize("text", ["", "# nothing\n", 'OTEL: ""\n'])
def test_a_setting_without_a_value_is_not_deployed(root: Path, text: str) -> None:
    (root / "infra" / "settings.yaml").write_text(text)
    assert not {"MAX_ATTEMPTS", "OTEL"} & set(deployed(root)["relay"].variables("--set-env-vars"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("GRACE_SECONDS: 1.5\nMAX_ATTEMPTS: [20]", "MAX_ATTEMPTS: must be a string or a number"),
        ("OTEL:", "OTEL: must be a string or a number"),
        ("OTEL: true", "OTEL: must be a string or a number"),
        ("max_attempts: 20", "max_attempts: is no setting"),
        ("7: 20", "7: is no setting"),
        ("GOOGLE_CLOUD_PROJECT: other", "GOOGLE_CLOUD_PROJECT: cannot be set here"),
        ("FIRESTORE_DATABASE: other", "FIRESTORE_DATABASE: cannot be set here"),
        ("PYTHONPATH: /tmp", "PYTHONPATH: cannot be set here"),
        ("INGRESS: all", "INGRESS: cannot be set here"),
        ("BEHIND_LOAD_BALANCER: true", "BEHIND_LOAD_BALANCER: cannot be set here"),
        ("OIDC_AUDIENCE: hark", "OIDC_AUDIENCE: cannot be set here"),
        ("PUBLIC_URL: https://example.com", "PUBLIC_URL: cannot be set here"),
        ("SMTP_URL: smtp://mail.example.com", "SMTP_URL: cannot be set here"),
        ("- MAX_ATTEMPTS", "must be a mapping"),
    ],
)
def test_nothing_is_deployed_with_settings_that_are_not_valid(root: Path, line: str, problem: str) -> None:
    (root / "infra" / "settings.yaml").write_text(line + "\n")
    done, calls = run_step(root, "deploy")
    assert done.returncode == 1
    assert done.stderr.startswith(f"hark: infra/settings.yaml: {problem}")
    assert done.stderr.count("\n") == 1
    assert calls == []


def test_a_function_that_cannot_be_deployed_fails_the_step_and_stops_no_other(root: Path) -> None:
    done, calls = run_step(root, "deploy", failing="hark-sms")
    assert done.returncode == 1
    assert done.stderr == "hark: not deployed: hark-sms\n"
    assert len([call for call in calls if call[:2] == ["functions", "deploy"]]) == len(FUNCTIONS)


def test_a_secret_that_cannot_be_looked_up_is_not_taken_for_one_without_a_version(root: Path) -> None:
    done, calls = run_step(root, "deploy", failing="list")
    assert done.returncode == 1
    names = {call[2] for call in calls if call[:2] == ["functions", "deploy"]}
    assert names == {"hark-dead-letter"}  # the one without secrets


@pytest.mark.timeout(120)
def test_gcloud_takes_every_command_that_comes_after_or_is_for_another_variant(root: Path, tmp_path: Path) -> None:
    _, with_all = run_step(root, "deploy", ALL, secrets="3")
    _, with_none = run_step(root, "deploy")
    _, of_smoke_test = run_step(root, "smoke-test", failing="latest")
    _, of_tests = run_step(root, "tested")
    after = [call for call in with_all if call[0] == "run"]
    assert len(after) == len(FUNCTIONS)  # who may call each of them
    assert len(of_smoke_test) == len(of_tests) == 1
    unchecked = [call for call in with_none if "--no-invoker-iam-check" in call][:1]
    variants = [call for call in with_all if call[:3] == ["functions", "deploy", "hark-gateway"]]
    assert_taken([*after, *unchecked, *of_smoke_test, *of_tests, *variants], tmp_path)


@pytest.mark.timeout(120)
def test_gcloud_asks_for_what_the_commands_say(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The step with the real gcloud: its arguments, its lookups, its upload, up to its request for a new function."""
    gcloud()
    folder = tmp_path_factory.mktemp("gcloud")
    with functions_api() as api:
        real = {**without_account(folder), **api.environment(folder)}
        done, _ = run_step(root, "deploy", {"_PARALLEL_BUILDS": "6"}, real=real)
    assert done.returncode == 1
    assert done.stdout.count(REFUSED) == len(FUNCTIONS), done.stdout
    assert not (root / "main.py").exists()
    assert set(api.functions) == {f"hark-{name.replace('_', '-')}" for name in FUNCTIONS}
    for name, function in api.functions.items():
        service = function["serviceConfig"]
        assert function["buildConfig"]["runtime"] == "python311"
        assert function["labels"]["commit"] == "abc1234"
        assert service["serviceAccountEmail"] == f"{name}@some-project.iam.gserviceaccount.com"
        assert (service["maxInstanceRequestConcurrency"], service["availableCpu"]) == (80, "1")
        assert service["ingressSettings"] == f"ALLOW_INTERNAL_{'AND_GCLB' if name == 'hark-gateway' else 'ONLY'}"
        assert service["allTrafficOnLatestRevision"] is True
    keys = api.functions["hark-sms"]["serviceConfig"]["secretEnvironmentVariables"]
    assert {(key["secret"], key["version"]) for key in keys} == {
        ("hark-address-hash-key", "9"),  # the newest that is not disabled
        ("hark-twilio-api-key-secret", "9"),
        ("hark-vonage-api-secret", "9"),
        ("hark-vonage-private-key", "9"),
    }


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("name", "count"), [("cloudbuild-test.yaml", 1), ("cloudbuild.yaml", 5)])
def test_gcloud_takes_what_the_head_of_the_file_tells_people_to_type(name: str, count: int, tmp_path: Path) -> None:
    head = "".join(line[2:] for line in (ROOT / name).read_text().splitlines(True) if line[:2] == "# ")
    archive = shutil.make_archive(str(tmp_path / "hark"), "gztar", ROOT / "infra")
    head = (
        head.replace("\\\n", "").replace("/tmp/hark.tar.gz", archive).replace("--data-file=-", "--data-file=/dev/null")
    )
    head = head.replace(
        "$(terraform -chdir=infra output -raw substitutions)", "_REGION=europe-west1,_CLIENT_CERTIFICATES=false"
    )
    head = re.sub(r"\$\(git .*?\)", "abc1234", head)
    commands = [shlex.split(command)[1:] for command in re.findall(r"^ +(gcloud .*)", head, re.MULTILINE)]
    assert len(commands) == count
    assert_taken(commands, tmp_path)


@pytest.mark.timeout(120)
def test_a_wrong_argument_would_be_seen(root: Path, tmp_path: Path) -> None:
    good = deployed(root)["email"].arguments
    for wrong, done in zip(MISTAKES, asked([[*good, wrong] for wrong in MISTAKES], tmp_path), strict=True):
        assert done.returncode == 2, (wrong, done.stderr)
        assert MISTAKES[wrong] in done.stderr
        assert NO_ACCOUNT not in done.stderr


@pytest.mark.parametrize("name", BUILDS)
def test_a_field_that_cloud_build_does_not_know_would_be_seen(name: str, tmp_path: Path) -> None:
    text = (ROOT / name).read_text()
    file = tmp_path / name
    file.write_text(text.replace("timeout:", "timout:"))
    (done,) = asked([["builds", "submit", "--no-source", "--project=some-project", f"--config={file}"]], tmp_path)
    assert "timout: unused" in done.stderr


@pytest.mark.parametrize("step", ["test", "tested"])
def test_a_build_that_does_not_know_its_commit_stops_at_once(root: Path, step: str) -> None:
    done, calls = run_step(root, step, {"SHORT_SHA": ""})
    assert done.returncode != 0
    assert "which commit is this?" in done.stderr
    assert calls == []


def test_without_a_key_the_smoke_test_says_how_to_make_one(root: Path) -> None:
    done, _ = run_step(root, "smoke-test", failing="latest")
    assert done.returncode == 1
    assert done.stderr.endswith("hark: no smoke test: make its key, as the head of cloudbuild.yaml says\n")
