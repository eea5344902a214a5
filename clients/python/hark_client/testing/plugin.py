"""The pytest fixture `hark`. pytest loads this module wherever the package is installed, so it imports nothing else."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hark_client.testing.hark import Hark


@pytest.fixture
def hark() -> "Iterator[Hark]":
    """Hark in memory, with nothing on record. Its time stands still until `advance`."""
    from hark_client.testing.hark import Hark  # noqa: PLC0415

    with Hark() as running:
        yield running
