"""What the client's tests share."""

from collections.abc import Iterator

import pytest
import structlog.testing
from command_line import CommandLine

from hark_client.testing.hark import Hark
from hark_client.testing.plugin import hark

__all__ = ["hark"]


@pytest.fixture
def cli(hark: Hark) -> Iterator[CommandLine]:
    with structlog.testing.capture_logs():  # else the gateway's would be in what a command prints
        yield CommandLine(hark)
