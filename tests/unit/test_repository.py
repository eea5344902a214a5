"""What must hold of the repository as a whole, whoever changes it."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from shared.channels.registry import ALL, channel_names, load_channels
from shared.runtime.settings import Settings
from tests.e2e.stack import ROOT

FUNCTIONS = sorted(path.parent for path in (ROOT / "functions").glob("*/main.py"))
SETTINGS = (ROOT / "docs" / "settings.md").read_text()


def test_every_channel_has_its_folder_and_every_folder_its_channel() -> None:
    core = {"gateway", "dead_letter", "relay", "operations", "events"}
    assert {path.name for path in FUNCTIONS} - core == set(channel_names(ALL, of_events=True))
    assert {name: channel.name for name, channel in load_channels(ALL).items()} == {n: n for n in channel_names(ALL)}


@pytest.mark.parametrize("folder", FUNCTIONS, ids=lambda path: path.name)
def test_the_entry_point_is_named_like_the_folder(folder: Path) -> None:
    tree = ast.parse((folder / "main.py").read_text())
    assert folder.name in {node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}


@pytest.mark.parametrize("channel", channel_names(ALL))
def test_every_provider_of_a_channel_can_be_imported_and_log_is_one(channel: str) -> None:
    declared = load_channels(ALL)[channel]
    assert "log" in declared.providers
    for module in declared.providers.values():
        assert callable(importlib.import_module(module).provider)


def test_every_setting_is_in_the_table() -> None:
    for path in (ROOT / "functions").glob("*/*_provider.py"):
        importlib.import_module(f"functions.{path.parent.name}.{path.stem}")
    table = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", SETTINGS))
    names = {name.upper() for cls in _subclasses(Settings) for name in cls.model_fields}
    names |= {f"{channel.upper()}_PROVIDER" for channel in channel_names(ALL)}
    assert names <= table


def test_what_make_run_sets_for_a_channel_is_a_setting_in_the_table() -> None:
    table = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", SETTINGS))
    entries = yaml.safe_load((ROOT / "infra" / "channels.yaml").read_text())
    assert {name for entry in entries.values() for name in entry["local"]} <= table


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_room_says_what_belongs_in_it() -> None:
    rooms = [ROOT / "shared", ROOT / "functions" / "gateway"]
    for room in [folder for parent in rooms for folder in (parent, *parent.rglob("*")) if folder.is_dir()]:
        if room.name != "__pycache__" and "static" not in room.parts:  # no code of Python
            assert ast.get_docstring(ast.parse((room / "__init__.py").read_text())), room


def test_the_files_that_the_readme_and_docs_link_to_exist() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_sections_that_the_readme_and_docs_link_to_exist() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target, section in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", page.read_text()):
            linked = page.parent / target if target else page
            assert linked.suffix != ".md" or section in _sections(linked), f"{page.name}: {target}#{section}"


def _sections(page: Path) -> set[str]:
    """As GitHub names them in links."""
    prose = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_no_configuration_is_read_from_the_environment_but_by_settings_and_at_the_start() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for folder in ("shared", "functions")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"os\.environ(?!\[\"\w+\"\] = )", path.read_text())  # to set one, for the framework, is no reading
    }
    entrypoint = {f"shared/entrypoint/{name}.py" for name in ("channel_function", "startup")}
    assert readers == {"shared/runtime/settings.py", *entrypoint}


def _subclasses(cls: type[Settings]) -> Iterator[type[Settings]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)
