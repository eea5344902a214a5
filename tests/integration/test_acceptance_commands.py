"""The real gcloud takes each command of infra/acceptance.py."""

from pathlib import Path

import pytest

from infra.acceptance import run
from tests.fakes.google_cloud import GoogleCloud
from tests.integration.deployment import assert_taken


@pytest.mark.timeout(120)
def test_gcloud_takes_every_command_of_the_half_hour(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = GoogleCloud()
    assert run(fake.deployed(monkeypatch))
    # Of those that differ by a name alone, one.
    commands = {tuple(c[:3]) + tuple(f.partition("=")[0] for f in c if f[:2] == "--"): c for c in fake.commands}
    assert len(commands) < 16
    assert_taken(list(commands.values()), tmp_path)
