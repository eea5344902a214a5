"""The tool makes the changes that it says, puts them where they count, and tells which are not caught; and a sample."""

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.mutants.__main__ import _table, sample
from tests.mutants.changes import changes
from tests.mutants.core import CORE, ROOT
from tests.mutants.equivalents import load
from tests.mutants.loop import Fate
from tests.mutants.mutant import Mutant, apply, mutants, watch

SAMPLE = 40

CHANGES = {
    "a < b": ["`a < b` → `a <= b`", "`a < b` → `a >= b`"],
    "a is b": ["`a is b` → `a is not b`"],
    "a and b": ["`a and b` → `a or b`", "without `a`", "without `b`"],
    "not a": ["`not a` → `a`"],
    "a if b else c": ["`a if b else c` → `a`", "`a if b else c` → `c`"],
    "a + b": ["`a + b` → `a - b`"],
    "7": ["`7` → `8`"],
    "True": ["`True` → `False`"],
    "'text'": [],
    "None": [],
    "min": ["`min` → `max`"],
    "f(a, b=c)": ["without `b=c`"],
    "{a, b}": ["without `a`", "without `b`"],
    "f'{a}'": [],
}
STATEMENTS = {
    "await f()": ["`await f()` → `pass`"],
    "return a": ["`return a` → `return None`"],
    "return None": [],
    "raise A": ["`raise A` → `pass`"],
    "a.b = c": ["`a.b = c` → `pass`"],
    "a = c": [],
    "a += b": ["`a += b` → `pass`", "`a += b` → `a -= b`"],
    "continue": ["`continue` → `break`", "`continue` → `pass`"],
    "if a: pass": ["`a` → `not a`"],
    "if a < b: pass": [],
    "del a": ["`del a` → `pass`"],
}


@pytest.mark.parametrize("code", CHANGES)
def test_an_expression_has_these_changes(code: str) -> None:
    assert [words for _, words in changes(ast.parse(code, mode="eval").body)] == CHANGES[code]


@pytest.mark.parametrize("code", STATEMENTS)
def test_a_statement_has_these_changes(code: str) -> None:
    assert [words for _, words in changes(ast.parse(code).body[0])] == STATEMENTS[code]


SOURCE = '''
from dataclasses import dataclass, field
from functools import cache

MOST = 3
"""A text with a number, 5, in it."""


@dataclass(frozen=True, slots=True)
class Bound:
    low: int
    high: int = 9
    names: list[str] = field(default_factory=list)

    @property
    def width(self) -> "int | None":
        assert self.high > 4
        return self.high - self.low

    @staticmethod
    def few(n: int = 2) -> bool:
        log.info("few", n=n, most=7)
        return any(k < MOST for k in (n,))


@cache
def twice(n):
    def inner():
        return n * 2
    return inner()
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "mutated_example.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("mutated_example", None)
    example: ModuleType = __import__("mutated_example")
    vars(example)["log"] = SimpleNamespace(info=lambda *_, **__: None)
    return example


def the(tmp_path: Path, line: str, change: str) -> Mutant:
    (found,) = (m for m in mutants(tmp_path, "mutated_example.py") if (m.line, m.change) == (line, change))
    return found


def test_each_change_takes_the_place_of_what_is_loaded(tmp_path: Path, module: ModuleType) -> None:
    few, bound, twice = module.Bound.few, module.Bound(1), module.twice
    assert (few(2), bound.width, twice(4), module.Bound(1).high) == (True, 8, 8, 9)
    apply(tmp_path, the(tmp_path, "return self.high - self.low", "`self.high - self.low` → `self.high + self.low`"))
    assert bound.width == 10
    apply(tmp_path, the(tmp_path, "return n * 2", "`n * 2` → `n / 2`"))
    assert twice(6) == 3
    apply(tmp_path, the(tmp_path, "high: int = 9", "`9` → `10`"))
    assert (module.Bound(1).high, module.Bound(1, 5).high) == (10, 5)
    apply(tmp_path, the(tmp_path, "MOST = 3", "`3` → `4`"))
    assert few(3)
    apply(tmp_path, the(tmp_path, "return any(k < MOST for k in (n,))", "`k < MOST` → `k >= MOST`"))
    assert not few(3)


def test_what_a_test_calls_is_told(tmp_path: Path, module: ModuleType) -> None:
    few, bound, twice = module.Bound.few, module.Bound(1), module.twice
    called: set[tuple[str, str]] = set()
    watch(tmp_path, "mutated_example.py", called.add)
    assert (few(2), bound.width, twice(5)) == (True, 8, 10)
    assert called == {("mutated_example.py", name) for name in ("Bound.few", "Bound.width", "twice")}


def test_what_only_people_and_mypy_read_is_not_changed(tmp_path: Path, module: ModuleType) -> None:
    lines = Counter(mutant.line for mutant in mutants(tmp_path, "mutated_example.py"))
    assert lines == {
        "MOST = 3": 1,
        "high: int = 9": 1,
        "return self.high - self.low": 2,
        "return any(k < MOST for k in (n,))": 4,
        "return n * 2": 3,
        "return inner()": 1,
    }


@pytest.mark.parametrize("file", CORE)
def test_every_file_of_the_core_has_its_tests_and_its_mutants(file: str) -> None:
    assert all((ROOT / name.partition("::")[0]).exists() for name in CORE[file])
    assert any(mutants(ROOT, file))


@pytest.fixture(scope="module")
def found() -> list[Mutant]:
    return [mutant for file in CORE for mutant in mutants(ROOT, file)]


def test_each_equivalent_is_still_a_mutant_and_says_why(found: list[Mutant]) -> None:
    equivalents = load()
    assert all(len(why.split()) >= 3 for why in equivalents.values())
    stale = equivalents.keys() - {mutant.key for mutant in found}
    assert not stale, "no mutants any more: take them out of equivalents.toml"


def test_a_sample_is_the_same_each_time_and_has_something_of_each_file(found: list[Mutant]) -> None:
    drawn = sample(found, SAMPLE)
    assert drawn == sample(list(reversed(found)), SAMPLE)
    assert len(drawn) == len(set(drawn)) == SAMPLE
    share = Counter(mutant.file for mutant in drawn)
    for file, many in Counter(mutant.file for mutant in found).items():
        assert share[file] >= SAMPLE * many // len(found)


def test_an_edit_of_one_file_changes_the_draw_of_no_other(found: list[Mutant]) -> None:
    file = "shared/delivery/state_machine.py"
    edited = [mutant for mutant in found if mutant.file != file or "policy" not in mutant.line]
    kept = {mutant for mutant in sample(edited, SAMPLE) if mutant.file != file}
    before = {mutant for mutant in sample(found, SAMPLE) if mutant.file != file}
    assert len(before & kept) >= 0.8 * len(before)


def fates(caught: int, missed: int, file: str = "a.py") -> list[Fate]:
    mutant = Mutant(file, 1, "x", "y", "f", True, (), 0)
    return [Fate(mutant, "a test")] * caught + [Fate(mutant, None)] * missed


def test_too_few_that_are_caught_is_said_with_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert _table(fates(97, 3), 0.03, each_file=True)
    assert not _table(fates(96, 4), 0.03, each_file=True)
    capsys.readouterr()
    assert not _table([*fates(1000, 0), *fates(8, 1, "b.py")], 0.03, each_file=True)
    assert capsys.readouterr().out.count("TOO FEW") == 1
    assert _table([*fates(1000, 0), *fates(8, 1, "b.py")], 0.03, each_file=False)


@pytest.mark.timeout(1200)
def test_of_a_sample_enough_are_caught() -> None:
    """`make mutants` makes them all."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    command = [sys.executable, "-m", "tests.mutants", "--sample", str(SAMPLE), "--jobs", "1"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
