"""The lock installs with old pips and new ones, on each Python, whatever has been released since.

Each pip resolves the lock, offline, against an index made of what is installed here, where every package also has a
release that is newer than the locked one. Pips before 23.3 take a newer one for each package that is asked for with
an extra, unless the lock has the extra, too, and then fail because that one has no hash.
"""

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT

RUNTIME, DEVELOPMENT = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"
OLDEST_PIPS = Path(__file__).with_name("oldest-pips.txt")
NEWER = "9999"
_PIN = re.compile(
    r"^(?P<name>[a-z0-9.-]+)(?P<extras>\[[a-z0-9,-]+\])?==(?P<version>\S+)(?P<marker> ;[^\\]+)?", re.MULTILINE
)
# https://github.com/GoogleCloudPlatform/buildpacks, pkg/python/python.go (2026-11)
BUILDPACK = ("--upgrade", "--upgrade-strategy", "only-if-needed", "--force-reinstall", "--no-compile", "--user")
ALONE = ("--ignore-installed",)


@dataclass(frozen=True)
class Index:
    """A folder of empty wheels, and the hash of each locked one by `name==version`."""

    folder: Path
    hashes: dict[str, str]

    def lock(self, text: str) -> str:
        """The lock with the hashes of these wheels."""
        pins = [
            f"{pin['name']}{pin['extras'] or ''}=={pin['version']}{pin['marker'] or ''}"
            f" --hash=sha256:{self.hashes[pin['name'] + '==' + pin['version']]}"
            for pin in _PIN.finditer(text)
        ]
        return "\n".join(pins) + "\n"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("index")
    hashes = {}
    for lock in (RUNTIME, DEVELOPMENT):
        for pin in _PIN.finditer(lock.read_text()):
            text = metadata.distribution(pin["name"]).read_text("METADATA")
            assert text is not None
            assert f"\nVersion: {pin['version']}\n" in text, f"{pin['name']} is not installed as it is locked"
            hashes[f"{pin['name']}=={pin['version']}"] = _wheel(folder, pin["name"], pin["version"], text)
            newer = text.replace(f"\nVersion: {pin['version']}\n", f"\nVersion: {NEWER}\n", 1)
            _wheel(folder, pin["name"], NEWER, newer)
    return Index(folder, hashes)


@pytest.fixture(scope="module")
def pips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of the oldest pips."""
    folder = tmp_path_factory.mktemp("pips")
    for requirement in OLDEST_PIPS.read_text().splitlines()[1:]:
        alone = folder / "requirement.txt"
        alone.write_text(requirement)
        options = ["--quiet", "--no-deps", "--require-hashes", "--dest", str(folder), "--requirement", str(alone)]
        done = _run([sys.executable, "-m", "pip", "download", *options])
        if done.returncode != 0:
            if os.environ.get("CI"):
                pytest.fail(f"CI is set, so this may not be skipped: {done.stderr}")
            pytest.skip("the oldest pips cannot be downloaded")
    return folder


@pytest.mark.parametrize(
    ("python", "pip", "files", "how"),
    [
        ("3.11", "23.0", (RUNTIME,), BUILDPACK),
        ("3.11", "23.0", (RUNTIME, DEVELOPMENT), ALONE),
        ("3.12", "23.2.1", (RUNTIME, DEVELOPMENT), ALONE),
        ("3.13", "24.2", (RUNTIME, DEVELOPMENT), ALONE),
    ],
    ids=["deployed-3.11", "development-3.11", "development-3.12", "development-3.13"],
)
def test_the_lock_resolves_whatever_has_been_released_since(
    python: str, pip: str, files: Sequence[Path], how: Sequence[str], index: Index, pips: Path, tmp_path: Path
) -> None:
    interpreter = _interpreter(python)
    if interpreter is None:
        pytest.skip(f"there is no Python {python}")
    wheel = str(pips / f"pip-{pip}-py3-none-any.whl/pip")
    locks = []
    for file in files:
        locks += ["--requirement", str(tmp_path / file.name)]
        (tmp_path / file.name).write_text(index.lock(file.read_text()))
    offline = ["--dry-run", "--quiet", "--require-hashes", "--no-index", "--find-links", str(index.folder)]
    done = _run([interpreter, wheel, "--isolated", "--disable-pip-version-check", "install", *how, *offline, *locks])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("source", ["requirements.in", "requirements-dev.in", "bench/requirements.in"])
def test_an_extra_that_is_asked_for_is_in_the_lock(source: str) -> None:
    asked = re.findall(r"^[a-z0-9.-]+\[[a-z0-9,-]+\]", (ROOT / source).read_text(), re.MULTILINE)
    lock = (ROOT / source).with_suffix(".txt").read_text()
    assert [name for name in asked if f"\n{name}==" not in f"\n{lock}"] == []


def test_nothing_is_installed_without_its_hash() -> None:
    makefile = (ROOT / "Makefile").read_text()
    installs = re.findall(r"^.*\bpip install\b.*$|^.*\$\(INSTALL\).*$", makefile, re.MULTILINE)
    assert len(installs) >= 4
    assert all("--require-hashes" in line or "$(INSTALL)" in line for line in installs)
    for lock in (RUNTIME, DEVELOPMENT, ROOT / "bench" / "requirements.txt", ROOT / ".ci" / "checkov.txt"):
        text = lock.read_text()
        assert len(_PIN.findall(text)) == len(re.findall(r"^\S+ ?.*\\\n    --hash=", text, re.MULTILINE)) > 0, lock


def test_the_lock_has_what_googles_buildpack_looks_for() -> None:
    """Without such a line it installs a functions-framework of its own choice."""
    assert re.search(r"^functions-framework==", RUNTIME.read_text(), re.MULTILINE)


def _wheel(folder: Path, name: str, version: str, text: str) -> str:
    """An empty wheel with this metadata; returns its SHA-256 in hex."""
    escaped = re.sub(r"[-.]+", "_", name)
    path = folder / f"{escaped}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{escaped}-{version}.dist-info/METADATA", text)
        wheel.writestr(f"{escaped}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{escaped}-{version}.dist-info/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _interpreter(version: str) -> str | None:
    """One outside any virtual environment: the buildpack installs with --user."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    own = Path(sys.base_prefix) / "bin" / f"python{version}"
    for path in [own, *sorted(pyenv.glob(f"{version}.*/bin/python")), Path(f"/usr/bin/python{version}")]:
        if path.exists() and _run([str(path), "-c", "import ensurepip, ssl"]).returncode == 0:
            return str(path)
    return None


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)
