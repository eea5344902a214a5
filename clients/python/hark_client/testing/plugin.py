"""The pytest fixture `hark`. pytest loads this module wherever the package is installed, so it imports nothing else."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hark_client.testing.hark import Hark


@pytest.fixture
def hark() -> "Iterator[Hark]":
    """Hark in memory, with nothing on record. Its time stands still until `advance`."""
    try:
        from hark_client.testing.hark import Hark  # noqa: PLC0415
    except ImportError as missing:
        raise ImportError(f"the fixture hark needs Python 3.11 and 'hark-client[testing]': {missing}") from missing

    with Hark() as running:
        yield running
