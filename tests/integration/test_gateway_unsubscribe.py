"""The page to unsubscribe over Firestore: what it writes is read as it was written."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from shared.delivery.model import CategoryClass, SuppressionReason
from shared.people.category import Category
from shared.people.suppression import SuppressionClass
from shared.people.unsubscribe_tokens import Unsubscribe, UnsubscribeTokens
from tests.integration.gateway import Hark, client_of

TOKENS = UnsubscribeTokens(["k" * 32])
EMAIL = "alice@example.com"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def browser(hark: Hark) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(replace(hark.gateway, unsubscribe_tokens=TOKENS), None) as client:
        yield client


async def test_unsubscribing_and_choosing(hark: Hark, browser: httpx.AsyncClient) -> None:
    people, now = hark.gateway.people, datetime.now(UTC)
    for name in ("newsletter", "offers"):
        await people.put_category(Category(name, CategoryClass.MARKETING, now, now))
    put = await hark.client.put("/v1/recipients/alice", json={"addresses": {"email": EMAIL}, "locale": "de"})
    assert put.status_code == 201
    address = people.suppression_id("email", EMAIL)
    link = f"/u/{TOKENS.make(Unsubscribe('email', address, 'alice', 'newsletter', CategoryClass.MARKETING, None))}"

    before = await hark.documents()
    got = await browser.get(link)
    assert (got.status_code, got.headers["content-language"], await hark.documents()) == (200, "de", before)

    for _ in range(2):
        assert (await browser.post(link, data=ONE_CLICK)).status_code == 200
    assert await hark.documents("suppressions") == 1
    chosen = await browser.post(link, data={"choices": "1", "want": ["email/offers"]})
    assert chosen.status_code == 200
    suppression = await people.suppression("email", address)
    assert suppression is not None
    entry = suppression.entries[SuppressionReason.UNSUBSCRIBED]
    assert (entry.class_, entry.categories) == (SuppressionClass.MARKETING, ("newsletter",))
    assert entry.except_for == ("offers",)
    recipient = await hark.store.recipient("alice")
    assert recipient is not None
    assert recipient.preferences == {"offers": {"email": True}}
    assert (recipient.addresses, recipient.locale, recipient.updated_by) == ({"email": EMAIL}, "de", "unsubscribe page")

    assert (await browser.post(link, data={"resubscribe": "1"})).status_code == 200
    assert await hark.documents("suppressions") == 0
    # Whoever wrote it last is no caller; that it was is no reason not to show the rest.
    shown = await hark.client.get("/v1/recipients/alice")
    assert (shown.status_code, shown.json()["updated_by"]) == (200, None)
