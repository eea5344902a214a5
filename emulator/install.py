"""The one command that gets what the emulators need and this machine lacks."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

# https://cloud.google.com/sdk/docs/install and https://cloud.google.com/sdk/docs/components (2026-11)
_COMPONENTS = "pubsub-emulator cloud-firestore-emulator"
_PACKAGES = "google-cloud-cli-pubsub-emulator google-cloud-cli-firestore-emulator"
_SDK = (
    'curl -fsSL https://sdk.cloud.google.com | bash -s -- --disable-prompts --install-dir="$HOME" && '
    'export PATH="$HOME/google-cloud-sdk/bin:$PATH" && '
    f"gcloud components install --quiet {_COMPONENTS}"
)
_JAVA = {
    "apt-get": "apt-get install --yes default-jre-headless",
    "dnf": "dnf install --assumeyes java-latest-openjdk-headless",
    "brew": "brew install --cask temurin",
}
_NO_MANAGER = "get Java 11 or later from https://adoptium.net"


def command(environ: Mapping[str, str], *, sdk: Path | None, emulators: bool, java: bool) -> str:
    """A line for the shell.

    sdk: the root of an installed gcloud SDK, None when there is none
    emulators, java: whether they are missing
    """
    steps = []
    if sdk is None:
        steps.append(_SDK)
    elif emulators:
        steps.append(_emulators(environ, sdk))
    if java:
        manager = next((name for name in _JAVA if shutil.which(name, path=environ.get("PATH"))), None)
        steps.append(_as_root(_JAVA[manager]) if manager else _NO_MANAGER)
    return " && ".join(steps)


def _emulators(environ: Mapping[str, str], sdk: Path) -> str:
    """An SDK that came as a package of the system refuses to install components by itself."""
    try:
        packaged = json.loads((sdk / "lib" / "googlecloudsdk" / "core" / "config.json").read_text())["disable_updater"]
    except (OSError, ValueError, LookupError, TypeError):
        packaged = False
    if not packaged:
        return f"gcloud components install --quiet {_COMPONENTS}"
    if shutil.which("dnf", path=environ.get("PATH")):
        return _as_root(f"dnf install --assumeyes {_PACKAGES}")
    return _as_root(f"apt-get install --yes {_PACKAGES}")


def _as_root(line: str) -> str:
    return line if line.startswith("brew") or os.geteuid() == 0 else f"sudo {line}"
