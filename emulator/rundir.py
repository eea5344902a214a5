"""What a running stack leaves in files for others to read: who it is (env), its pids, its logs, its witness.

.run/env             of the stack that became ready last
.run/<offset>/       env, pids.json, witness.jsonl, sendgrid-webhook.pem, logs/<process>.log of the stack with that port
                     offset; mtls/ with MTLS=1
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from emulator import mtls, webhook_key
from emulator.config import GATEWAY, Config


class RunDir:
    def __init__(self, config: Config) -> None:
        """Forgets what an earlier stack left, so that nobody takes it for this one's."""
        self._folder = config.stack_dir
        self._env_files = (config.run_dir / "env", self._folder / "env")
        self._env = ""
        self._pids: dict[str, int] = {}
        self.logs = self._folder / "logs"
        self.witness = self._folder / "witness.jsonl"
        self.env_file = self._env_files[1]
        self.webhook_key = self._folder / "sendgrid-webhook.pem"
        self.logs.mkdir(parents=True, exist_ok=True)
        for stale in (*self._env_files, self.witness, self._folder / "pids.json", *self.logs.glob("*.log")):
            stale.unlink(missing_ok=True)
        shutil.rmtree(self._folder / "mtls", ignore_errors=True)
        self.webhook_public_key = webhook_key.make(self.webhook_key)
        self.load_balancer = mtls.make(config, self._folder / "mtls") if config.mtls else None

    def record_pid(self, name: str, pid: int) -> None:
        self._pids[name] = pid
        _write(self._folder / "pids.json", json.dumps(self._pids, indent=1) + "\n")

    def announce(self, env: Mapping[str, str]) -> None:
        self._env = "".join(f"{name}={value}\n" for name, value in env.items())
        for file in reversed(self._env_files):
            _write(file, self._env)

    def close(self) -> None:
        """Takes the announcement back, unless another stack has put its own in its place."""
        for file in self._env_files:
            if self._env and file.exists() and file.read_text() == self._env:
                file.unlink()
        (self._folder / "pids.json").unlink(missing_ok=True)


def environment(config: Config, pubsub: str, firestore: str, key: str) -> dict[str, str]:
    """The contents of the env files: all that a client, a test or `make demo` needs to reach this stack."""
    return {
        "HARK_URL": config.url(GATEWAY),
        "HARK_LAB_URL": config.url("lab"),
        "HARK_API_KEY": key,
        "PUBSUB_EMULATOR_HOST": pubsub,
        "FIRESTORE_EMULATOR_HOST": firestore,
        "GOOGLE_CLOUD_PROJECT": config.project,
    }


def _write(path: Path, text: str) -> None:
    """In one step: a reader sees the old content or the new, never half of it. For the owner alone: there is a key."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
