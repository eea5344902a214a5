"""What opens each link of a mail to look at it changes nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.delivery.model import CategoryClass
from tests.unit.gateway.unsubscribe.visitor import ONE_CLICK, Visitor, records, visiting

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BODY = b"List-Unsubscribe=One-Click"
READS = {"recipient", "category", "categories", "suppression"}

# By who asks: method, what is behind the path, and headers with a body.
SCANNERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a person": ("GET", "", {}),
    "HEAD": ("HEAD", "", {}),
    "Outlook SafeLinks": ("GET", "", {"headers": {"User-Agent": CHROME, "X-MS-SafeLinks": "1"}}),
    "SafeLinks, HEAD first": ("HEAD", "", {"headers": {"User-Agent": "Microsoft Office/16.0"}}),
    "Proofpoint": ("GET", "?utm_source=urldefense", {"headers": {"User-Agent": f"{CHROME} Proofpoint/URL Defense"}}),
    "Barracuda": ("GET", "", {"headers": {"User-Agent": "BarracudaCentral/Link Protect"}}),
    "Mimecast": ("GET", "", {"headers": {"User-Agent": "Mimecast URL Protect", "Via": "1.1 mimecast"}}),
    "Google's image proxy": ("GET", "", {"headers": {"User-Agent": "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"}}),
    "Slack's preview": ("GET", "", {"headers": {"User-Agent": "Slackbot-LinkExpanding 1.0", "Range": "bytes=0-32768"}}),
    "a part of it": ("GET", "", {"headers": {"Range": "bytes=0-0"}}),
    "a prefetch": ("GET", "", {"headers": {"Purpose": "prefetch", "Sec-Purpose": "prefetch;prerender"}}),
    "Firefox's prefetch": ("GET", "", {"headers": {"X-Moz": "prefetch"}}),
    "one that has it": (
        "GET",
        "",
        {"headers": {"If-None-Match": '"1"', "If-Modified-Since": "Mon, 05 Jan 2026 00:00:00 GMT"}},
    ),
    "a frame": ("GET", "", {"headers": {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}}),
    "the act as a query": ("GET", "?List-Unsubscribe=One-Click", {}),
    "other acts as a query": ("GET", "?choices=1&was=email/newsletter&resubscribe=1", {}),
    "the act as a body": ("GET", "", {"headers": FORM, "content": BODY}),
    "another method by a header": ("GET", "", {"headers": {"X-HTTP-Method-Override": "POST"}}),
    "another method by a query": ("GET", "?_method=POST", {"headers": {"X-HTTP-Method": "POST"}}),
    "a slash behind it": ("GET", "/", {}),
    "two slashes behind it": ("GET", "//", {}),
    "an encoded slash": ("GET", "%2F", {}),
    "encoded twice": ("GET", "%252F", {}),
    "a line end": ("GET", "%0A", {}),
    "a quote": ("GET", '"', {}),
    "OPTIONS": ("OPTIONS", "", {"headers": {"Access-Control-Request-Method": "POST", "Origin": "https://a.example"}}),
    "PROPFIND": ("PROPFIND", "", {}),
    "TRACE": ("TRACE", "", {}),
    "PUT": ("PUT", "", {"headers": FORM, "content": BODY}),
    "PATCH": ("PATCH", "", {"headers": FORM, "content": BODY}),
    "DELETE": ("DELETE", "", {}),
    "a POST without a body": ("POST", "", {}),
    "a POST of the query": ("POST", "?List-Unsubscribe=One-Click", {}),
    "a POST of JSON": ("POST", "", {"json": ONE_CLICK}),
}


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    async with visiting() as visitor:
        yield visitor


@pytest.mark.parametrize("who", SCANNERS)
async def test_nothing_is_changed(visitor: Visitor, who: str) -> None:
    await assert_changes_nothing(visitor, who)
    await visitor.with_link(category="orders", category_class=CategoryClass.SERVICE).post(ONE_CLICK)
    await assert_changes_nothing(visitor, who)


async def assert_changes_nothing(visitor: Visitor, who: str) -> None:
    method, behind, asked = SCANNERS[who]
    before = records(visitor.api)
    for calls in (visitor.api.store.calls, visitor.api.people.calls):
        calls.clear()
    answer = await visitor.browser.request(method, visitor.path + behind, **asked)
    allowed = {"GET": {200, 404}, "HEAD": {200}, "POST": {422}}.get(method, {405})
    assert answer.status_code in allowed
    assert records(visitor.api) == before
    assert {*visitor.api.store.calls, *visitor.api.people.calls} <= READS
    assert not visitor.api.publisher.taken()


def test_they_are_many() -> None:
    assert len([who for who, (method, *_) in SCANNERS.items() if method in {"GET", "HEAD", "OPTIONS"}]) >= 20
