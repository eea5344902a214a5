"""A gateway on fakes with a person on record, and a browser that has the link of a mail to them."""

import copy
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

import httpx

from shared.delivery.model import CategoryClass, Delivery, Recipient
from shared.people.category import Category
from shared.people.permission import permission
from shared.people.unsubscribe_tokens import Unsubscribe, UnsubscribeTokens
from tests.fakes.api import Api, api_on_fakes
from tests.fakes.clock import START
from tests.integration.gateway import client_of

TOKENS = UnsubscribeTokens(["k" * 32])
EMAIL, SMS, SLACK = "alice@example.com", "+14155552671", "#alice"
CATEGORIES = (
    Category("newsletter", CategoryClass.MARKETING, START, START, "News & <offers>"),
    Category("offers", CategoryClass.MARKETING, START, START),
    Category("orders", CategoryClass.SERVICE, START, START, "Your orders"),
    Category("passwords", CategoryClass.TRANSACTIONAL, START, START, "Passwords"),
)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
AGAIN = {"resubscribe": "1"}


@dataclass
class Form:
    method: str = ""
    action: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    """As they are submitted when nothing is touched."""
    boxes: dict[str, bool] = field(default_factory=dict)
    """By value, whether it is ticked; without those that cannot be."""
    locked: set[str] = field(default_factory=set)
    button: str = ""


class Page(HTMLParser):
    """The forms of a page, all of its tags, and its text."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag == "form":
            self.forms.append(Form(given["method"] or "", given["action"] or ""))
        elif tag == "input":
            name, value, form = given["name"] or "", given["value"] or "", self.forms[-1]
            if given["type"] == "hidden":
                form.fields.append((name, value))
            elif "disabled" in given:
                form.locked.add(value)
            else:
                form.boxes[value] = "checked" in given

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.tags[-1][0] == "button" and self.forms and not self.forms[-1].button:
            self.forms[-1].button = data

    def form(self, name: str) -> Form:
        (found,) = (form for form in self.forms if form.fields[0][0] == name)
        return found

    def ticking(self, **ticked: bool) -> Mapping[str, list[str]]:
        """The fields of the choices, with these boxes changed: `email__orders=False`."""
        form = self.form("choices")
        boxes = form.boxes | {name.replace("__", "/"): tick for name, tick in ticked.items()}
        assert boxes.keys() == form.boxes.keys(), "no such box"
        fields: dict[str, list[str]] = {}
        for name, value in [*form.fields, *(("want", value) for value, tick in boxes.items() if tick)]:
            fields.setdefault(name, []).append(value)
        return fields


@dataclass
class Visitor:
    api: Api
    browser: httpx.AsyncClient
    about: Unsubscribe
    token: str = ""

    def __post_init__(self) -> None:
        self.token = self.token or TOKENS.make(self.about)

    def with_link(self, **about: Any) -> "Visitor":
        """The same browser, with another mail."""
        return Visitor(self.api, self.browser, replace(self.about, **about))

    @property
    def path(self) -> str:
        return f"/u/{self.token}"

    async def get(self, **headers: str) -> httpx.Response:
        return await self.browser.get(self.path, headers=headers)

    async def page(self) -> Page:
        answer = await self.get()
        assert answer.status_code == 200, answer.text
        return Page(answer)

    async def post(self, fields: Mapping[str, Any], status: int = 200) -> httpx.Response:
        answer = await self.browser.post(self.path, data=fields)
        assert answer.status_code == status, answer.text
        return answer

    async def choose(self, **ticked: bool) -> Page:
        return Page(await self.post((await self.page()).ticking(**ticked)))

    async def recipient(self) -> Recipient:
        found = self.api.store.recipient_now("alice")
        assert found is not None
        return found

    async def gets(self, category: str, channel: str = "email") -> bool:
        """Whether a message of this category would go out now, as the gate decides."""
        address = {"email": EMAIL, "sms": SMS, "slack": SLACK}[channel]
        delivery = Delivery("n-1", channel, address, START, recipient="alice", category=category)
        said = permission(delivery, await self.api.people.person(delivery), START)
        return type(said).__name__ == "Go"


def records(api: Api) -> Any:
    """All that is on record, to be compared."""
    held = (vars(api.store), vars(api.people))
    counters = {"calls", "_versions", "_store", "_faults", "suppression_id"}
    return copy.deepcopy([{n: v for n, v in each.items() if n not in counters} for each in held])


@asynccontextmanager
async def visiting(**about: Any) -> AsyncIterator[Visitor]:
    async with api_on_fakes() as api:
        api.gateway = replace(api.gateway, unsubscribe_tokens=TOKENS)
        for category in CATEGORIES:
            await api.people.put_category(category)
        addresses = {"email": EMAIL, "sms": SMS, "slack": SLACK}
        await api.store.create_recipient(Recipient("alice", addresses, START, START, attributes={"tier": "gold"}))
        hashed = api.people.suppression_id("email", EMAIL)
        wanted = Unsubscribe("email", hashed, "alice", "newsletter", CategoryClass.MARKETING, None)
        async with client_of(api.gateway, None) as browser:
            api.store.calls.clear()
            api.people.calls.clear()
            yield Visitor(api, browser, replace(wanted, **about))
