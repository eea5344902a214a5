"""The three ways to the emulators, on fake installations."""

from pathlib import Path

import pytest

from emulator.config import Config, load
from emulator.errors import NoEmulators
from emulator.google import Lacks, Sdk, docker_argv, find, find_sdk, java_major


def quiet(_: str) -> None:
    pass


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """The only folder of PATH."""
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    """The root of an SDK with emulators, not on PATH yet."""
    root = tmp_path / "sdk"
    touch(root / "lib" / "googlecloudsdk" / "main.py")
    touch(root / "platform" / "pubsub-emulator" / "lib" / "cloud-pubsub-emulator-0.8.20-all.jar")
    touch(root / "platform" / "cloud-firestore-emulator" / "cloud-firestore-emulator.jar")
    executable(root / "bin" / "gcloud", "echo gcloud was run, which takes a second >&2; exit 1")
    return root


def config(tmp_path: Path, **environ: str) -> Config:
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "channels.yaml").write_text("pigeon: {}")
    return load(tmp_path, {"PATH": str(tmp_path / "bin"), **environ})


JAVA_17 = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"
JAVA_8 = "echo 'java version \"1.8.0_452\"' >&2"


@pytest.mark.parametrize(
    ("output", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime', 17),
        ('java version "1.8.0_452"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Dx\nopenjdk version "25-ea"', 25),
        ('openjdk version "11" 2018-09-25', 11),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
        ("", None),
    ],
)
def test_the_java_version_is_read(output: str, major: int | None) -> None:
    assert java_major(output) == major


async def test_the_sdk_around_a_linked_gcloud_is_found_without_running_it(bin_dir: Path, sdk: Path) -> None:
    (bin_dir / "gcloud").symlink_to(sdk / "bin" / "gcloud")
    java = executable(bin_dir / "java", JAVA_17)
    found = await find_sdk({"PATH": str(bin_dir)})
    assert isinstance(found, Sdk)
    assert found.java == str(java)
    assert found.pubsub_jar.name == "cloud-pubsub-emulator-0.8.20-all.jar"
    assert found.argv("pubsub", 1)[-2:] == found.argv("firestore", 1)[-2:] == ("--host=127.0.0.1", "--port=1")


async def test_a_wrapper_is_asked_for_the_sdk(bin_dir: Path, sdk: Path) -> None:
    executable(bin_dir / "gcloud", f"echo a notice; echo {sdk}")
    executable(bin_dir / "java", JAVA_17)
    assert isinstance(await find_sdk({"PATH": str(bin_dir)}), Sdk)


async def test_java_home_goes_before_path(tmp_path: Path, bin_dir: Path, sdk: Path) -> None:
    (bin_dir / "gcloud").symlink_to(sdk / "bin" / "gcloud")
    executable(bin_dir / "java", JAVA_8)
    java = executable(tmp_path / "jdk" / "bin" / "java", JAVA_17)
    found = await find_sdk({"PATH": str(bin_dir), "JAVA_HOME": str(tmp_path / "jdk")})
    assert isinstance(found, Sdk)
    assert found.java == str(java)


@pytest.mark.parametrize("java", [JAVA_8, "exit 1", None])
async def test_an_sdk_without_a_recent_java_is_none(bin_dir: Path, sdk: Path, java: str | None) -> None:
    (bin_dir / "gcloud").symlink_to(sdk / "bin" / "gcloud")
    if java is not None:
        executable(bin_dir / "java", java)
    executable(bin_dir / "apt-get", "")
    found = await find_sdk({"PATH": str(bin_dir)})
    assert isinstance(found, Lacks)
    assert "java" in found.what
    assert found.command.removeprefix("sudo ") == "apt-get install --yes default-jre-headless"


@pytest.mark.parametrize("packaged", [False, True])
async def test_an_sdk_without_the_emulators_is_none(bin_dir: Path, sdk: Path, packaged: bool) -> None:
    (bin_dir / "gcloud").symlink_to(sdk / "bin" / "gcloud")
    executable(bin_dir / "java", JAVA_17)
    (sdk / "platform" / "cloud-firestore-emulator" / "cloud-firestore-emulator.jar").unlink()
    core = sdk / "lib" / "googlecloudsdk" / "core"
    core.mkdir(parents=True, exist_ok=True)
    (core / "config.json").write_text(f'{{"disable_updater": {str(packaged).lower()}}}')
    found = await find_sdk({"PATH": str(bin_dir)})
    assert isinstance(found, Lacks)
    expected = (
        "apt-get install --yes google-cloud-cli-pubsub-emulator google-cloud-cli-firestore-emulator"
        if packaged  # it lets only the system's packages change it
        else "gcloud components install --quiet pubsub-emulator cloud-firestore-emulator"
    )
    assert found.command.removeprefix("sudo ") == expected


async def test_a_machine_with_nothing_gets_all_by_one_command(bin_dir: Path) -> None:
    executable(bin_dir / "apt-get", "")
    found = await find_sdk({"PATH": str(bin_dir)})
    assert isinstance(found, Lacks)
    assert found.what == "gcloud was not found and java was not found"
    wanted = ["sdk.cloud.google.com", "gcloud components install", "default-jre-headless"]
    assert [part for part in wanted if part in found.command] == wanted
    assert "\n" not in found.command


async def test_emulators_of_the_environment_are_used_as_they_are(tmp_path: Path) -> None:
    given = config(tmp_path, PUBSUB_EMULATOR_HOST="there:1", FIRESTORE_EMULATOR_HOST="http://here:2/")
    found = await find(given, quiet)
    assert [(emulator.host, emulator.program) for emulator in found.values()] == [("there:1", None), ("here:2", None)]


async def test_only_the_emulator_that_is_not_given_is_started(tmp_path: Path, bin_dir: Path, sdk: Path) -> None:
    (bin_dir / "gcloud").symlink_to(sdk / "bin" / "gcloud")
    executable(bin_dir / "java", JAVA_17)
    found = await find(config(tmp_path, PUBSUB_EMULATOR_HOST="there:1"), quiet)
    assert found["pubsub"].program is None
    assert found["firestore"].program is not None
    assert found["firestore"].host == "127.0.0.1:8086"


async def test_docker_is_next_and_pulls_the_image_once(tmp_path: Path, bin_dir: Path) -> None:
    executable(bin_dir / "docker", 'case "$1" in info|pull) exit 0;; *) exit 1;; esac')
    said: list[str] = []
    found = await find(config(tmp_path), said.append)
    assert [text for text in said if "pulling" in text]
    for emulator in found.values():
        assert emulator.program is not None
        assert "docker run --rm --init" in emulator.program.argv[-1]


async def test_without_any_way_the_error_names_all_three_and_the_command(tmp_path: Path, bin_dir: Path) -> None:
    executable(bin_dir / "docker", "exit 1")
    with pytest.raises(NoEmulators) as caught:
        await find(config(tmp_path), quiet)
    for way in (
        "PUBSUB_EMULATOR_HOST and FIRESTORE_EMULATOR_HOST",
        "gcloud was not found",
        "`docker info` fails",
        "gcloud components install",
    ):
        assert way in str(caught.value)


def test_a_container_is_reachable_from_this_machine_only() -> None:
    assert "--network=host" in docker_argv("pubsub", 1, on_host=True)[-1]
    assert "--host-port=127.0.0.1:1" in docker_argv("pubsub", 1, on_host=True)[-1]
    assert "--publish=127.0.0.1:1:1" in docker_argv("pubsub", 1, on_host=False)[-1]
