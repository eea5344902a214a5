"""Deploys every function with gcloud, a few at the same time: `python infra/deploy.py --help`. cloudbuild.yaml runs it.

Which channels there are, and what each of them needs, is for infra/channels.yaml to say; what all functions are told
alike, for infra/settings.yaml. A secret without a version is left out, so that a first deployment needs none; the
function that wants it then says so when it starts.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
GATEWAY = "gateway"
SEPARATOR = "~~~"  # of gcloud's variables (`gcloud topic escaping`): a comma may be part of a value

ALL_USERS = "whether the gateway is opened by a grant to allUsers; if not, Cloud Run does not look who calls it"

# The platform's own, and what would send a function to an emulator.
_RESERVED = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "FUNCTION_TARGET", "FUNCTION_SIGNATURE_TYPE"} | {
    "GOOGLE_FUNCTION_SOURCE",
    "FIRESTORE_EMULATOR_HOST",
    "PUBSUB_EMULATOR_HOST",
}

# What Google says while a right, an account or an API that was just made is not known everywhere: that takes up to
# seven minutes or more (https://cloud.google.com/iam/docs/access-change-propagation).
_SPREADING = re.compile(
    r"PERMISSION_DENIED|permission[^\n]*denied|denied[^\n]*permission|(does|do) not have[^\n]*permission|actAs"
    r"|service ?account[^\n]*(not found|(does|do) not exist)|has not been used in project[^\n]*or it is disabled",
    re.IGNORECASE,
)
PAUSES = (30.0, 60.0, 120.0, 240.0)  # seconds before each further try: seven and a half minutes

# What those need who know an address by its hash.
PEOPLE = ("ADDRESS_HASH_KEY",)

# Who calls a function of its own accord: these accounts are made in identities.tf.
PUSHER = "pusher"
SCHEDULER = "scheduler"


@dataclass(frozen=True)
class Function:
    name: str
    """Of its folder under functions/, and of the entry point in its main.py."""
    settings: Mapping[str, str]
    """An empty one counts as unset, and is not deployed."""
    secrets: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    """Secrets without which it is not deployed."""
    invoker: str | None = PUSHER
    """The account that may call it; None: everybody may."""
    min_instances: str = "0"
    max_instances: str = "1"
    timeout: str = "60s"  # a push is answered before its ack deadline, which is that


def main() -> None:
    """SystemExit with 1 when a function could not be deployed."""
    options = _arguments()
    # gcloud wants one where the source is, whatever GOOGLE_FUNCTION_SOURCE names. .gcloudignore keeps it from going up.
    wanted = ROOT / "main.py"
    wanted.touch()
    try:
        failed = deploy_all(options)
    finally:
        wanted.unlink()
    if failed:
        raise SystemExit(f"hark: not deployed: {', '.join(sorted(failed))}")


def deploy_all(options: argparse.Namespace) -> list[str]:
    """Which could not be deployed."""
    failed = []
    with ThreadPoolExecutor(max_workers=options.parallel) as pool:
        running = {pool.submit(deploy, function, options): function for function in functions(options)}
        for done in as_completed(running):
            name = resource(running[done].name, options)
            status, output = done.result()
            sys.stdout.writelines(f"[{name}] {line}\n" for line in output.splitlines())
            sys.stdout.write(f"[{name}] {'deployed' if status == 0 else 'NOT DEPLOYED'}\n")
            sys.stdout.flush()
            if status:
                failed.append(name)
    return failed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infra/deploy.py", description="Deploy every function of Hark.")
    parser.add_argument("--project", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--name", required=True, help="the first word of every name")
    parser.add_argument("--commit", required=True, help="which this is; a label of each function")
    parser.add_argument("--database", required=True, help="Firestore's")
    parser.add_argument("--callers-database", required=True, help="Firestore's for the gateway's callers")
    parser.add_argument("--public-url", required=True, help="the load balancer's, where the gateway is")
    parser.add_argument(
        "--client-certificates", choices=["true", "false"], required=True, help="whether it verifies them"
    )
    parser.add_argument(
        "--channels", default="", help="those that are there, with + between; empty: those that are not optional"
    )
    parser.add_argument("--events", choices=["true", "false"], required=True, help="whether changes are told")
    parser.add_argument("--oidc-audience", default="", help="the aud of callers' tokens; empty: no token is good")
    parser.add_argument("--oidc-issuers", default="", help="whose tokens are good, with commas; empty: Google's")
    parser.add_argument(
        "--iap-audience", default="", help="what Identity-Aware Proxy signs for; empty: it is not there"
    )
    parser.add_argument("--all-users", choices=["true", "false"], required=True, help=ALL_USERS)
    parser.add_argument("--min-instances", required=True, help="of the gateway; of the others none stands idle")
    parser.add_argument(
        "--max-instances", required=True, help="of each function but the relay and the operations, which have one"
    )
    parser.add_argument("--parallel", type=int, required=True, help="how many are built at the same time, at least 1")
    return parser.parse_args()


def functions(options: argparse.Namespace) -> list[Function]:
    """All of them, each with what it is told: a channel's own setting wins over that of all functions.

    SystemExit when infra/settings.yaml is not valid.
    """
    made = list(_functions(options))
    secret = {name for function in made for name in (*function.secrets, *function.needed)}
    (gateway,) = (function for function in made if function.name == GATEWAY)
    everywhere = _everywhere(secret | set(gateway.settings))  # which has all that is set below
    return [replace(function, settings={**everywhere, **function.settings}) for function in made]


def _functions(options: argparse.Namespace) -> Iterator[Function]:
    """Without what they are all told alike."""
    entries: Mapping[str, Mapping[str, Any]] = yaml.safe_load((ROOT / "infra" / "channels.yaml").read_text())
    has_events = options.events == "true"
    wanted = set(filter(None, options.channels.split("+")))
    channels = {
        name: entry
        for name, entry in entries.items()
        if (has_events if entry.get("of_events") else name in wanted if wanted else not entry.get("optional"))
    }
    url, trusted = options.public_url, options.client_certificates == "true"
    common = {
        "GOOGLE_CLOUD_PROJECT": options.project,  # Cloud Run does not set it
        "FIRESTORE_DATABASE": options.database,
        "PYTHONPATH": "/workspace",  # where the source is; the framework adds only the folder of main.py
        # Of OpenTelemetry. Google takes no metric without the region:
        # https://docs.cloud.google.com/stackdriver/docs/reference/telemetry/v1.metrics
        "OTEL_RESOURCE_ATTRIBUTES": f"cloud.platform=gcp_cloud_run,cloud.region={options.region}",
        "CHANNELS": ",".join(name for name in channels if name in wanted),
        "EVENTS": "on" if has_events else "",
    }
    most = options.max_instances
    for name, channel in channels.items():
        filled = common | _filled(channel.get("settings", {}), url)
        yield Function(name, filled, tuple(channel.get("secrets", ())), needed=PEOPLE, max_instances=most)
    yield Function("dead_letter", common, max_instances=most)
    if has_events:
        yield Function("events", common, needed=PEOPLE, max_instances=most)
    accepting = common | {"CALLERS_DATABASE": options.callers_database}
    for channel in channels.values():
        accepting |= _filled(channel.get("receipt_settings", {}), url)
    # A sweep takes up to a minute, and one at a time is enough.
    yield Function("relay", common, needed=PEOPLE, invoker=SCHEDULER, timeout="120s")
    yield Function("operations", accepting, needed=PEOPLE, invoker=SCHEDULER, timeout="120s")
    settings = accepting | {
        "INGRESS": "internal-and-cloud-load-balancing",  # what --ingress-settings says, in Cloud Run's words
        "BEHIND_LOAD_BALANCER": "true" if trusted else "",
        "OIDC_AUDIENCE": options.oidc_audience,
        "OIDC_ISSUERS": options.oidc_issuers,
        "IAP_AUDIENCE": options.iap_audience,
    }
    yield Function(
        GATEWAY,
        settings,
        tuple({secret for channel in channels.values() for secret in channel.get("receipt_secrets", ())}),
        needed=(*PEOPLE, *(("LOAD_BALANCER_SECRET",) if trusted else ())),
        invoker=None,
        min_instances=options.min_instances,
        max_instances=most,
    )


def _filled(settings: Mapping[str, Any], url: str) -> dict[str, str]:
    return {name: str(value).replace("{gateway}", url) for name, value in settings.items()}


def _everywhere(taken: Collection[str]) -> dict[str, str]:
    """What infra/settings.yaml says. taken: what may not be in it. SystemExit names the setting that is wrong."""
    try:
        settings = yaml.safe_load((ROOT / "infra" / "settings.yaml").read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SystemExit(f"hark: infra/settings.yaml: cannot be read: {error}") from None
    if not isinstance(settings, dict):
        raise SystemExit("hark: infra/settings.yaml: must be a mapping of settings to their values")
    for name, value in settings.items():
        if problem := _problem(name, value, taken):
            raise SystemExit(f"hark: infra/settings.yaml: {name}: {problem}")
    return {name: str(value) for name, value in settings.items()}


def _problem(name: Any, value: Any, taken: Collection[str]) -> str | None:
    if name in taken or name in _RESERVED:
        return "cannot be set here: infra/deploy.py or infra/channels.yaml does, or it is a secret"
    if not re.fullmatch("[A-Z][A-Z0-9_]*", str(name)):
        return "is no setting: their names are of capital letters, digits and underscores"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "must be a string or a number; in quotes everything is a string"
    if "~" in str(value) or not str(value).isprintable():
        return "must not have a ~ or a control character"  # the first is what separates gcloud's variables
    return None


def deploy(function: Function, options: argparse.Namespace) -> tuple[int, str]:
    """The exit status of the first gcloud that fails, or 0, and what was said. What time may mend is tried again."""
    versions = {}
    for secret in (*function.secrets, *function.needed):
        looked_up, output = patiently(partial(_gcloud, *enabled_versions(secret, options)))
        if looked_up.returncode:
            return looked_up.returncode, output
        if numbers := looked_up.stdout.split():
            versions[secret] = numbers[0]
        elif secret in function.needed:
            return 1, f"the secret {resource(secret, options)} has no version"
    opened = options.all_users == "false" and function.invoker is None
    if opened:
        # One that was open to allUsers closes otherwise until the last command. It fails where no function is yet.
        _gcloud(*invoker_check(function, options))
    commands = [deployment(function, versions, options)]
    commands.append(invoker_check(function, options) if function.invoker is None else invoker(function, options))
    said = ""
    for command in commands:
        done, output = patiently(partial(_gcloud, *command))
        said += output
        if done.returncode:
            return done.returncode, said
    return 0, said


def patiently(
    run: Callable[[], "subprocess.CompletedProcess[str]"], sleep: Callable[[float], None] = time.sleep
) -> tuple["subprocess.CompletedProcess[str]", str]:
    """The last try, and what all of them said. Only what a right that spreads may mend is tried again."""
    said = ""
    for pause in PAUSES:
        done = run()
        said += done.stderr + done.stdout
        if done.returncode == 0 or not _SPREADING.search(done.stderr):
            return done, said
        said += f"again in {pause:g} s: a right or an account may not be known everywhere yet\n"
        sleep(pause)
    done = run()
    return done, said + done.stderr + done.stdout


def enabled_versions(secret: str, options: argparse.Namespace) -> list[str]:
    """Prints their numbers, the newest first. No --limit: it would be heeded before the filter."""
    return [
        *("secrets", "versions", "list", resource(secret, options), f"--project={options.project}"),
        *("--filter=state=ENABLED", "--sort-by=~createTime", "--format=value(name.basename())"),
    ]


def deployment(function: Function, versions: Mapping[str, str], options: argparse.Namespace) -> list[str]:
    """What makes this function what it is here, whatever it was before.

    versions: by secret. One by its number, and not the latest: a revision keeps what it was deployed with, so what is
    put in its place is tried by a deployment, and not by an instance that starts some night.
    """
    name, project = resource(function.name, options), options.project
    secrets = ",".join(f"{secret}={resource(secret, options)}:{number}" for secret, number in sorted(versions.items()))
    # The gateway looks at its callers' credentials itself, and only the load balancer gets through to it. To the others
    # Cloud Run lets only their invoker; Pub/Sub and Cloud Scheduler of this project count as internal.
    public = function.invoker is None
    to_all = public and options.all_users == "true"
    return [
        *("functions", "deploy", name, "--gen2", "--quiet", f"--project={project}", f"--region={options.region}"),
        *("--runtime=python311", "--source=.", f"--entry-point={function.name}", "--trigger-http"),
        "--allow-unauthenticated" if to_all else "--no-allow-unauthenticated",
        f"--ingress-settings={'internal-and-gclb' if public else 'internal-only'}",
        f"--service-account={_account(name, project)}",
        f"--build-service-account=projects/{project}/serviceAccounts/{_account(f'{options.name}-builder', project)}",
        f"--docker-repository=projects/{project}/locations/{options.region}/repositories/{options.name}",
        *("--concurrency=80", "--cpu=1", "--memory=512Mi", f"--timeout={function.timeout}"),
        *(f"--min-instances={function.min_instances}", f"--max-instances={function.max_instances}"),
        f"--set-build-env-vars=GOOGLE_FUNCTION_SOURCE=functions/{function.name}/main.py",
        f"--set-env-vars={_variables(function.settings)}",
        f"--set-secrets={secrets}" if secrets else "--clear-secrets",
        f"--update-labels=commit={options.commit}",
        "--serve-all-traffic-latest-revision",  # or what was rolled back stays so
    ]


def invoker(function: Function, options: argparse.Namespace) -> list[str]:
    """Terraform cannot say who may call a function that is not there yet."""
    account = _account(f"{options.name}-{function.invoker}", options.project)
    return [
        *("run", "services", "add-iam-policy-binding", resource(function.name, options), "--quiet"),
        *(f"--project={options.project}", f"--region={options.region}"),
        *(f"--member=serviceAccount:{account}", "--role=roles/run.invoker", "--format=none"),
    ]


def invoker_check(function: Function, options: argparse.Namespace) -> list[str]:
    """Whether Cloud Run looks who calls. `gcloud functions` cannot say it: docs/decisions/006-access.md."""
    return [
        *("run", "services", "update", resource(function.name, options), "--quiet"),
        *(f"--project={options.project}", f"--region={options.region}", "--format=none"),
        "--invoker-iam-check" if options.all_users == "true" else "--no-invoker-iam-check",
    ]


def resource(name: str, options: argparse.Namespace) -> str:
    """The name in the cloud of a function, its account, or a secret: as in locals.tf and secrets.tf."""
    return f"{options.name}-{name.lower().replace('_', '-')}"


def _account(name: str, project: str) -> str:
    return f"{name}@{project}.iam.gserviceaccount.com"


def _variables(settings: Mapping[str, str]) -> str:
    pairs = SEPARATOR.join(f"{name}={value}" for name, value in sorted(settings.items()) if value)
    return f"^{SEPARATOR}^{pairs}"


def _gcloud(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - no shell, and the values are those of the repository and of the build
        ["gcloud", *arguments],  # noqa: S607 - PATH says which gcloud
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    main()
