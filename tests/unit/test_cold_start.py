"""What a cold start loads: each function its own provider's SDK, and the gateway none."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.environment import NEEDED

ROOT = Path(__file__).parents[2]
SDKS = {"sendgrid", "twilio", "vonage_http_client", "slack_sdk", "aiosmtplib", "apprise", "pywebpush", "py_vapid"}
TWILIO = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "x"}
FOR_TEMPLATES = {"liquid", "babel", "jsonschema_rs", "pytz"}
CHANNEL_SETTINGS = {
    "email": {
        "EMAIL_FROM": "hark@example.com",
        "SENDGRID_API_KEY": "SG.x",  # pragma: allowlist secret
        "SMTP_URL": "smtp://127.0.0.1:1",
    },
    "sms": {
        **TWILIO,
        "TWILIO_FROM": "+15005550006",
        "VONAGE_API_KEY": "lab00000",  # pragma: allowlist secret
        "VONAGE_API_SECRET": "x",
        "VONAGE_FROM": "+15005550006",
    },
    "webhook": {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"},
    "whatsapp": {**TWILIO, "WHATSAPP_FROM": "+15005550006"},
    "voice": {**TWILIO, "VOICE_FROM": "+15005550006"},
    "push": {},
    "webpush": {
        "VAPID_PRIVATE_KEY": "YSBwcml2YXRlIGtleSBvZiBub2JvZHkgYnV0IHRoaXM",  # pragma: allowlist secret
        "VAPID_SUBJECT": "mailto:hark@example.com",
    },
    "telegram": {"TELEGRAM_BOT_TOKEN": "1:x"},  # pragma: allowlist secret
    "teams": {"TEAMS_URLS": "ops=https://a.test/x"},
    "discord": {"DISCORD_URLS": "ops=https://a.test/x"},
    "googlechat": {"GOOGLECHAT_URLS": "ops=https://a.test/x"},
    "apprise": {"APPRISE_URLS": "ops=json://a.test/x"},
    "slack": {
        "SLACK_BOT_TOKEN": "xoxb-x",
        "SLACK_WEBHOOK_URL": "http://127.0.0.1:1/services/T0/B0/x",
        "SLACK_WEBHOOK_CHANNEL": "#x",
    },
}
OF_PLAIN_HTTP = {"push": "fcm", "telegram": "telegram", "teams": "workflows", "discord": "discord"} | {
    "googlechat": "googlechat"
}
LOGS = {f"{name.upper()}_PROVIDER": "log" for name in CHANNEL_SETTINGS}
REPORT = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def start(module: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Import the module in a process that has only these settings."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        # Apprise imports what it knows to be deprecated.
        [sys.executable, "-W", "error", "-W", "ignore:'imghdr':DeprecationWarning", "-c", REPORT, module],
        cwd=ROOT,
        env={**environ, **NEEDED, "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def loaded(module: str, **settings: str) -> set[str]:
    """The packages that importing the module loads."""
    done = start(module, GOOGLE_CLOUD_PROJECT="test", **settings)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("function", ["gateway", "relay", "operations", "dead_letter", "events"])
def test_a_function_that_sends_nothing_loads_no_providers_sdk(function: str) -> None:
    assert not loaded(f"functions.{function}.main") & SDKS


def test_a_gateway_of_all_channels_loads_no_providers_sdk_either() -> None:
    assert not loaded("functions.gateway.main", CHANNELS="*") & SDKS


def test_a_gateway_loads_nothing_of_the_channels_that_it_does_not_have() -> None:
    script = """
import functions.gateway.main, sys
print(sorted({name.split(".")[1] for name in sys.modules if name.startswith("functions.")}))
"""
    assert said(script, CHANNELS="email,telegram") == "['email', 'gateway', 'telegram']"


@pytest.mark.parametrize("channel", ["email", "sms", "slack", "telegram", "webhook"])
def test_a_channel_reads_no_list_of_channels(channel: str) -> None:
    settings = {**CHANNEL_SETTINGS[channel], f"{channel.upper()}_PROVIDER": "log"}
    assert "yaml" not in loaded(f"functions.{channel}.main", **settings)


@pytest.mark.parametrize("function", ["gateway", "relay", "operations", "dead_letter", "slack"])
def test_who_has_no_events_loads_nothing_of_them(function: str) -> None:
    script = f"""
import sys
import functions.{function}.main
print(sorted(name for name in sys.modules if "endpoint" in name.split(".")[-1] or "tell" in name or "untold" in name))
"""
    assert said(script, GOOGLE_CLOUD_PROJECT="test", SLACK_PROVIDER="log") == "[]"


def test_the_gateway_starts_without_fastapi() -> None:
    assert "fastapi" not in loaded("functions.gateway.main")


def test_the_gateway_starts_without_what_only_templates_need() -> None:
    assert not loaded("functions.gateway.main") & FOR_TEMPLATES


def test_nothing_but_a_template_loads_what_only_templates_need() -> None:
    """Accepting, and all routes: their modules are there, and their libraries are not."""
    modules = loaded("functions.gateway.fastapi_app")
    assert {"functions", "fastapi"} <= modules
    assert not modules & FOR_TEMPLATES


@pytest.mark.parametrize(
    ("channel", "provider", "sdks"),
    [
        ("email", "sendgrid", {"sendgrid"}),
        ("email", "smtp", {"aiosmtplib"}),
        ("email", "log", set()),
        ("sms", "twilio", {"twilio"}),
        ("sms", "vonage", {"vonage_http_client"}),
        ("sms", "twilio,vonage", {"twilio", "vonage_http_client"}),
        ("sms", "log", set()),
        ("slack", "slack", {"slack_sdk"}),
        ("slack", "webhook", {"slack_sdk"}),
        ("slack", "log", set()),
        ("whatsapp", "twilio_whatsapp", {"twilio"}),
        ("voice", "twilio_voice", {"twilio"}),
        ("webpush", "vapid", {"pywebpush", "py_vapid"}),
        ("apprise", "apprise", {"apprise"}),
        *[(name, word, set()) for name, word in OF_PLAIN_HTTP.items()],
    ],
)
def test_a_channel_function_loads_the_chosen_providers_sdk_alone(channel: str, provider: str, sdks: set[str]) -> None:
    settings = {f"{channel.upper()}_PROVIDER": provider, **CHANNEL_SETTINGS[channel]}
    assert loaded(f"functions.{channel}.main", **settings) & SDKS == sdks


@pytest.mark.parametrize("choice", ["", "pigeon"])
def test_a_provider_that_is_not_there_stops_the_start_and_names_the_choices(choice: str) -> None:
    done = start("functions.email.main", GOOGLE_CLOUD_PROJECT="test", EMAIL_PROVIDER=choice)
    assert done.returncode != 0
    assert done.stderr == "hark: EMAIL_PROVIDER must be one of log, sendgrid, smtp\n"


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ("smtp,smtp", "EMAIL_PROVIDER names a provider twice"),
        ("smtp,log", "EMAIL_PROVIDER: log sends nothing, so it takes no other's place"),
        ("smtp,pigeon", "EMAIL_PROVIDER must be one of log, sendgrid, smtp"),
    ],
)
def test_several_providers_that_make_no_sense_stop_the_start(choice: str, why: str) -> None:
    done = start("functions.email.main", GOOGLE_CLOUD_PROJECT="test", EMAIL_PROVIDER=choice)
    assert (done.returncode, done.stderr) == (1, f"hark: {why}\n")


def test_of_several_providers_each_needs_its_settings() -> None:
    settings = {**CHANNEL_SETTINGS["email"], "EMAIL_PROVIDER": "smtp, sendgrid"}
    assert start("functions.email.main", GOOGLE_CLOUD_PROJECT="test", **settings).returncode == 0
    done = start("functions.email.main", GOOGLE_CLOUD_PROJECT="test", **settings | {"SENDGRID_API_KEY": ""})
    assert "SENDGRID_API_KEY" in done.stderr


@pytest.mark.parametrize("function", ["gateway", "sms"])
def test_a_sender_without_a_country_stops_the_start_and_names_the_setting(function: str) -> None:
    sender = {**CHANNEL_SETTINGS["sms"], "SMS_PROVIDER": "twilio", "TWILIO_FROM": "MG" + "0" * 32}
    done = start(f"functions.{function}.main", GOOGLE_CLOUD_PROJECT="test", **sender)
    assert done.returncode != 0
    assert "SMS_COUNTRIES must be set" in done.stderr
    assert "Traceback" not in done.stderr
    assert start(f"functions.{function}.main", GOOGLE_CLOUD_PROJECT="test", SMS_COUNTRIES="*", **sender).returncode == 0


def test_without_a_project_no_function_starts() -> None:
    done = start("functions.gateway.main")
    assert done.returncode != 0
    assert "GOOGLE_CLOUD_PROJECT" in done.stderr
    assert "Traceback" not in done.stderr


def said(script: str, **settings: str) -> str:
    """What a script prints in a process that has only these settings."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **NEEDED, "GOOGLE_CLOUD_PROJECT": "test", "SMS_PROVIDER": "log", **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("function", ["gateway", "sms"])
def test_no_client_library_of_googles_is_loaded_and_whoever_wants_one_gets_it(function: str) -> None:
    script = f"""
import sys
import functions.{function}.main
clients = "google.cloud.firestore", "google.cloud.pubsub", "google.pubsub"
print([name for name in sys.modules if name.startswith(clients) and ".types" not in name])
from shared.google.firestore.rpc import Write
from google.cloud import firestore, firestore_v1
import google.pubsub_v1.types
import google.pubsub_v1
print(firestore.Client.__name__, google.pubsub_v1.PublisherClient.__name__, firestore_v1.types.Write.pb() is Write)
"""
    assert said(script).splitlines() == ["[]", "Client PublisherClient True"]


@pytest.mark.parametrize("main", sorted(ROOT.glob("functions/*/main.py")), ids=lambda path: path.parent.name)
def test_each_function_pauses_the_collection_of_garbage_before_it_imports_ours(main: Path) -> None:
    ours = [
        line
        for line in main.read_text().splitlines()
        if line.startswith(("import shared", "from shared", "from functions"))
    ]
    assert ours[0].startswith("import shared.entrypoint.pause_garbage_collection")


@pytest.mark.parametrize("function", ["gateway", "relay", "operations", "dead_letter", "events", "email", "telegram"])
def test_no_garbage_is_looked_for_until_the_function_is_imported(function: str) -> None:
    script = f"""
import gc
import functions_framework.aio
gc.collect()
frozen = []
gc.callbacks.append(lambda phase, info: frozen.append(gc.get_freeze_count()))
import functions.{function}.main
gc.collect()
print(gc.isenabled(), min(frozen) > 10_000)
"""
    assert said(script, **LOGS) == "True True"


def test_who_is_no_function_collects_garbage() -> None:
    """What tests, commands and the emulators import of a function does not pause it."""
    script = """
import gc, importlib, pathlib
for path in [*pathlib.Path("shared").rglob("*.py"), *pathlib.Path("functions").rglob("*.py")]:
    if path.stem not in ("main", "__main__", "pause_garbage_collection"):
        importlib.import_module(".".join(path.with_suffix("").parts))
print(gc.isenabled())
"""
    assert said(script) == "True"


def test_the_server_freezes_what_it_has_loaded_before_it_forks_its_worker(tmp_path: Path) -> None:
    """Deployed it is this command that starts a function: gunicorn forks, and the function is loaded before."""
    source = tmp_path / "main.py"
    source.write_text("""
import gc, os
import functions.sms.main
import functions_framework.aio

loaded_by, made, frozen = os.getpid(), [[] for _ in range(5000)], gc.get_freeze_count()

@functions_framework.aio.http
async def report(request):
    return {"forked": os.getppid() == loaded_by, "more": gc.get_freeze_count() - frozen, "on": gc.isenabled()}
""")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [Path(sys.executable).with_name("functions-framework")],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "GOOGLE_CLOUD_PROJECT": "test",
            **NEEDED,
            "SMS_PROVIDER": "log",
            "FUNCTION_TARGET": "report",
            "FUNCTION_SOURCE": str(source),
            "HOST": "127.0.0.1",
            "PORT": str(port),
        },
    )
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:  # 0.5 s, 1 s and so on between them
            answer = client.get(f"http://127.0.0.1:{port}/", timeout=60).json()
    finally:
        server.terminate()
        server.wait(60)
    assert answer["forked"]
    assert answer["on"]
    assert answer["more"] > 5000


def test_who_sends_no_mail_does_not_load_what_checks_its_addresses() -> None:
    assert "email_validator" not in loaded("functions.gateway.main")


@pytest.mark.parametrize("function", ["gateway", "email"])
def test_who_sends_no_html_loads_nothing_that_reads_it(function: str) -> None:
    settings = {**CHANNEL_SETTINGS["email"], "EMAIL_PROVIDER": "smtp"} if function == "email" else {}
    settings["EMAIL_SENDERS"] = "billing=Billing <billing@example.com>"
    assert not loaded(f"functions.{function}.main", **settings) & {"css_inline", "inscriptis", "lxml"}


def test_a_plain_mail_loads_nothing_that_reads_html() -> None:
    script = """
import sys
from functions.email.content import Content
Content.model_validate(Content.merged({"message": "x"}, {"subject": "y"})).parts()
libraries = {"css_inline", "inscriptis", "lxml", "email_validator"}
print(sorted(libraries & {*sys.modules}))
Content.model_validate(Content.merged({"message": "x"}, {"html": "<style>p{color:red}</style><p>x"})).parts()
print(sorted(libraries & {*sys.modules}))
"""
    assert said(script).splitlines() == ["[]", "['css_inline', 'inscriptis', 'lxml']"]


@pytest.mark.parametrize("function", ["gateway", "email"])
def test_keys_of_unsubscribe_links_load_nothing_until_one_is_made_or_opened(function: str) -> None:
    settings = {"UNSUBSCRIBE_KEYS": "k" * 32, "PUBLIC_URL": "https://hark.example.com"}
    if function == "email":
        settings |= {**CHANNEL_SETTINGS["email"], "EMAIL_PROVIDER": "smtp"}
    script = f"import functions.{function}.main, sys; print('cryptography.fernet' in sys.modules)"
    assert said(script, **settings) == "False"


def test_who_exports_nothing_does_not_load_opentelemetry() -> None:
    script = "import functions.gateway.main, functions.sms.main, sys; print('opentelemetry.sdk' in sys.modules)"
    for exporter, loads in (("none", "False"), ("otlp", "True")):
        assert said(script, OTEL=exporter) == loads


@pytest.mark.parametrize("function", ["gateway", "relay", "operations"])
def test_who_knows_addresses_does_not_start_without_the_key_that_hashes_them(function: str) -> None:
    done = start(f"functions.{function}.main", GOOGLE_CLOUD_PROJECT="test", ADDRESS_HASH_KEY="")
    assert done.returncode != 0
    assert "ADDRESS_HASH_KEY is needed" in done.stderr
    assert "Traceback" not in done.stderr
