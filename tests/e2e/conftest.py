"""All end-to-end tests share one stack and run one after the other in one worker: they set the lab's faults."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack, System, running, talking_to


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("e2e"))


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
