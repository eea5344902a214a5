"""Each function starts from what gcloud would upload, with requirements.txt alone installed, as it is deployed."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from functions.gateway.console.console_files import FOLDER, PAGE, names
from shared.channels.registry import channel_names
from tests.e2e.stack import ROOT
from tests.integration.deployment import Deployed, copy, deployed, gcloud, without_account
from tests.integration.functions_api import REFUSED, functions_api
from tests.integration.gateway import CLOSED_PORT

FUNCTIONS = ["gateway", "relay", "operations", "dead_letter", *channel_names()]
START_SECONDS = 60
HEALTHY = {"gateway": (200, b"ok")}  # the others: 204
IMPORT_ALL = """
import importlib, pathlib, sys
for path in sorted(pathlib.Path().glob("*/**/*.py")):
    if path.stem not in {"main", "__main__", "__init__"}:  # main.py wants its settings, and is started
        importlib.import_module(".".join(path.with_suffix("").parts))
root = pathlib.Path.cwd()
print(len([m for m in sys.modules.values() if (getattr(m, "__file__", None) or "").startswith(str(root))]))
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def commands(built: Path) -> dict[str, Deployed]:
    return deployed(built)


@pytest.fixture(scope="session")
def upload(built: Path, commands: dict[str, Deployed], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What gcloud uploads: the archive itself, because `gcloud meta list-files-for-upload` lists other files."""
    folder = tmp_path_factory.mktemp("gcloud")
    (built / "main.py").touch()  # as infra/deploy.py does
    with functions_api() as api:
        environ = without_account(folder) | api.environment(folder)
        command = [gcloud(), *commands["gateway"].arguments]
        done = subprocess.run(command, cwd=built, env=environ, capture_output=True, text=True, timeout=120, check=False)
        assert REFUSED in done.stderr, done.stderr
    return api.unpack(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with requirements.txt and nothing else, installed as Google's buildpack does
    (https://github.com/GoogleCloudPlatform/buildpacks, pkg/python/python.go, 2026-11) but for --user, which needs an
    interpreter that has nothing else; one for all workers of xdist.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "deployed-venv"
    bin_ = folder / "bin"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
            # The bundled pip is this one, too: putting in another takes three seconds.
            install = [sys.executable, "-m", "pip", f"--python={bin_ / 'python'}", "install", "--upgrade", "--quiet"]
            install += ["--upgrade-strategy", "only-if-needed", "--force-reinstall", "--no-compile", "--requirement"]
            install += [str(ROOT / "requirements.txt")]
            compiled = [str(bin_ / "python"), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
            for command in (install, [*compiled, str(folder / "lib")]):
                subprocess.run(command, check=True, timeout=200)
            (folder / "ready").touch()
    return bin_


def environment(command: Deployed, workspace: Path, port: int) -> dict[str, str]:
    """What the function finds in the cloud, as the buildpack and Cloud Run make it of the command."""
    settings = command.variables("--set-env-vars")
    assert settings["PYTHONPATH"] == "/workspace"
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(workspace),
        **settings,
        "PYTHONPATH": str(workspace),
        "FUNCTION_TARGET": command.flags["--entry-point"],
        "FUNCTION_SOURCE": command.variables("--set-build-env-vars")["GOOGLE_FUNCTION_SOURCE"],
        "FUNCTION_SIGNATURE_TYPE": "http",
        "K_SERVICE": command.name,
        "K_REVISION": f"{command.name}-00001-abc",
        "K_CONFIGURATION": command.name,
        "PORT": str(port),
        # Emulators that are not there: no function calls Google here.
        "FIRESTORE_EMULATOR_HOST": CLOSED_PORT,
        "PUBSUB_EMULATOR_HOST": CLOSED_PORT,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@contextmanager
def started(command: Deployed, workspace: Path, bin_: Path, log: Path) -> Iterator[str]:
    """The function's URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = environment(command, workspace, port)
    with log.open("wb") as output:
        argv = [bin_ / "functions-framework"]
        process = subprocess.Popen(argv, cwd=workspace, env=environ, stdout=output, stderr=output)
    try:
        give_up_at = time.monotonic() + START_SECONDS
        while True:
            waiting = process.poll() is None and time.monotonic() < give_up_at
            assert waiting, log.read_text()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def test_what_is_uploaded_is_what_the_functions_are_made_of(upload: Path) -> None:
    files = {str(path.relative_to(upload)) for path in upload.rglob("*") if path.is_file()}
    assert {name.partition("/")[0] for name in files} == {"functions", "shared", "infra", "requirements.txt"}
    assert {name for name in files if name.startswith("infra/")} == {"infra/channels.yaml"}
    assert not [name for name in files if name.endswith(".pyc")]
    for folder in ("functions", "shared"):
        assert {str(p.relative_to(ROOT)) for p in (ROOT / folder).rglob("*.py")} <= files
    assert {str((FOLDER / name).relative_to(ROOT)) for name in (PAGE, *names())} <= files


@pytest.mark.timeout(300)  # the first of these makes the environment
@pytest.mark.parametrize("function", FUNCTIONS)
def test_it_answers(function: str, upload: Path, python: Path, commands: dict[str, Deployed], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started(commands[function], upload, python, log) as url:
        with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
            assert (answer.status, answer.read()) == HEALTHY.get(function, (204, b"")), log.read_text()
        # And it looks at what it is asked: the gateway for credentials, the others for a POST.
        assert refusal(f"{url}/v1/channels") == (401 if function == "gateway" else 405)
    assert "Traceback" not in log.read_text()


def refusal(url: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=30)
    refused.value.close()
    return refused.value.code


@pytest.mark.timeout(300)
def test_every_module_finds_what_it_imports_providers_too(upload: Path, python: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(upload), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(python / "python"), "-W", "error", "-c", IMPORT_ALL]
    done = subprocess.run(command, cwd=upload, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(json.loads(done.stdout)) > 40


@pytest.mark.timeout(300)
def test_a_file_that_is_not_uploaded_would_be_missed(
    upload: Path, python: Path, commands: dict[str, Deployed], tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(upload, workspace, ignore=shutil.ignore_patterns("channels.yaml"))
    with (
        pytest.raises(AssertionError, match=r"channels\.yaml"),
        started(commands["gateway"], workspace, python, tmp_path / "log"),
    ):
        pass
