"""What every store of templates promises, in memory and on Firestore's emulator."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from functions.gateway.rendering.firestore_templates import FirestoreTemplates
from functions.gateway.rendering.template_model import Template, TemplateStore, TemplateVersion
from shared.delivery.errors import AlreadyExists, Conflict, NotFound
from shared.google.firestore import rpc
from tests.contract import stores
from tests.fakes.clock import START
from tests.fakes.templates import MemoryTemplates

LOCALES = {"en": {"chat": {"message": "{{ a }}", "blocks": [[{"text": "{{ b }}"}]]}}}


@pytest.fixture(params=["memory", "firestore", "embedded"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[TemplateStore]:
    if request.param == "memory":
        yield MemoryTemplates()
        return
    async with stores.firestore_of(request) as host:
        channel = rpc.connect(host)
        try:
            project = f"projects/t-{uuid.uuid4().hex[:20]}/databases/(default)"
            yield FirestoreTemplates(rpc.Rpc(channel, project, emulated=True))
        finally:
            await channel.close()


def a_template(name: str, latest: int = 1) -> Template:
    return Template(name, latest, created_at=START, updated_at=START, updated_by="c")


def a_version(name: str, number: int = 1) -> TemplateVersion:
    return TemplateVersion(name, number, "en", LOCALES, {"type": "object"}, created_at=START, created_by="c")


async def test_what_is_published_is_read(store: TemplateStore) -> None:
    assert await store.template("a") is None
    assert await store.template_version("a", 1) is None
    await store.publish(a_template("a"), a_version("a"))
    read = await store.template("a")
    assert read is not None
    assert replace(read, version=None) == a_template("a")
    assert await store.template_version("a", 1) == a_version("a")
    await store.publish(replace(a_template("a", 2), version=read.version), a_version("a", 2))
    assert await store.template_version("a", 1) == a_version("a")


async def test_many_who_ask_at_once_each_get_their_own(store: TemplateStore) -> None:
    for name in ("a", "b"):
        await store.publish(a_template(name), a_version(name))
    found = await asyncio.gather(*(store.template(name) for name in "abc" * 20))
    assert [each and each.name for each in found] == ["a", "b", None] * 20


async def test_of_two_at_once_one_is_refused_whole(store: TemplateStore) -> None:
    await store.publish(a_template("a"), a_version("a"))
    with pytest.raises((AlreadyExists, Conflict)):
        await store.publish(a_template("a", 2), a_version("a", 2))
    read = await store.template("a")
    assert read is not None
    await store.publish(replace(read, latest=2), a_version("a", 2))
    with pytest.raises((AlreadyExists, Conflict)):
        await store.publish(replace(read, latest=3), a_version("a", 3))
    assert await store.template_version("a", 3) is None


async def test_an_archived_one_says_so(store: TemplateStore) -> None:
    await store.publish(a_template("a"), a_version("a"))
    read = await store.template("a")
    assert read is not None
    await store.archive(replace(read, archived_at=START))
    now = await store.template("a")
    assert now is not None
    assert now.archived_at == START
    with pytest.raises((Conflict, NotFound)):
        await store.archive(read)


async def test_they_are_listed_by_name(store: TemplateStore) -> None:
    for name in ("b", "a", "c"):
        await store.publish(a_template(name), a_version(name))
    page = await store.templates(limit=2, after=None)
    assert ([t.name for t in page.items], page.next) == (["a", "b"], "b")
    page = await store.templates(limit=2, after=page.next)
    assert ([t.name for t in page.items], page.next) == (["c"], None)
