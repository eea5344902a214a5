"""The fakes that tests of the functions share."""

import pytest

from tests.fakes.publisher import MemoryPublisher
from tests.fakes.store import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def publisher() -> MemoryPublisher:
    return MemoryPublisher()
