"""What runs where: ports, channels and the environment of each function.

Nothing here names a channel: a channel is an entry of infra/channels.yaml and a folder of functions/.
"""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from emulator.errors import ConfigError, PortTaken
from shared.channels.registry import chosen

HOST = "127.0.0.1"

# The functions that are there whatever the channels are; the channels follow them on the ports.
GATEWAY = "gateway"
DEAD_LETTER = "dead_letter"
RELAY = "relay"
OPERATIONS = "operations"
FIXED_PORTS = {
    GATEWAY: 8080,
    "pubsub": 8085,
    "firestore": 8086,
    "lab": 8090,
    "smtp": 1025,
    DEAD_LETTER: 8101,
    RELAY: 8102,
}
FIRST_CHANNEL_PORT = 8103  # the function `operations` has the one after the last channel's
EVENTS = "events"  # with EVENTS=on alone, as the channels are that carry them; both have the ports behind the others'
NGINX = "nginx"  # with MTLS=1 alone
NGINX_PORT = 8443
TRACES = "traces"  # with OTEL=console alone
TRACES_PORT = 4318  # OTLP over HTTP has it everywhere

OTEL_VALUES = ("none", "console", "otlp", "google")

# Timings for one machine: with the cloud's a person would wait for minutes. They pass the functions' check at
# start-up: ack deadline > send deadline + margin, lease > send deadline. A variable of the environment wins.
LOCAL_DEFAULTS = {
    "GRACE_SECONDS": "5",
    "RELAY_AHEAD_SECONDS": "5",
    "RETRY_BASE_SECONDS": "0.5",
    "RETRY_CAP_SECONDS": "5",
    "SEND_DEADLINE_SECONDS": "10",
    "LEASE_SECONDS": "15",
    "ACK_DEADLINE_SECONDS": "30",
    "ACK_MARGIN_SECONDS": "5",
    "PYTHONUNBUFFERED": "1",  # a log file would otherwise stay empty until a block of it is full
}

_CHANNEL_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Channel:
    name: str
    local: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of its function, with {lab}, {smtp}, {gateway} and {webhook_key} not yet filled in."""
    receipts: Mapping[str, str] = field(default_factory=dict)
    """The same of the gateway, which reads what this channel's providers report back."""
    of_events: bool = False
    """It carries events, and nothing that a request asks for."""


@dataclass(frozen=True)
class Config:
    root: Path
    """The repository."""
    run_dir: Path
    """Shared by all stacks of this repository; this stack's own folder is `stack_dir`."""
    offset: int
    channels: tuple[Channel, ...]
    project: str
    ports: Mapping[str, int]
    """By process name; "smtp" is the lab's second port, "traces" the supervisor's own."""
    environ: Mapping[str, str]
    """The environment of the supervisor itself."""

    @property
    def stack_dir(self) -> Path:
        return self.run_dir / str(self.offset)

    @property
    def mtls(self) -> bool:
        return NGINX in self.ports

    @property
    def traces_on_console(self) -> bool:
        return TRACES in self.ports

    @property
    def has_events(self) -> bool:
        return EVENTS in self.ports

    @property
    def embedded(self) -> bool | None:
        """EMBEDDED: whether it is to be one process, without emulators; None: if there are none. Raises ConfigError."""
        value = self.environ.get("EMBEDDED", "")
        if value not in ("", "0", "1"):
            raise ConfigError(f"EMBEDDED={value!r}: expected 1, for one process without emulators, or 0, for never")
        return None if value == "" else value == "1"

    @property
    def functions(self) -> tuple[str, ...]:
        of_events = (EVENTS,) if self.has_events else ()
        return (GATEWAY, DEAD_LETTER, RELAY, OPERATIONS, *(channel.name for channel in self.channels), *of_events)

    @property
    def ack_deadline_seconds(self) -> int:
        """The subscriptions get what the functions are told: these check their own deadlines against it."""
        name = "ACK_DEADLINE_SECONDS"
        value = self.environ.get(name, LOCAL_DEFAULTS[name])
        if not value.isdigit() or not 10 <= int(value) <= 600:
            raise ConfigError(f"{name}={value!r}: Pub/Sub wants a whole number of seconds from 10 to 600")
        return int(value)

    @property
    def inherited(self) -> Mapping[str, str]:
        """`environ` for the functions' code. With OTEL=console it names one collector, the supervisor's."""
        if not self.traces_on_console:
            return self.environ
        return {
            "OTEL_BSP_SCHEDULE_DELAY": "200",  # milliseconds between two batches; by default 5 s
            **{name: value for name, value in self.environ.items() if not name.startswith("OTEL_EXPORTER_")},
            "OTEL": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url(TRACES),
        }

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self.ports[name]}"


def load(root: Path, environ: Mapping[str, str]) -> Config:
    """Raises ConfigError."""
    has_events = wants_events(environ)
    read = read_channels(root / "infra" / "channels.yaml", environ.get("CHANNELS", ""))
    channels = tuple(c for c in read if has_events or not c.of_events)
    offset = port_offset(environ)
    return Config(
        root=root,
        run_dir=Path(environ.get("HARK_RUN_DIR") or root / ".run").resolve(),
        offset=offset,
        channels=channels,
        project=environ.get("GOOGLE_CLOUD_PROJECT") or "hark-local",
        ports=plan_ports(channels, offset, mtls=wants_mtls(environ), traces=otel(environ) == "console"),
        environ=environ,
    )


def read_channels(path: Path, asked: str = "") -> tuple[Channel, ...]:
    """Those that CHANNELS asks for, and those that carry events. Raises ConfigError."""
    try:
        entries = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(entries, dict) or not entries:
        raise ConfigError(f"{path}: expected a mapping of channel names to their settings")
    checked = {name: _channel(path, name, entry) for name, entry in entries.items()}
    try:
        wanted = chosen(entries, asked)
    except ValueError as wrong:
        raise ConfigError(f"CHANNELS {wrong}") from None
    return tuple(channel for name, channel in checked.items() if name in wanted)


def _channel(path: Path, name: Any, entry: Any) -> Channel:
    if not isinstance(name, str) or not _CHANNEL_NAME.fullmatch(name):
        raise ConfigError(f"{path}: channel name {name!r} must match {_CHANNEL_NAME.pattern}")
    if name in (*FIXED_PORTS, OPERATIONS, EVENTS, NGINX, TRACES):
        raise ConfigError(f"{path}: a channel cannot be called {name!r}: another process has that name")
    if not isinstance(entry or {}, dict):
        raise ConfigError(f"{path}: {name} must be a mapping")
    local, receipts = (_variables(path, f"{name}.{key}", (entry or {}).get(key)) for key in ("local", "receipts"))
    return Channel(name, local, receipts, bool((entry or {}).get("of_events")))


def _variables(path: Path, where: str, value: Any) -> dict[str, str]:
    if not isinstance(value or {}, dict) or not all(type(v) in (str, int, float) for v in (value or {}).values()):
        raise ConfigError(f"{path}: {where} must be a mapping of variable names to strings or numbers")
    return {str(variable): str(setting) for variable, setting in (value or {}).items()}


def port_offset(environ: Mapping[str, str]) -> int:
    """Raises ConfigError."""
    value = environ.get("HARK_PORT_OFFSET") or "0"
    if not re.fullmatch(r"[0-9]{1,5}", value):
        raise ConfigError(f"HARK_PORT_OFFSET={value!r}: expected a whole number, 0 or more")
    return int(value)


def wants_mtls(environ: Mapping[str, str]) -> bool:
    """Raises ConfigError."""
    value = environ.get("MTLS") or "0"
    if value not in ("0", "1"):
        raise ConfigError(f"MTLS={value!r}: expected 1, for client certificates, or 0")
    return value == "1"


def wants_events(environ: Mapping[str, str]) -> bool:
    """Raises ConfigError."""
    value = environ.get("EVENTS") or "off"
    if value not in ("on", "off"):
        raise ConfigError(f"EVENTS={value!r}: expected on, for events to endpoints and to a topic, or off")
    return value == "on"


def otel(environ: Mapping[str, str]) -> str:
    """One of OTEL_VALUES. Raises ConfigError."""
    value = environ.get("OTEL") or "none"
    if value not in OTEL_VALUES:
        raise ConfigError(f"OTEL={value!r}: expected one of {', '.join(OTEL_VALUES)}")
    return value


def plan_ports(channels: tuple[Channel, ...], offset: int, *, mtls: bool, traces: bool) -> dict[str, int]:
    """Raises ConfigError."""
    of_events = [channel.name for channel in channels if channel.of_events]
    usual = [channel.name for channel in channels if not channel.of_events]
    names = (*usual, OPERATIONS, *of_events, *((EVENTS,) if of_events else ()))
    plan = FIXED_PORTS | {name: FIRST_CHANNEL_PORT + n for n, name in enumerate(names)}
    if mtls:
        plan[NGINX] = NGINX_PORT
    if traces:
        plan[TRACES] = TRACES_PORT
    highest = max(plan.values())
    if highest + offset > 65535:
        raise ConfigError(f"HARK_PORT_OFFSET={offset} is too high: at most {65535 - highest}")
    return {name: port + offset for name, port in plan.items()}


def check_one_process(config: Config) -> None:
    """Raises ConfigError for what is asked for and cannot be in one process."""
    impossible = {
        "MTLS": (config.mtls, "nginx is a process of its own"),
        "OTEL": (otel(config.environ) != "none", "all functions would be one service"),
        "HARK_FAIL_AT": (bool(config.environ.get("HARK_FAIL_AT")), "it would kill everything, records and all"),
    }
    for name, (asked, why) in impossible.items():
        if asked:
            raise ConfigError(f"{name} is set, which in one process cannot be: {why}. It needs the emulators.")


def check_ports_free(config: Config) -> None:
    """Raises PortTaken. An emulator that the environment already names needs no port of ours."""
    given = {"pubsub": "PUBSUB_EMULATOR_HOST", "firestore": "FIRESTORE_EMULATOR_HOST"}
    for name, port in config.ports.items():
        if name in given and config.environ.get(given[name]):
            continue
        with socket.socket() as probe:
            # As servers do; without it a port counts as taken for a minute after a server on it has stopped.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise PortTaken(
                    f"port {port}, needed for {name}, cannot be used ({os.strerror(error.errno or 0)}). "
                    f"Stop what uses it, or set HARK_PORT_OFFSET (now {config.offset}) to shift all ports; "
                    "100 more keeps two stacks apart."
                ) from error


def function_environment(
    config: Config, name: str, pubsub: str, firestore: str, webhook_key: str = ""
) -> dict[str, str]:
    """The environment of the function `name`; `pubsub` and `firestore` are the emulators as host:port.

    Where it runs is fixed, how it behaves is a default that the environment overrides.
    webhook_key: the public half of the key with which the lab signs receipts, base64 of its DER
    """
    local = [channel.local for channel in config.channels if channel.name == name]
    receipts = [channel.receipts for channel in config.channels if name in {GATEWAY, OPERATIONS}]
    defaults = LOCAL_DEFAULTS | {
        variable: _fill(value, config, webhook_key)
        for variables in (*local, *receipts)
        for variable, value in variables.items()
    }
    if name == GATEWAY:
        defaults["LAB_URL"] = config.url("lab")  # the console links to its inbox
    search_path = [str(config.root), config.environ.get("PYTHONPATH", "")]
    return {
        **defaults,
        **config.inherited,
        "FUNCTION_TARGET": name,
        "FUNCTION_SOURCE": f"functions/{name}/main.py",
        "HOST": HOST,
        "PORT": str(config.ports[name]),
        "PYTHONPATH": os.pathsep.join(filter(None, search_path)),
        "GOOGLE_CLOUD_PROJECT": config.project,
        "PUBSUB_EMULATOR_HOST": pubsub,
        "FIRESTORE_EMULATOR_HOST": firestore,
    }


def _fill(value: str, config: Config, webhook_key: str) -> str:
    known = {
        "{lab}": config.url("lab"),
        "{lab_host}": f"{HOST}:{config.ports['lab']}",
        "{smtp}": f"{HOST}:{config.ports['smtp']}",
        "{gateway}": config.url(GATEWAY),
        "{webhook_key}": webhook_key,
    }
    for placeholder, filling in known.items():  # not str.format: a value may hold other braces
        value = value.replace(placeholder, filling)
    return value
