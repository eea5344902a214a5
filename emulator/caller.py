"""The caller that `make run` makes for whoever runs it: an API key with all scopes."""

import asyncio
import sys

from emulator.config import Config
from emulator.errors import StartFailed

SECONDS = 60.0


async def make(config: Config, firestore: str, key: str | None) -> str:
    """The API key, on record at the Firestore emulator. `key`: one from before, which a restarted emulator has lost.

    Raises StartFailed.
    """
    environ = {
        **config.environ,
        "GOOGLE_CLOUD_PROJECT": config.project,
        "FIRESTORE_EMULATOR_HOST": firestore,
        "PYTHONPATH": str(config.root),
        **({"HARK_API_KEY": key} if key else {}),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "functions.gateway", "create-caller", "--name", "make run"),
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
        raise StartFailed(f"an API key could not be made within {SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise StartFailed(f"an API key could not be made: {said.decode(errors='replace').strip()}")
    return printed.decode().strip()
