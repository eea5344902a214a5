"""The system in this process: what is in it, and when it is ready."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, redirect_stdout

import aiohttp

from emulator import caller
from emulator.config import GATEWAY, HOST, Config, function_environment
from emulator.embedded import firestore, functions, pubsub
from emulator.greeting import greeting
from emulator.lab.running import Settings, running, twilio_auth_token, vonage_signature_secret
from emulator.provision import plan
from emulator.rundir import RunDir, environment
from emulator.scheduled_calls import call_all


class EmbeddedStack:
    """Stands where `emulator.stack.Stack` stands, for a machine without emulators."""

    def __init__(
        self, config: Config, run_dir: RunDir, http: aiohttp.ClientSession, say: Callable[[str], None]
    ) -> None:
        self._config = config
        self._run_dir = run_dir
        self._http = http
        self._say = say

    async def serve(self) -> None:
        """Runs everything until cancelled, and ends it then. Raises StackError."""
        began = asyncio.get_running_loop().time()
        config = self._config
        # Not closed: the functions' connections end with the process, and say so at the very end.
        log = (self._run_dir.logs / "embedded.log").open("w", buffering=1)
        async with AsyncExitStack() as parts:
            parts.enter_context(redirect_stdout(log))
            firestore_host = await parts.enter_async_context(firestore.serving(config.ports["firestore"]))
            pubsub_host, topics = await parts.enter_async_context(pubsub.serving(config.ports["pubsub"]))
            await parts.enter_async_context(running(self._lab()))
            for name in config.functions:
                key = self._run_dir.webhook_public_key
                settings = function_environment(config, name, pubsub_host, firestore_host, key)
                await parts.enter_async_context(functions.serving(name, config.root, settings))
            api_key = await caller.make(config, firestore_host, None)
            topics.provision(plan(config, HOST))
            self._run_dir.announce(environment(config, pubsub_host, firestore_host, api_key))
            self._say(greeting(config, self._run_dir, asyncio.get_running_loop().time() - began))
            self._say("ready")
            await call_all(self._http, config, self._say)

    async def stop(self, _: asyncio.Event) -> None:
        """What `serve` has begun ends with it."""

    def _lab(self) -> Settings:
        ports, environ = self._config.ports, self._config.environ
        return Settings(
            host=HOST,
            port=ports["lab"],
            smtp_port=ports["smtp"],
            witness=self._run_dir.witness,
            receipts_url=self._config.url(GATEWAY),
            sendgrid_key=self._run_dir.webhook_key,
            twilio_auth_token=twilio_auth_token(environ),
            vonage_signature_secret=vonage_signature_secret(environ),
        )
