"""The functions of an older commit beside those of a stack, on the same records, topics and providers."""

import asyncio
import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path

import aiohttp
from aiohttp import web

from emulator import config
from emulator.provision import plan
from emulator.stack import functions
from tests import environment
from tests.e2e.stack import ROOT, Stack
from tests.integration.servers import start
from tests.ports import free_offset

_DEPLOYED = ("functions", "shared", "infra/channels.yaml", "requirements.txt")
_HERE = "127.0.0.1"
_JSON = {"Content-Type": "application/json"}


def last_other_commit() -> str | None:
    """The newest commit on this line whose functions are not those of the working tree; None where git has none."""
    listed = _git("rev-list", "--first-parent", "HEAD")
    commits = listed.stdout.decode().split() if listed.returncode == 0 else []
    return next((c for c in commits if _git("diff", "--quiet", c, "--", *_DEPLOYED).returncode == 1), None)


def check_out(commit: str, folder: Path) -> Path:
    """The commit's files in `folder`, without a repository."""
    archive = _git("archive", commit)
    archive.check_returncode()
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def packages_of(old: Path, folder: Path) -> Path:
    """A folder, in `folder`, of what the checkout's functions need and this environment no longer has."""
    locked = re.split(r"^(?=[a-z0-9])", (old / "requirements.txt").read_text(), flags=re.MULTILINE)
    gone = [lines for lines in locked if lines and not _installed(re.split(r"[\[=]", lines, maxsplit=1)[0])]
    target, missing = folder / "packages", folder / "missing.txt"
    target.mkdir()
    if gone:
        missing.write_text("".join(gone))
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*install, "--target", str(target), "--requirement", str(missing)], check=True)
    return target


def _installed(package: str) -> bool:
    with contextlib.suppress(PackageNotFoundError):
        return bool(version(package))
    return False


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)


@dataclass
class Revisions:
    """Both, which have the pushes by turns. `ports`: of each function, the new one's, and the old one's while it runs.

    pushed: how many pushes each port has answered
    """

    ports: dict[str, list[int]]
    processes: list[subprocess.Popen[bytes]]
    pushed: dict[int, int] = field(default_factory=dict)
    _turns: itertools.count = field(default_factory=itertools.count)  # type: ignore[type-arg]

    def turn(self, name: str) -> str:
        """The URL of the function's revision whose turn it is."""
        ports = self.ports[name]
        return f"http://{_HERE}:{ports[next(self._turns) % len(ports)]}"

    def end_old(self) -> None:
        """As at the end of a deployment: it gets no more requests, and ends what it is at."""
        for ports in self.ports.values():
            del ports[1:]
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(30)


@asynccontextmanager
async def beside(stack: Stack, old: Path, packages: Path) -> AsyncIterator[Revisions]:
    """The functions of the checkout `old` beside the stack's; every push goes to one or the other, by turns.

    packages: a folder of those that only the old ones need
    """
    pubsub, firestore = (stack.system.env[name] for name in ("PUBSUB_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST"))
    environ = environment.neutral(os.environ)
    new = config.load(ROOT, environ | {"HARK_PORT_OFFSET": str(stack.offset)})
    planned = config.load(old, environ | {"HARK_PORT_OFFSET": str(free_offset()), "PYTHONPATH": str(packages)})
    planned = replace(planned, ports={**planned.ports, "lab": new.ports["lab"], "smtp": new.ports["smtp"]})
    to_the_stack = {name: {"PUBLIC_URL": stack.url} for name in planned.functions}  # where the lab reports to
    programs = functions(planned, pubsub, firestore, overrides=to_the_stack)
    # A function that is new is not in the older checkout.
    programs = [program for program in programs if (old / "functions" / program.name).is_dir()]
    processes = [start(program) for program in programs]
    ports = {program.name: [new.ports[program.name], planned.ports[program.name]] for program in programs}
    revisions = Revisions(ports, processes)
    try:
        async with aiohttp.ClientSession() as http, _balancer(http, revisions) as port:
            await asyncio.gather(*(_until_answers(http, program.probe) for program in programs))
            names = {new.ports[name]: name for name in new.functions}
            for path, body in plan(new, _HERE).subscriptions.items():
                if "pushConfig" in body:
                    function = names[int(body["pushConfig"]["pushEndpoint"].rstrip("/").rpartition(":")[2])]
                    push = {"pushConfig": {"pushEndpoint": f"http://{_HERE}:{port}/{function}"}}
                    url = f"http://{pubsub}/v1/{path}:modifyPushConfig"
                    async with http.post(url, json=push) as answer:
                        answer.raise_for_status()
            yield revisions
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):  # `end_old` has ended it
                os.killpg(process.pid, signal.SIGKILL)  # with its worker, which outlives gunicorn's master for a while
            process.wait()


@asynccontextmanager
async def _balancer(http: aiohttp.ClientSession, revisions: Revisions) -> AsyncIterator[int]:
    """Its port. A push to /<function> goes to the revision of the function whose turn it is."""

    async def forward(request: web.Request) -> web.Response:
        url = revisions.turn(request.match_info["function"])
        try:
            async with http.post(
                url, data=await request.read(), headers={"Content-Type": "application/json"}
            ) as answer:
                port = answer.url.port or 0
                revisions.pushed[port] = revisions.pushed.get(port, 0) + 1
                return web.Response(status=answer.status)
        except aiohttp.ClientError:
            return web.Response(status=503)

    app = web.Application(client_max_size=2**25)
    app.router.add_post("/{function}", forward)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, _HERE, 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _until_answers(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                async with http.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
