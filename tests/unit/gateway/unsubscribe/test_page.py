"""What the page is: plain, in the person's language, and nothing that leads out of it or shows who they are."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import fields, replace

import pytest

from functions.gateway.unsubscribe.texts import TEXTS, Texts, language
from shared.delivery.model import CategoryClass
from shared.people.category import Category
from tests.fakes.clock import START
from tests.unit.gateway.unsubscribe.visitor import EMAIL, ONE_CLICK, SLACK, SMS, Page, Visitor, visiting


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    async with visiting() as visitor:
        yield visitor


async def test_it_loads_and_runs_nothing_and_stays_with_whoever_has_it(visitor: Visitor) -> None:
    for answer in (await visitor.get(), await visitor.post(ONE_CLICK), await visitor.post({}, 422)):
        headers, page = answer.headers, Page(answer)
        (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert headers["content-security-policy"] == (
            f"default-src 'none'; style-src 'sha256-{hashed}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-robots-tag"] == "noindex, nofollow"
        assert "set-cookie" not in headers
        assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "a", "base", "object", "svg"}
        assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on") or a in {"src", "style"}]
        assert "url(" not in style
        assert {(form.method, form.action) for form in page.forms} <= {("post", visitor.token)}
        assert ("meta", {"name": "robots", "content": "noindex, nofollow"}) in page.tags


async def test_it_can_be_used_by_anybody(visitor: Visitor) -> None:
    answer = await visitor.get()
    page = Page(answer)
    tags = [tag for tag, _ in page.tags]
    assert ("html", {"lang": "en"}) in page.tags
    assert (tags.count("h1"), tags.count("main"), tags.count("title")) == (1, 1, 1)
    assert tags.count("fieldset") == tags.count("legend") == 3
    boxes = re.findall(r"<label[^>]*><input type=\"checkbox\"[^>]*> \w+</label>", answer.text)
    assert len(boxes) == answer.text.count('type="checkbox"') == 7
    assert [form.button for form in page.forms] == ["Unsubscribe", "Save"]
    assert "width=device-width" in answer.text


async def test_it_shows_the_description_and_neither_name_nor_address(visitor: Visitor) -> None:
    evil = "<script>alert(1)</script> \"' & more"
    await visitor.api.people.put_category(Category("evil", CategoryClass.SERVICE, START, START, evil))
    answer = await visitor.get()
    page = Page(answer)
    assert "News & <offers>" in page.text
    assert evil in page.text
    assert "<script" not in answer.text
    for hidden in (EMAIL, "alice", SMS, SLACK, visitor.about.address):
        assert hidden not in answer.text.replace(visitor.token, "")


async def test_it_says_what_the_button_does(visitor: Visitor) -> None:
    marketing = (await visitor.page()).text
    service = (await visitor.with_link(category="orders", category_class=CategoryClass.SERVICE).page()).text
    assert "no advertising of any kind comes to this address" in marketing
    assert "these messages no longer come to this address" in service


async def test_it_is_in_the_persons_language(visitor: Visitor) -> None:
    async def spoken(link: Visitor) -> str:
        answer = await link.get(**{"Accept-Language": "pl, en;q=0.5"})
        assert f'<html lang="{answer.headers["content-language"]}">' in answer.text
        return answer.headers["content-language"]

    assert await spoken(visitor) == "pl"
    assert await spoken(visitor.with_link(locale="fr")) == "fr"
    now = await visitor.recipient()
    await visitor.api.store.replace_recipient(replace(now, locale="pt-BR"))
    assert await spoken(visitor.with_link(locale="fr")) == "pt"
    assert await spoken(visitor.with_link(locale="fr", recipient=None)) == "fr"


@pytest.mark.parametrize(
    ("locales", "accepted", "spoken"),
    [
        ((), "", "en"),
        ((None, None), "de", "de"),
        (("de-AT",), "fr", "de"),
        (("de_AT",), "", "de"),
        (("DE",), "", "de"),
        (("xx", "nl"), "fr", "nl"),
        (("xx",), "fr", "fr"),
        ((), "xx, es-MX;q=0.8, it;q=0.9", "it"),
        ((), "it;q=0, es;q=0.1", "es"),
        ((), "*", "en"),
        ((), ";;;,,q=,de;q=x,;q=nan", "en"),
        ((), "de;q=inf", "de"),
        ((), "x," * 5000 + "de", "en"),
    ],
)
def test_which_language_that_is(locales: tuple[str | None, ...], accepted: str, spoken: str) -> None:
    assert language(locales, accepted) == spoken


@pytest.mark.parametrize("spoken", sorted(TEXTS))
def test_each_language_says_everything_in_its_own_words(spoken: str) -> None:
    said = [getattr(TEXTS[spoken], field.name) for field in fields(Texts)]
    assert all(text.strip() == text and text for text in said)
    assert len(set(said)) == len(said)
    others = {text for other, texts in TEXTS.items() if other != spoken for text in vars_of(texts)}
    assert not {text for text in others & set(said) if " " in text}
    assert spoken in {"en", "de", "fr", "es", "it", "pt", "nl", "pl"}


def vars_of(texts: Texts) -> set[str]:
    return {getattr(texts, field.name) for field in fields(Texts)}
