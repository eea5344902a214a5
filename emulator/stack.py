"""The system on one machine: which processes it is made of, when it is ready, and what keeps it so."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp

from emulator import caller, google, mtls
from emulator.config import GATEWAY, HOST, TRACES, Config, function_environment
from emulator.errors import StartFailed
from emulator.greeting import greeting
from emulator.process import Process, Program, until_answers
from emulator.provision import plan, provision
from emulator.rundir import RunDir, environment
from emulator.scheduled_calls import call_all
from emulator.traces.collector import Collector

START_SECONDS = 120.0


class Stack:
    def __init__(
        self,
        config: Config,
        run_dir: RunDir,
        http: aiohttp.ClientSession,
        say: Callable[[str], None],
        emulators: Mapping[str, google.Emulator],
    ) -> None:
        """emulators: as `google.find` gives them"""
        self._config = config
        self._emulators = emulators
        self._run_dir = run_dir
        self._http = http
        self._say = say
        self._processes: list[Process] = []
        self._collector = Collector(say) if config.traces_on_console else None
        self._key: str | None = None  # the API key that the env file tells; made when Firestore is up

    async def serve(self) -> None:
        """Starts everything and keeps it running until cancelled; `stop` ends it.

        Raises StackError, perhaps in an exception group.
        """
        began = asyncio.get_running_loop().time()
        if self._collector:
            await self._collector.start(HOST, self._config.ports[TRACES])
        emulators = self._emulators
        pubsub, firestore = emulators["pubsub"], emulators["firestore"]
        wanted = plan(self._config, pubsub.push_host)

        async def provision_pubsub() -> None:
            await provision(self._http, pubsub.host, wanted)

        async def make_caller() -> None:
            self._key = await caller.make(self._config, firestore.host, self._key)
            if self._config.mtls:
                await caller.make_of_certificate(self._config, firestore.host, mtls.SPIFFE_ID)

        async def given_emulators() -> None:
            if pubsub.program is None:
                await until_answers(self._http, pubsub.url, 200)
                await provision_pubsub()
            if firestore.program is None:
                await _answers_by_grpc(firestore.host)
                await make_caller()

        for name, emulator in emulators.items():
            if emulator.program is None:
                self._say(f"using the {name} emulator of the environment: {google.ENVIRONMENT[name]}={emulator.host}")
        for emulator, on_up in ((pubsub, provision_pubsub), (firestore, make_caller)):
            if emulator.program is not None:
                self._add(emulator.program, on_up)
        self._add(lab(self._config, self._run_dir))
        balancer = self._run_dir.load_balancer
        overrides = {GATEWAY: balancer.gateway_environment} if balancer else {}
        for program in functions(
            self._config, pubsub.host, firestore.host, self._run_dir.webhook_public_key, overrides
        ):
            self._add(program)
        if balancer:
            self._add(mtls.program(self._config, balancer))

        async with asyncio.TaskGroup() as tasks:
            for process in self._processes:
                tasks.create_task(process.keep_running())
            await self._ready(given_emulators())
            assert self._key is not None
            env = environment(self._config, pubsub.host, firestore.host, self._key)
            self._run_dir.announce({**env, **(balancer.announcement if balancer else {})})
            seconds = asyncio.get_running_loop().time() - began
            self._say(greeting(self._config, self._run_dir, seconds))
            self._say("ready")
            tasks.create_task(call_all(self._http, self._config, self._say))

    async def stop(self, at_once: asyncio.Event) -> None:
        await asyncio.gather(*(process.stop(at_once) for process in self._processes))
        if self._collector:  # last: a function exports its last spans when it ends
            await self._collector.close()

    def _add(self, program: Program, on_up: Callable[[], Awaitable[None]] | None = None) -> None:
        log = self._run_dir.logs / f"{program.name}.log"
        self._processes.append(Process(program, log, self._http, self._say, self._run_dir.record_pid, on_up))

    async def _ready(self, given_emulators: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                await asyncio.gather(given_emulators, *(process.up.wait() for process in self._processes))
        except TimeoutError:
            silent = [process for process in self._processes if not process.up.is_set()]
            names = ", ".join(process.program.name for process in silent) or "the emulator that the environment names"
            words = "".join(f"\n{process.last_words()}" for process in silent)
            raise StartFailed(f"no answer within {START_SECONDS:.0f} s from: {names}.{words}") from None


def lab(config: Config, run_dir: RunDir) -> Program:
    ports = ("--port", str(config.ports["lab"]), "--smtp-port", str(config.ports["smtp"]))
    rest = ("--witness", str(run_dir.witness), "--receipts-url", config.url(GATEWAY))
    argv = (sys.executable, "-m", "emulator.lab", "--host", HOST, *ports, *rest)
    env = {"PYTHONUNBUFFERED": "1", "LAB_SENDGRID_KEY_FILE": str(run_dir.webhook_key), **config.environ}
    return Program("lab", argv, env, config.root, config.url("lab") + "/healthz")


def functions(
    config: Config,
    pubsub: str,
    firestore: str,
    webhook_public_key: str = "",
    overrides: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Program]:
    """Each under the same server as in the cloud; it is up when it answers anything at all.

    overrides: by function, variables that win over all others
    """
    command = str(Path(sys.executable).parent / "functions-framework")
    return [
        Program(
            name=name,
            argv=(command,),
            env={
                **function_environment(config, name, pubsub, firestore, webhook_public_key),
                **(overrides or {}).get(name, {}),
            },
            cwd=config.root,
            probe=config.url(name) + "/healthz",
            probe_status=None,
        )
        for name in config.functions
    ]


async def _answers_by_grpc(host: str) -> None:
    """That is all that the functions need of a Firestore, and all that the one in memory has."""
    # Imported here: only a Firestore that the environment names is asked so.
    import grpc.aio  # noqa: PLC0415

    async with grpc.aio.insecure_channel(host) as channel:
        await channel.channel_ready()
