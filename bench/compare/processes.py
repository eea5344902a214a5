"""Processes that are measured: each in a session of its own, so that its workers count as part of it."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.process import die_with_parent

_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Stat:
    """Of one process, from /proc/<pid>/stat: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""

    pid: int
    session: int
    cpu_seconds: float


class Child:
    """A process and whatever it forks. Its output is in `log`."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> None:
        self.name, self.argv, self.env = name, argv, env
        self.log = log
        self._gone = False
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - none is to outlive a killed benchmark
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def pids(self) -> list[int]:
        return pids_of(self.pid)

    def cpu_seconds(self) -> float:
        """Of all its processes that are alive."""
        return cpu_seconds(self.pid)

    def memory(self) -> dict[str, float]:
        """Megabytes, of all its processes together. Rss counts shared pages once for each, Pss once."""
        return memory(self.pids())

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """With no chance to do anything more, workers included."""
        self.signal(signal.SIGKILL)
        self._process.wait()
        self._gone = True

    def stop(self) -> None:
        if self._gone:
            return
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
            self.signal(number)
            if number is not signal.SIGCONT:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_STOP_SECONDS)
        self._process.wait()
        self._gone = True

    def ended(self) -> bool:
        return self._process.poll() is not None

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


def pids_of(session: int) -> list[int]:
    """The processes of a session that are alive, its leader first."""
    return [stat.pid for stat in _stats() if stat.session == session]


def memory(pids: Sequence[int]) -> dict[str, float]:
    """As of `Child.memory`."""
    sums = {"Rss": 0.0, "Pss": 0.0}
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name = line.partition(":")[0]
                if name in sums:
                    sums[name] += int(line.split()[1]) / 1024
    return sums


def cpu_seconds(session: int) -> float:
    """Of all of a session's processes that are alive."""
    return sum(stat.cpu_seconds for stat in _stats() if stat.session == session)


def _stats() -> list[Stat]:
    stats = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                stats.append(_stat(path))
    return sorted(stats, key=lambda stat: stat.pid)


def _stat(path: Path) -> Stat:
    # The name, in parentheses, may hold spaces: what follows it begins with the third field.
    fields = (path / "stat").read_text().rpartition(")")[2].split()
    return Stat(int(path.name), int(fields[3]), (int(fields[11]) + int(fields[12])) / _TICKS)
