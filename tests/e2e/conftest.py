"""All end-to-end tests share one stack: they set the lab's faults, and run one after the other (tests/conftest.py)."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.stack import Stack, System, running, talking_to


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running(tmp_path_factory.mktemp("stack")) as system:
        yield system


@pytest.fixture
async def stack(system: System) -> AsyncIterator[Stack]:
    """The shared stack with no fault set."""
    async with talking_to(system) as stack:
        await stack.repair()
        yield stack
        await stack.repair()
