"""What the builds do: their steps are run as they are, while a stand-in for gcloud notes its arguments."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.stack import ROOT

STAND_IN = """#!{python}
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(sys.argv) + "\\n")  # one write, shorter than a block: calls at the same time do not mix
answer = {{"secrets": os.environ["SECRETS"], "builds": os.environ["BUILDS"]}}.get(sys.argv[1], "")
needed = {{"hark-" + name for name in os.environ["NEEDED"].split()}} & set(sys.argv)
answer = answer or ("1" if needed else "")
sys.stdout.write(answer + "\\n" if answer else "")
sys.stderr.write("WARNING: gcloud has its moods\\n")
sys.exit(os.environ["FAILING"] in sys.argv)
"""
BUILDS = ("cloudbuild-test.yaml", "cloudbuild.yaml")
BUILD = {
    "PROJECT_ID": "some-project",
    "LOCATION": "global",
    "SHORT_SHA": "abc1234",
    "_REGION": "europe-west1",
    "_PUBLIC_URL": "https://hark.example.com",
}


NO_ACCOUNT = "You do not currently have an active account selected."


@dataclass(frozen=True)
class Deployed:
    """One `gcloud functions deploy`."""

    arguments: list[str]

    @property
    def name(self) -> str:
        return self.arguments[2]

    @cached_property
    def flags(self) -> dict[str, str]:
        """By name; a flag without a value has an empty one. That none is given twice is part of the reading."""
        pairs = [flag.partition("=")[::2] for flag in self.arguments[3:]]
        flags = dict(pairs)
        assert len(flags) == len(pairs), self.arguments
        return flags

    @property
    def function(self) -> str:
        return self.flags["--entry-point"]

    def variables(self, flag: str) -> dict[str, str]:
        """What `--set-…=` sets, in either spelling of gcloud's lists (`gcloud topic escaping`)."""
        text, separator = self.flags.get(flag, ""), ","
        if text.startswith("^"):
            _, separator, text = text.split("^", 2)
        return dict(pair.split("=", 1) for pair in text.split(separator)) if text else {}


def config(root: Path = ROOT, file: str = "cloudbuild.yaml") -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((root / file).read_text())
    return loaded


def step_of(root: Path, step: str, substitutions: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """The script, and exactly the environment that Cloud Build gives it. substitutions: instead of the file's own."""
    build, found = next(
        (build, each)
        for build in (config(root, file) for file in BUILDS)
        for each in build["steps"]
        if each["id"] == step
    )
    values = build["substitutions"] | BUILD | dict(substitutions or {})
    given = (variable.split("=", 1) for variable in found.get("env", []))
    environ = {name: re.sub(r"\$\{?(\w+)\}?", lambda m: values.get(m[1], ""), value) for name, value in given}
    return found["script"], environ


def copy(folder: Path) -> Path:
    """A copy of the repository as a build has it after the test step, with what that may leave behind."""
    for name in ("functions", "shared", "infra", "tests", "docs", "bench", "emulator"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (path for path in ROOT.iterdir() if path.is_file()):
        shutil.copy(file, folder)
    (folder / ".venv").symlink_to(sys.prefix)
    for left in (".git/config", ".run/env", "shared/__pycache__/left.pyc"):
        (folder / left).parent.mkdir(parents=True)
        (folder / left).touch()
    return folder


def run_step(
    root: Path,
    step: str,
    substitutions: Mapping[str, str] | None = None,
    *,
    secrets: str = "",
    failing: str = "",
    builds: str = "",
    needed: str = "address-hash-key",
    real: Mapping[str, str] | None = None,
) -> tuple["subprocess.CompletedProcess[str]", list[list[str]]]:
    """The step's script as Cloud Build runs it, and the arguments of each gcloud that it has started.

    substitutions: instead of the file's own; secrets: what `gcloud secrets …` answers, builds: `gcloud builds …`;
    needed: the secrets that have a version whatever `secrets` is;
    failing: an argument with which gcloud fails; real: the environment for the real gcloud, which then takes the
    stand-in's place
    """
    bin_ = root / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / "gcloud").write_text(STAND_IN.format(python=sys.executable))
    (bin_ / "gcloud").chmod(0o755)
    (bin_ / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (bin_ / "python").chmod(0o755)
    calls = root / "calls"
    calls.unlink(missing_ok=True)
    calls.touch()
    text, environ = step_of(root, step, substitutions)
    environ |= {"PATH": f"{bin_}:{os.environ['PATH']}", "CALLS": str(calls), "FAILING": failing}
    environ |= {"SECRETS": secrets, "BUILDS": builds, "NEEDED": needed}
    environ |= real or {}
    script = root / "step"
    script.write_text(text)
    script.chmod(0o755)
    done = subprocess.run([script], cwd=root, env=environ, capture_output=True, text=True, timeout=110, check=False)
    return done, [json.loads(line)[1:] for line in calls.read_text().splitlines()]


def deployed(root: Path, substitutions: Mapping[str, str] | None = None, *, secrets: str = "") -> dict[str, Deployed]:
    """By function."""
    done, calls = run_step(root, "deploy", substitutions, secrets=secrets)
    assert done.returncode == 0, done.stderr
    found = [Deployed(call) for call in calls if call[:2] == ["functions", "deploy"]]
    functions = {each.function: each for each in found}
    assert len(functions) == len(found)
    return functions


def gcloud() -> str:
    """The real one. Where there is none the test is skipped; with CI set it fails."""
    path = shutil.which("gcloud")
    if path is None:
        missing = "this test needs gcloud: https://cloud.google.com/sdk/docs/install"
        if os.environ.get("CI"):
            pytest.fail(f"CI is set, so this may not be skipped: {missing}")
        pytest.skip(missing)
    return path


def gcloud_version() -> str | None:
    """Of the real one; None where there is none."""
    path = shutil.which("gcloud")
    file = None if path is None else Path(path).resolve().parent.parent / "VERSION"
    return file.read_text().strip() if file and file.exists() else None


def pinned_gcloud() -> str:
    """The version that the builds put in."""
    (version,) = re.findall(r"^VERSION=(\d+\.\d+\.\d+)-\d+ ", (ROOT / ".ci" / "gcloud").read_text(), re.MULTILINE)
    return str(version)


def without_account(folder: Path) -> dict[str, str]:
    """An environment in which gcloud has no account, not even that of the machine it runs on, and asks nothing."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CLOUDSDK_CONFIG": str(folder),
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
    }


def asked(commands: list[list[str]], folder: Path) -> list["subprocess.CompletedProcess[str]"]:
    """What gcloud says to each of these without an account: it reads its arguments before it looks for one."""
    binary, environ = gcloud(), without_account(folder)

    def ask(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
        command = [binary, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)

    with ThreadPoolExecutor(max_workers=3) as pool:
        return list(pool.map(ask, commands))


def assert_taken(commands: list[list[str]], folder: Path) -> None:
    assert commands
    version = f"gcloud {gcloud_version()}; the builds have {pinned_gcloud()}"
    for command, done in zip(commands, asked(commands, folder), strict=True):
        assert done.returncode == 1, (version, command, done.stderr)
        assert NO_ACCOUNT in done.stderr, (version, command, done.stderr)
