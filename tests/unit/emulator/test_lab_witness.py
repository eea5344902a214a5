"""The witness file, the inbox over restarts, the page and the process."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from emulator.lab.messages import Message
from emulator.lab.running import Settings, running
from emulator.lab.witness import Witness

MESSAGE = Message("2026-01-01T00:00:00.000001Z", "sms", "twilio", "+491701234567", None, "hi", "SM1", "n-1")


def numbered(number: int) -> Message:
    return replace(MESSAGE, message_id=f"SM{number}", notification_id=f"n-{number % 3}")


async def test_messages_appended_together_keep_one_order_in_file_and_inbox(tmp_path: Path) -> None:
    path = tmp_path / "witness.jsonl"
    witness = Witness(path)
    await asyncio.gather(*(witness.append(numbered(number)) for number in range(200)))
    assert path.read_text().splitlines() == witness.lines()
    assert [json.loads(line)["message_id"] for line in witness.lines()] == [f"SM{n}" for n in range(200)]
    assert [json.loads(line)["message_id"] for line in witness.lines("n-1")][:2] == ["SM1", "SM4"]
    await witness.close()


async def test_many_messages_share_a_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes: list[int] = []
    real = os.fsync

    def counted(file: int) -> None:
        flushes.append(file)
        real(file)

    monkeypatch.setattr(os, "fsync", counted)
    witness = Witness(tmp_path / "witness.jsonl")
    await asyncio.gather(*(witness.append(numbered(number)) for number in range(100)))
    assert 1 <= len(flushes) < 10
    await witness.close()


async def test_an_append_returns_only_after_the_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "witness.jsonl"
    written_at_flush: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: written_at_flush.append(path.read_text()))
    witness = Witness(path)
    await witness.append(MESSAGE)
    assert written_at_flush == [f"{line}\n" for line in witness.lines()]
    assert len(written_at_flush) == 1
    await witness.close()


async def test_a_sender_that_leaves_while_the_line_is_written_is_accepted(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "witness.jsonl")
    leaving = asyncio.create_task(witness.append(numbered(1)))
    await asyncio.sleep(0)
    leaving.cancel()
    await witness.append(numbered(2))
    assert len(witness.lines()) == 2
    await witness.close()


async def test_a_torn_last_line_is_ignored_and_the_next_line_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "witness.jsonl"
    witness = Witness(path)
    await witness.append(numbered(1))
    await witness.close()
    with path.open("a") as file:
        file.write('{"at": "2026-01-01T00:0')

    witness = Witness(path)
    await witness.append(numbered(2))
    await witness.close()
    assert [json.loads(line)["message_id"] for line in path.read_text().splitlines()] == ["SM1", "SM2"]
    assert path.read_text().splitlines() == witness.lines()


async def test_a_write_that_fails_is_not_accepted_and_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError("No space left on device")

    path = tmp_path / "witness.jsonl"
    witness = Witness(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            await witness.append(numbered(1))
    assert path.read_text() == ""
    assert witness.lines() == []
    await witness.append(numbered(2))
    assert path.read_text().splitlines() == witness.lines()
    await witness.close()


async def test_an_emptied_inbox_stays_empty_after_a_restart_and_the_file_keeps_all(tmp_path: Path) -> None:
    settings = Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")
    async with running(settings) as lab, httpx.AsyncClient(base_url=lab.url, timeout=30) as http:
        for text in ("one", "two"):
            await http.post("/services/T/B/x", json={"text": text})
        assert (await http.delete("/inbox.json")).status_code == 204
        assert (await http.get("/inbox.json")).json() == {"items": []}
        await http.post("/services/T/B/x", json={"text": "three"})
    async with running(settings) as lab, httpx.AsyncClient(base_url=lab.url, timeout=30) as http:
        assert [item["text"] for item in (await http.get("/inbox.json")).json()["items"]] == ["three"]
        assert (await http.get("/inbox.json", params={"notification_id": "none"})).json() == {"items": []}
    lines = [json.loads(line) for line in settings.witness.read_text().splitlines()]
    assert [line.get("text", "cleared" in line) for line in lines] == ["one", "two", True, "three"]


async def test_the_page_may_run_and_load_nothing_but_its_own_files(tmp_path: Path) -> None:
    settings = Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")
    async with running(settings) as lab, httpx.AsyncClient(base_url=lab.url, timeout=30) as http:
        page = await http.get("/")
        assert "<h1>" in page.text
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "innerHTML" not in (await http.get("/static/lab.js")).text
        assert (await http.get("/static/lab.css")).headers["Content-Type"].startswith("text/css")
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/inbox.json?limit=x")).status_code == 422


@pytest.mark.parametrize("path", ["/", "/static/lab.js", "/inbox.json", "/faults", "/receipts/sent.json", "/nothing"])
async def test_whatever_a_browser_shows_has_the_headers_that_protect_it_and_no_banner(
    tmp_path: Path, path: str
) -> None:
    settings = Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")
    async with running(settings) as lab, httpx.AsyncClient(base_url=lab.url, timeout=30) as http:
        for method in ("GET", "HEAD"):
            headers = (await http.request(method, path)).headers
            assert "Server" not in headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert len(headers.get_list("Content-Security-Policy")) == 1


async def test_a_providers_answer_has_no_banner_of_ours_and_no_headers_that_it_does_not_send(tmp_path: Path) -> None:
    settings = Settings(port=0, smtp_port=0, witness=tmp_path / "witness.jsonl")
    async with running(settings) as lab, httpx.AsyncClient(base_url=lab.url, timeout=30) as http:
        answer = await http.post("/services/T/B/x", json={"text": "hi"})
        assert answer.status_code == 200
        assert not {"server", "x-frame-options", "content-security-policy"} & set(answer.headers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_at_once_even_with_held_connections(
    tmp_path: Path, number: signal.Signals
) -> None:
    arguments = ["--port", "0", "--smtp-port", "0", "--witness", str(tmp_path / "witness.jsonl")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "emulator.lab", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await asyncio.wait_for(process.stdout.readline(), 10)).decode().split()[1]
    async with httpx.AsyncClient(base_url=url, timeout=10) as http:
        await http.put("/faults", json={"channel": "slack", "mode": "accept-then-timeout"})
        held = asyncio.create_task(http.post("/services/T/B/x", json={"text": "hi"}))
        while not (await http.get("/inbox.json")).json()["items"]:
            pass
        process.send_signal(number)
        assert await asyncio.wait_for(process.wait(), 3) == 0
        with pytest.raises(httpx.TransportError):
            await held
