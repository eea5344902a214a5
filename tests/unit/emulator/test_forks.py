"""Who begins processes has no care of gRPC's for forks. It is decided when gRPC is imported."""

import subprocess
import sys

import pytest

from tests.emulators import ROOT

_LOOK = """
import importlib, os, sys
importlib.import_module(sys.argv[1])
assert "grpc" not in sys.modules, "imported before it is told"
assert os.environ["GRPC_ENABLE_FORK_SUPPORT"] == "0"
"""


@pytest.mark.parametrize("package", ["emulator", "tests", "tests.faults", "tests.drill", "bench"])
def test_grpc_is_told_before_it_is_imported(package: str) -> None:
    subprocess.run([sys.executable, "-c", _LOOK, package], cwd=ROOT, env={}, check=True)
