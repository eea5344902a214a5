"""A function in this process, under the server and the framework that it has as a process of its own."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import functions_framework
import uvicorn
from uvicorn_worker import UvicornWorker

from emulator.config import HOST
from emulator.errors import StartFailed


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """They are the supervisor's."""
        yield


@asynccontextmanager
async def serving(name: str, root: Path, environment: Mapping[str, str]) -> AsyncIterator[None]:
    """The function with these settings, on its PORT. Raises StartFailed."""
    server = Server(_load(name, root, environment))
    with socket.create_server((HOST, int(environment["PORT"])), backlog=2048) as listening:
        running = asyncio.create_task(server.serve([listening]))
        try:
            yield
        finally:
            server.should_exit = server.force_exit = True
            await running


def _load(name: str, root: Path, environment: Mapping[str, str]) -> uvicorn.Config:
    """It reads its settings while it is imported."""
    with _environment(environment):
        try:
            create_app: Callable[..., Any] = functions_framework.create_app
            app = create_app(name, str(root / "functions" / name / "main.py"))
        except SystemExit as wrong:
            raise StartFailed(f"{name} did not start: {wrong}") from None
    return uvicorn.Config(app, log_config=None, lifespan="off", **UvicornWorker.CONFIG_KWARGS)


@contextmanager
def _environment(environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
