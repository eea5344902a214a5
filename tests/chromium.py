"""A headless Chromium, driven by its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/."""

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.process import die_with_parent

WAIT = 30.0  # seconds; a Chromium that starts beside the other tests needs some of them
# Where the middle of an element is, if a click there reaches it and it has not moved within two frames.
_MIDDLE = """
(async () => {
  const found = document.querySelector(SELECTOR);
  if (!found) return null;
  found.scrollIntoView({block: "center", behavior: "instant"});
  const frame = () => new Promise(requestAnimationFrame);
  const middle = () => { const r = found.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; };
  const before = middle();
  await frame(); await frame();
  const [x, y] = middle();
  return before[0] === x && before[1] === y && found.contains(document.elementFromPoint(x, y)) ? [x, y] : null;
})()
"""
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
            while not (value := await self.run(condition)):  # noqa: ASYNC110 - the page makes it true
                await asyncio.sleep(0.05)
        return value

    async def click(self, selector: str) -> None:
        """In the middle of what is there, as a mouse does, once it is there and holds still."""
        x, y = await self.until(_MIDDLE.replace("SELECTOR", json.dumps(selector)))
        for event in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=event, x=x, y=y, button="left", clickCount=1)

    async def fill(self, selector: str, text: str) -> None:
        await self.click(selector)
        await self.call("Input.insertText", text=text)

    async def screenshot(self) -> bytes:
        """As PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def chromium() -> AsyncIterator[Tab]:
    """An empty tab of a new browser. All its files are gone with it."""
    # Not pytest's folder: its path is too long for the socket that Chromium makes there.
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder, _process(Path(folder)):
        address = await _address(Path(folder))
        async with aiohttp.ClientSession() as http, http.ws_connect(address, max_msg_size=0) as socket:
            tab = Tab(socket)
            listening = asyncio.create_task(tab.listen())
            target = (await tab.call("Target.createTarget", url="about:blank"))["targetId"]
            attached = await tab.call("Target.attachToTarget", targetId=target, flatten=True)
            tab.session = attached["sessionId"]
            for domain in _ENABLED:
                await tab.call(f"{domain}.enable")
            yield tab
            listening.cancel()


@contextmanager
def _process(folder: Path) -> Iterator[None]:
    # The sandbox needs rights that a container does not give; what is opened is ours.
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    process = subprocess.Popen(
        [need_chromium(), *options, "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder)},
        preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - the browser is not to outlive a killed pytest
    )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


async def _address(folder: Path) -> str:
    """Of its DevTools. It writes the port and the path down when it listens."""
    file = folder / "DevToolsActivePort"
    async with asyncio.timeout(WAIT):
        while not file.exists() or file.read_text().count("\n") < 1:  # noqa: ASYNC110 - Chromium writes it
            await asyncio.sleep(0.05)
    port, path = file.read_text().splitlines()[:2]
    return f"ws://127.0.0.1:{port}{path}"
