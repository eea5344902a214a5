"""Where the Pub/Sub and Firestore emulators come from: the environment, an installed gcloud SDK, or Docker.

The SDK's jars are run directly, because `gcloud beta emulators … start` leaves its Java child behind.
"""

import asyncio
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from emulator import install
from emulator.config import HOST, Config
from emulator.errors import NoEmulators
from emulator.process import Program

IMAGE = "gcr.io/google.com/cloudsdktool/google-cloud-cli:emulators"
ENVIRONMENT = {"pubsub": "PUBSUB_EMULATOR_HOST", "firestore": "FIRESTORE_EMULATOR_HOST"}
LOST = {
    "pubsub": "Its messages are gone; the relay publishes again what is overdue.",
    "firestore": "WARNING: all its data is gone, every notification and recipient.",
}
OLDEST_JAVA = 11
# Seconds of CPU to the first answer, measured: Pub/Sub 0.65, Firestore 0.94; without the flags 1.00 and 1.43.
# Without its performance data: a JVM that is killed leaves that in the temporary folder.
JVM_FLAGS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")


@dataclass(frozen=True)
class Emulator:
    host: str
    """host:port, as the *_EMULATOR_HOST variables want it."""
    program: Program | None
    """None: it is not ours, so neither started nor stopped."""
    push_host: str = HOST
    """What this machine is called where the emulator runs."""

    @property
    def url(self) -> str:
        return f"http://{self.host}/"


@dataclass(frozen=True)
class Sdk:
    java: str
    pubsub_jar: Path
    firestore_jar: Path

    def argv(self, name: str, port: int) -> tuple[str, ...]:
        where = (f"--host={HOST}", f"--port={port}")
        if name == "pubsub":
            return (self.java, *JVM_FLAGS, "-jar", str(self.pubsub_jar), *where)
        # The launcher sets English too: the emulator knows its error messages in no other language.
        flags = (*JVM_FLAGS, "-Duser.language=en", "-cp", str(self.firestore_jar))
        main = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
        return (self.java, *flags, main, "start", *where)


@dataclass(frozen=True)
class Lacks:
    """Why there is no SDK to use, and the command that gets what is missing."""

    what: str
    command: str


async def find(config: Config, say: Callable[[str], None]) -> dict[str, Emulator]:
    """By "pubsub" and "firestore". Raises NoEmulators, with what was missing on each of the three ways."""
    found: dict[str, Emulator] = {}
    for name, variable in ENVIRONMENT.items():
        if given := config.environ.get(variable):
            found[name] = Emulator(given.removeprefix("http://").rstrip("/"), None)
    missing = [name for name in ENVIRONMENT if name not in found]
    if not missing:
        return found

    sdk = await find_sdk(config.environ)
    if isinstance(sdk, Sdk):
        return found | {name: _ours(config, name, sdk.argv(name, config.ports[name])) for name in missing}
    docker = await _docker_problem(config.environ, say)
    if docker is None:
        on_host = sys.platform == "linux"
        push_host = HOST if on_host else "host.docker.internal"
        argvs = {name: docker_argv(name, config.ports[name], on_host) for name in missing}
        return found | {name: _ours(config, name, argv, push_host) for name, argv in argvs.items()}
    raise NoEmulators(
        f"no emulator for {' and '.join(missing)}: {sdk.what}. This gets it:\n\n"
        f"    {sdk.command}\n\n"
        f"Instead, Docker will do, for the image {IMAGE} ({docker}),\n"
        f"or {' and '.join(ENVIRONMENT[name] for name in missing)} set to an emulator that runs (host:port)."
    )


def _ours(config: Config, name: str, argv: tuple[str, ...], push_host: str = HOST) -> Emulator:
    program = Program(name, argv, config.environ, config.root, config.url(name), lost_on_restart=LOST[name])
    return Emulator(f"{HOST}:{config.ports[name]}", program, push_host)


async def find_sdk(environ: Mapping[str, str]) -> Sdk | Lacks:
    """The SDK, or all that it lacks."""
    gcloud = shutil.which("gcloud", path=environ.get("PATH"))
    root = await _sdk_root(gcloud) if gcloud else None
    platform = (root or Path()) / "platform"
    pubsub_jars = sorted((platform / "pubsub-emulator" / "lib").glob("cloud-pubsub-emulator-*.jar")) if root else []
    firestore_jar = platform / "cloud-firestore-emulator" / "cloud-firestore-emulator.jar"
    home = environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java", path=environ.get("PATH"))
    _, version = await _output(java, "-version") if java else (127, "")
    no_emulators = not pubsub_jars or not firestore_jar.exists()
    old_java = (java_major(version) or 0) < OLDEST_JAVA
    if java is None or no_emulators or old_java:
        what = []
        if root is None:
            what.append("gcloud was not found")
        elif no_emulators:
            what.append(f"its emulators are not in {platform}")
        if java is None:
            what.append("java was not found")
        elif old_java:
            what.append(f"{java} is not Java {OLDEST_JAVA} or later")
        command = install.command(environ, sdk=root, emulators=no_emulators, java=old_java)
        return Lacks(" and ".join(what), command)
    return Sdk(java, pubsub_jars[-1], firestore_jar)


def _sdk_around(gcloud: str) -> Path | None:
    root = Path(gcloud).resolve().parent.parent
    return root if (root / "lib" / "googlecloudsdk").is_dir() else None


async def _sdk_root(gcloud: str) -> Path:
    if root := _sdk_around(gcloud):
        return root
    # A wrapper somewhere else: ask it, which takes about a second.
    _, answer = await _output(gcloud, "info", "--format=value(installation.sdk_root)")
    return Path(answer.strip().rpartition("\n")[2])


def java_major(version: str) -> int | None:
    """From the output of `java -version`: 8 is written "1.8.0_452", 17 "17.0.15", an early build "25-ea"."""
    match = re.search(r'version "(?:1\.)?(\d+)', version)
    return int(match[1]) if match else None


def docker_argv(name: str, port: int, on_host: bool) -> tuple[str, ...]:
    """`on_host`: in the host's network, so that a push to 127.0.0.1 arrives; only Linux has that for certain.

    Elsewhere the port is published and pushes go to host.docker.internal.
    """
    container = f"hark-{name}-{port}"
    network = "--network=host" if on_host else f"--publish={HOST}:{port}:{port}"
    listen = HOST if on_host else "0.0.0.0"
    run = f"docker run --rm --init --name {container} {network} {IMAGE}"
    start = f"gcloud beta emulators {name} start --host-port={listen}:{port}"
    # The container outlives a killed client and would keep the port, so it goes before the next one comes.
    return ("sh", "-c", f"docker rm --force {container} >/dev/null 2>&1; exec {run} {start}")


async def _docker_problem(environ: Mapping[str, str], say: Callable[[str], None]) -> str | None:
    docker = shutil.which("docker", path=environ.get("PATH"))
    if docker is None:
        return "docker was not found"
    status, _ = await _output(docker, "info")
    if status != 0:
        return "`docker info` fails"
    status, _ = await _output(docker, "image", "inspect", IMAGE)
    if status != 0:
        say(f"pulling {IMAGE}, once")
        status, output = await _output(docker, "pull", "--quiet", IMAGE)
    return None if status == 0 else f"docker pull: {output.strip()}"


async def _output(*argv: str) -> tuple[int, str]:
    """Exit status and both streams; 127 where there is no such program, as a shell has it."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        return 127, str(error)
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:  # cancelled: nothing of it may be left when the supervisor is gone
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")
