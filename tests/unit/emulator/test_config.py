"""What runs where: ports, channels and environments, from the file and the variables they are read from."""

import os
import socket
from pathlib import Path

import pytest

from emulator.config import Config, check_ports_free, function_environment, load, read_channels
from emulator.errors import ConfigError, PortTaken

TWO_CHANNELS = """
pigeon:
  memory: 256M
  local:
    PIGEON_URL: "{lab}/coop"
    PIGEON_SMTP: "smtp://{smtp}"
    PIGEON_RECEIPTS: "{gateway}/receipts"
    PIGEON_TEMPLATE: '{"left": "{as} is"}'
    PIGEON_WINGS: 2
drum: {}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "channels.yaml").write_text(TWO_CHANNELS)
    return tmp_path


def pigeon(config: Config) -> dict[str, str]:
    return function_environment(config, "pigeon", "pubsub:1", "firestore:2")


def test_the_ports_are_the_documented_ones_and_the_channels_follow_in_file_order(root: Path) -> None:
    assert load(root, {}).ports == {
        "gateway": 8080,
        "pubsub": 8085,
        "firestore": 8086,
        "lab": 8090,
        "smtp": 1025,
        "dead_letter": 8101,
        "relay": 8102,
        "pigeon": 8103,
        "drum": 8104,
        "operations": 8105,
    }


def test_the_offset_shifts_every_port(root: Path) -> None:
    usual, shifted = load(root, {}).ports, load(root, {"HARK_PORT_OFFSET": "300"}).ports
    assert {name: port + 300 for name, port in usual.items()} == shifted


@pytest.mark.parametrize("value", ["-1", "a", "1.5", "60000", "99999999", "²"])
def test_a_bad_offset_is_refused_by_name(root: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="HARK_PORT_OFFSET"):
        load(root, {"HARK_PORT_OFFSET": value})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- pigeon",
        "pigeon",
        "Pigeon: {}",
        "1: {}",
        "'a-b': {}",
        "gateway: {}",
        "lab: {}",
        "operations: {}",
        "nginx: {}",
        "traces: {}",
        "a: [",
        "a: 1",
        "a: {local: 1}",
        "a: {local: [b]}",
        "a: {local: {B: [c]}}",
        "a: {local: {B: true}}",
        "a: {local: {B: null}}",
    ],
)
def test_a_bad_channels_file_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    file = tmp_path / "channels.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"channels\.yaml"):
        read_channels(file)


def test_a_missing_channels_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"channels\.yaml"):
        load(tmp_path, {})


def test_a_channel_needs_no_local_settings(tmp_path: Path) -> None:
    file = tmp_path / "channels.yaml"
    file.write_text("pigeon:\ndrum: {memory: 1G}\ncarrier_2: {local: }")
    assert [(channel.name, channel.local) for channel in read_channels(file)] == [
        ("pigeon", {}),
        ("drum", {}),
        ("carrier_2", {}),
    ]


def test_the_gateway_alone_knows_the_lab_and_may_be_told_of_another(root: Path) -> None:
    config = load(root, {"HARK_PORT_OFFSET": "10"})
    urls = {name: function_environment(config, name, "", "").get("LAB_URL") for name in config.functions}
    assert {name: url for name, url in urls.items() if url} == {"gateway": "http://127.0.0.1:8100"}
    told = function_environment(load(root, {"LAB_URL": ""}), "gateway", "", "")
    assert told["LAB_URL"] == ""


def test_the_addresses_of_this_stack_are_filled_into_local_settings(root: Path) -> None:
    env = pigeon(load(root, {"HARK_PORT_OFFSET": "10"}))
    assert env["PIGEON_URL"] == "http://127.0.0.1:8100/coop"
    assert env["PIGEON_SMTP"] == "smtp://127.0.0.1:1035"
    assert env["PIGEON_RECEIPTS"] == "http://127.0.0.1:8090/receipts"
    assert env["PIGEON_TEMPLATE"] == '{"left": "{as} is"}'
    assert env["PIGEON_WINGS"] == "2"


def test_a_variable_of_the_environment_wins_over_local_settings_and_timings(root: Path) -> None:
    env = pigeon(load(root, {"PIGEON_URL": "https://pigeon.example", "LEASE_SECONDS": "90", "PIGEON_WINGS": ""}))
    assert (env["PIGEON_URL"], env["LEASE_SECONDS"], env["PIGEON_WINGS"]) == ("https://pigeon.example", "90", "")
    assert env["GRACE_SECONDS"] == "5"


def test_where_a_function_runs_is_not_for_the_environment_to_say(root: Path) -> None:
    env = pigeon(load(root, {"PORT": "80", "HOST": "0.0.0.0", "FUNCTION_TARGET": "x", "PYTHONPATH": "/elsewhere"}))
    assert (env["PORT"], env["HOST"], env["FUNCTION_TARGET"]) == ("8103", "127.0.0.1", "pigeon")
    assert env["FUNCTION_SOURCE"] == "functions/pigeon/main.py"
    assert env["PYTHONPATH"] == f"{root}{os.pathsep}/elsewhere"
    assert (env["PUBSUB_EMULATOR_HOST"], env["FIRESTORE_EMULATOR_HOST"]) == ("pubsub:1", "firestore:2")
    assert env["GOOGLE_CLOUD_PROJECT"] == "hark-local"


def test_a_function_gets_no_settings_of_another_channel(root: Path) -> None:
    config = load(root, {})
    assert config.functions == ("gateway", "dead_letter", "relay", "operations", "pigeon", "drum")
    for name in {*config.functions} - {"pigeon"}:
        assert not [variable for variable in function_environment(config, name, "", "") if "PIGEON" in variable]


@pytest.mark.parametrize("value", ["1", "Console", "console,otlp", " "])
def test_an_unknown_way_to_export_traces_is_refused_by_name(root: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="OTEL="):
        load(root, {"OTEL": value})


@pytest.mark.parametrize("environ", [{}, {"OTEL": ""}, {"OTEL": "none"}, {"OTEL": "otlp"}, {"OTEL": "google"}])
def test_without_the_console_what_the_environment_says_of_traces_is_passed_on_as_it_is(
    root: Path, environ: dict[str, str]
) -> None:
    given = environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example:4318"}
    config = load(root, given)
    assert not config.traces_on_console
    assert {name: value for name, value in pigeon(config).items() if name.startswith("OTEL")} == given


def test_with_the_console_each_function_exports_to_the_supervisor_and_nowhere_else(root: Path) -> None:
    elsewhere = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example/v1/traces",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret",
    }
    config = load(root, {"OTEL": "console", "HARK_PORT_OFFSET": "300", **elsewhere})
    assert config.traces_on_console
    for name in config.functions:
        env = function_environment(config, name, "", "")
        assert {name: value for name, value in env.items() if name.startswith("OTEL")} == {
            "OTEL": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4618",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }


def test_the_pause_between_batches_of_spans_is_for_the_environment_to_say(root: Path) -> None:
    env = pigeon(load(root, {"OTEL": "console", "OTEL_BSP_SCHEDULE_DELAY": "50"}))
    assert env["OTEL_BSP_SCHEDULE_DELAY"] == "50"


@pytest.mark.parametrize("value", ["9", "601", "1.5", "soon"])
def test_an_ack_deadline_that_pubsub_would_refuse_is_refused_first(root: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="ACK_DEADLINE_SECONDS"):
        _ = load(root, {"ACK_DEADLINE_SECONDS": value}).ack_deadline_seconds


def test_a_taken_port_is_named_with_its_use_and_the_way_out(root: Path) -> None:
    config = load(root, {"HARK_PORT_OFFSET": "20000"})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        clash = Config(**{**vars(config), "ports": {"relay": port}})
        with pytest.raises(PortTaken, match=rf"{port}.*relay.*HARK_PORT_OFFSET"):
            check_ports_free(clash)


def test_an_emulator_of_the_environment_needs_no_port(root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given = load(root, {"PUBSUB_EMULATOR_HOST": "127.0.0.1:1"})
        check_ports_free(Config(**{**vars(given), "ports": {"pubsub": taken.getsockname()[1]}}))
