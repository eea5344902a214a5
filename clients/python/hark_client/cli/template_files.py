"""Templates as files: a folder each, so that a diff shows a text as a text.

    order-shipped/template.json          default_locale, schema
    order-shipped/en/email.subject.liquid
    order-shipped/en/slack.blocks.json   a part that is no text

A file of a text ends with a line's end, which is not the text's.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from hark_client.cli.options import json_of, text_of
from hark_client.models import TemplateVersion

_ABOUT = "template.json"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PART = re.compile(r"(?P<channel>[A-Za-z0-9-]+)\.(?P<part>\w+)\.(?P<kind>liquid|json)")


def files_of(template: TemplateVersion) -> dict[str, str]:
    """Texts by their path in the template's folder. Raises ValueError for a name that is none of a file."""
    about: dict[str, Any] = {"default_locale": template.default_locale}
    if template.schema_ is not None:
        about["schema"] = template.schema_
    files = {_ABOUT: _dump(about)}
    for locale, channels in template.locales.items():
        for channel, parts in channels.items():
            for part, content in parts.items():
                kind = "liquid" if isinstance(content, str) else "json"
                text = content + "\n" if isinstance(content, str) else _dump(content)
                files[f"{_safe(locale)}/{_safe(channel)}.{_safe(part)}.{kind}"] = text
    return files


def read(folder: Path) -> dict[str, str]:
    """The same of a folder, its JSON as `files_of` would write it; empty where there is none. What is not of a template
    is left alone. Raises BadParameter.
    """
    return {
        path.relative_to(folder).as_posix(): _as_written(path, text_of(path))
        for path in sorted([folder / _ABOUT, *folder.glob("*/*")])
        if path.is_file() and (path.name == _ABOUT or _PART.fullmatch(path.name))
    }


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """What changed: written, and the parts removed that are no longer there."""
    before = read(folder)
    changed = []
    for name, text in files.items():
        if before.get(name) != text:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            changed.append(f"{'changed' if name in before else 'new'} {path}")
    for name in before.keys() - files.keys():
        (folder / name).unlink()
        changed.append(f"removed {folder / name}")
    return sorted(changed)


def body_of(folder: Path) -> dict[str, Any]:
    """What `templates.publish` takes. Raises BadParameter."""
    if not (folder / _ABOUT).is_file():
        raise typer.BadParameter(f"{folder} has no {_ABOUT}")
    body = json_of(folder / _ABOUT)
    strange = body.keys() - {"default_locale", "schema"}
    if strange or "default_locale" not in body:
        raise typer.BadParameter(f"{folder / _ABOUT} must have default_locale, and may have schema, and nothing else")
    locales: dict[str, dict[str, dict[str, Any]]] = {}
    for name, text in read(folder).items():
        found = _PART.fullmatch(name.rpartition("/")[2])
        if name == _ABOUT or found is None:
            continue
        channel, part, kind = found.groups()
        content = text.removesuffix("\n") if kind == "liquid" else _parsed(folder / name, text)
        locales.setdefault(name.partition("/")[0], {}).setdefault(channel, {})[part] = content
    return {**body, "locales": locales}


def _as_written(path: Path, text: str) -> str:
    """Another indent is no change."""
    return _dump(_parsed(path, text)) if path.suffix == ".json" else text


def _parsed(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{path} is not JSON: {error}") from None


def _dump(said: Any) -> str:
    return json.dumps(said, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _safe(name: str) -> str:
    if not _SAFE.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a file's name")
    return name


def safe_folder(directory: Path, name: str) -> Path:
    """Of a template's name. Raises ValueError."""
    return directory / _safe(name)
