"""A version of a template, rendered whole: its schema, its locale, its channels."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from functions.gateway.rendering import template_rendering
from functions.gateway.rendering.template_model import TemplateVersion
from functions.gateway.rendering.template_rendering import Rendered, Renderer
from shared.channels.declaration import Channel
from shared.delivery.model import Recipient
from tests.checkout import ROOT
from tests.fakes.clock import START

CHANNELS = {"chat": Channel(name="chat", address="a name", max_length=1000, normalise=str)}


def a_version(text: str = "{{ a }}", schema: Mapping[str, Any] | None = None, **more: str) -> TemplateVersion:
    """With this text by default, and more by locale."""
    locales = {locale.replace("_", "-"): {"chat": {"message": words}} for locale, words in {"en": text, **more}.items()}
    return TemplateVersion("order", 1, "en", locales, schema, created_at=START, created_by="c")


def rendered(
    version: TemplateVersion, data: Mapping[str, Any], locale: str | None = None, recipient: Recipient | None = None
) -> Rendered:
    return Renderer(CHANNELS).render(version, data, locale=locale, recipient=recipient)


def text_of(*args: Any, **named: Any) -> str:
    made = rendered(*args, **named)
    assert not made.wrong, made.wrong
    text: str = made.content["chat"]["message"]
    return text


def a_recipient(**about: Any) -> Recipient:
    return Recipient("al", {}, created_at=START, updated_at=START, **about)


@pytest.mark.parametrize("locale", ["xx", "xx-YY", "de-ZZ", "zz-ZZ-9999"])
def test_a_locale_that_nobody_knows_is_the_nearest_that_is_there(locale: str) -> None:
    version = a_version("{{ 1234.5 | number }}", de="{{ 1234.5 | number }} de")
    expected = ("1.234,5 de", "de") if locale.startswith("de") else ("1,234.5", "en")
    assert (text_of(version, {}, locale), rendered(version, {}, locale).locale) == expected
    assert text_of(version, {}, None, a_recipient(locale=locale)) == expected[0]


def test_a_time_zone_that_is_no_longer_known_is_utc() -> None:
    version = a_version("{{ '2026-12-24T18:00:00Z' | time }}")
    assert text_of(version, {}, "de", a_recipient(time_zone="Mars/Base")) == "18:00"


@pytest.mark.parametrize("spelling", ["de_AT", "DE-at", "de-AT"])
def test_a_locale_is_found_however_it_is_spelt(spelling: str) -> None:
    version = replace(a_version(), locales={"en": {"chat": {"message": "en"}}, spelling: {"chat": {"message": "at"}}})
    assert (text_of(version, {}, "de-AT"), rendered(version, {}, "de-AT").locale) == ("at", spelling)


@pytest.mark.parametrize("name", ["self", "args", "kwargs", "data", "recipient", "template", "cls"])
def test_data_may_have_any_name(name: str) -> None:
    assert text_of(a_version(f"{{{{ data.{name} }}}}"), {name: "value"}) == "value"


def test_what_does_not_fit_the_schema_is_not_rendered() -> None:
    version = a_version(schema={"required": ["b"]})
    made = rendered(version, {"a": 1})
    assert ([error["field"] for error in made.wrong], made.content) == (["data"], {})


@pytest.mark.parametrize(
    "version",
    [a_version("{{ a"), a_version(schema={"$ref": "#"}), a_version("{{ a | gone }}")],
    ids=["text", "schema", "filter"],
)
def test_what_was_taken_once_and_is_no_longer_says_so(version: TemplateVersion) -> None:
    (wrong,) = rendered(version, {"a": 1}).wrong
    assert wrong["field"] == "template"
    assert "published anew" in wrong["message"]


def test_a_version_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    for name in ("Text", "DataSchema"):
        real = getattr(template_rendering, name)

        def counted(*args: Any, name: str = name, real: Any = real, **named: Any) -> Any:
            made.append(name)
            return real(*args, **named)

        monkeypatch.setattr(template_rendering, name, counted)
    renderer = Renderer(CHANNELS)
    version = a_version(schema={"type": "object"}, de="{{ a }}")
    for locale in ("en", "de", "en", "de"):
        assert renderer.render(version, {"a": 1}, locale=locale, recipient=None).content
    assert sorted(made) == ["DataSchema", "Text", "Text"]


def test_a_text_without_tags_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_rendering, "Text", None)
    assert text_of(a_version("50% { off } }}"), {}) == "50% { off } }}"


def test_the_first_of_a_process_is_not_charged_with_what_is_loaded() -> None:
    """Babel reads a locale's data when they are first asked for: as long as all of a rendering may take."""
    code = """
import functions.gateway.rendering.template_limits as limits
from tests.unit.gateway.rendering.test_template_rendering import a_version, text_of
limits.CPU_SECONDS = 0.01
filters = ["at | datetime: 'full'", "at | date", "at | time", "n | money: 'EUR'", "n | number: 2", "n | percent"]
text = "".join("{{ " + each + " }}" for each in [*filters, "n | plural: other: 'x'"])
assert text_of(a_version(text), {"at": "2026-12-24T18:00:00Z", "n": 3}, "ar")
"""
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert (found.returncode, found.stderr) == (0, "")
