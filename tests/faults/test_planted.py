"""The planted bugs: each can still be planted, so that `make planted` looks for what it says."""

import subprocess

import pytest

from tests.faults.planted import CAUGHT, PATCHES
from tests.mutants.core import ROOT


def test_each_patch_is_one_that_is_to_be_caught() -> None:
    assert {path.stem for path in PATCHES.glob("*.patch")} == set(CAUGHT)


@pytest.mark.parametrize("name", CAUGHT)
def test_its_patch_fits_the_code(name: str) -> None:
    wanted = ["patch", "--strip=1", "--dry-run", f"--input={PATCHES / name}.patch"]
    done = subprocess.run(wanted, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
