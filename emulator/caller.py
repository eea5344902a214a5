"""The callers that `make run` makes for whoever runs it, with all scopes: an API key's, with MTLS=1 a certificate's."""

import asyncio
import contextlib
import sys
from collections.abc import Mapping

from emulator.config import Config
from emulator.errors import StartFailed

SECONDS = 60.0
TRIES = 3  # on a busy machine an emulator that has just begun may take longer than Firestore ever does


async def make(config: Config, firestore: str, key: str | None) -> str:
    """The API key, on record at the Firestore emulator. `key`: one from before, which a restarted emulator has lost.

    Raises StartFailed.
    """
    return await _create(config, firestore, {"HARK_API_KEY": key} if key else {}, "--name", "make run")


async def make_of_certificate(config: Config, firestore: str, identity: str) -> None:
    """The caller whose certificate has that name. Raises StartFailed."""
    who = ("--name", "make run MTLS=1", "--kind", "certificate", "--identity", identity)
    await _create(config, firestore, {}, *who)


async def _create(config: Config, firestore: str, variables: Mapping[str, str], *arguments: str) -> str:
    """What the gateway's `create-caller` prints."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(StartFailed):
            return await _run(config, firestore, variables, *arguments)
    return await _run(config, firestore, variables, *arguments)


async def _run(config: Config, firestore: str, variables: Mapping[str, str], *arguments: str) -> str:
    environ = {
        **config.inherited,
        "GOOGLE_CLOUD_PROJECT": config.project,
        "FIRESTORE_EMULATOR_HOST": firestore,
        "PYTHONPATH": str(config.root),
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "functions.gateway", "create-caller", *arguments),
        cwd=config.root,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches the supervisor only, which ends this one
    )
    try:
        async with asyncio.timeout(SECONDS):
            printed, said = await process.communicate()
    except TimeoutError:
        raise StartFailed(f"a caller could not be made within {SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise StartFailed(f"a caller could not be made: {said.decode(errors='replace').strip()}")
    return printed.decode().strip()
