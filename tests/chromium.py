"""A headless Chromium, driven by its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.process import die_with_parent

WAIT = 30.0  # seconds; a Chromium that starts beside the other tests needs some of them
_ENABLED = ("Page", "Runtime", "Network", "Log")


def need_chromium() -> str:
    """Its path. Without it a test is skipped; with CI set it fails."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        missing = "there is no chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(f"CI is set, so this may not be skipped: {missing}")
        pytest.skip(missing)
    return found


@dataclass
class Tab:
    """One page of a browser, with all that it has complained of and asked for."""

    socket: aiohttp.ClientWebSocketResponse
    session: str = ""
    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    answered: list[tuple[str, int]] = field(default_factory=list)
    _calls: dict[int, asyncio.Future[Any]] = field(default_factory=dict)

    async def call(self, method: str, **params: Any) -> Any:
        number = len(self._calls) + 1
        self._calls[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        await self.socket.send_json(message | ({"sessionId": self.session} if self.session else {}))
        return await asyncio.wait_for(self._calls[number], WAIT)

    async def listen(self) -> None:
        async for message in self.socket:
            said = json.loads(message.data)
            if "id" in said:
                call = self._calls[said["id"]]
                if not call.done():
                    call.set_result(said.get("result", {"error": said.get("error")}))
            else:
                self._note(said["method"], said["params"])

    def _note(self, event: str, said: Any) -> None:
        match event:
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(said["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if said["type"] in {"error", "warning", "assert"}:
                self.complaints.append(json.dumps(said["args"]))
            case "Log.entryAdded" if said["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(json.dumps(said["entry"]))
            case "Network.requestWillBeSent":
                self.requested.append(said["request"]["url"])
            case "Network.responseReceived":
                self.answered.append((said["response"]["url"], said["response"]["status"]))

    async def run(self, script: str) -> Any:
        """What the script's last expression gives, as JSON. In its own world: a page's policy does not bind it."""
        got = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, got["exceptionDetails"]
        return got["result"].get("value")

    async def until(self, condition: str) -> Any:
        """Once the script gives something true, that."""
        async with asyncio.timeout(WAIT):
            while not (value := await self.run(condition)):
                await asyncio.sleep(0.05)
        return value

    async def click(self, selector: str) -> None:
        await self.until(f"!!document.querySelector({json.dumps(selector)})")
        await self.run(f"document.querySelector({json.dumps(selector)}).click()")

    async def fill(self, selector: str, text: str) -> None:
        await self.until(f"!!document.querySelector({json.dumps(selector)})")
        await self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.call("Input.insertText", text=text)


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Tab]:
    """An empty tab of a new browser, which keeps its files in `folder`."""
    # The sandbox needs rights that a container does not give; what is opened is ours.
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    process = subprocess.Popen(  # noqa: ASYNC220 - it does not wait
        [need_chromium(), *options, "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - the browser is not to outlive a killed pytest
    )
    try:
        async with aiohttp.ClientSession() as http, http.ws_connect(await _address(folder), max_msg_size=0) as socket:
            tab = Tab(socket)
            listening = asyncio.create_task(tab.listen())
            target = (await tab.call("Target.createTarget", url="about:blank"))["targetId"]
            attached = await tab.call("Target.attachToTarget", targetId=target, flatten=True)
            tab.session = attached["sessionId"]
            for domain in _ENABLED:
                await tab.call(f"{domain}.enable")
            yield tab
            listening.cancel()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


async def _address(folder: Path) -> str:
    """Of its DevTools. It writes the port and the path down when it listens."""
    file = folder / "DevToolsActivePort"
    async with asyncio.timeout(WAIT):
        while not file.exists() or file.read_text().count("\n") < 1:
            await asyncio.sleep(0.05)
    port, path = file.read_text().splitlines()[:2]
    return f"ws://127.0.0.1:{port}{path}"
