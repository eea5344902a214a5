"""Lists, page by page."""

from typing import Any

import httpx
import pytest
from client_kinds import KINDS, a_notification, call

from hark_client import Client
from hark_client.testing.hark import Hark


def pages(asked: list[dict[str, str]], most: int = 3) -> Any:
    """So many pages of one notification each."""

    def answer(request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        asked.append(query)
        number = int(query.get("cursor", "1"))
        following = str(number + 1) if number < most else None
        return httpx.Response(200, json={"items": [a_notification(id=f"n-{number}")], "next_cursor": following})

    return answer


@pytest.mark.parametrize("kind", KINDS)
def test_iterating_gives_the_items_of_all_pages(kind: str) -> None:
    asked: list[dict[str, str]] = []
    found = call(kind, pages(asked), lambda client: client.notifications.list(recipient="alice", status="sent"))
    assert [notification.id for notification in found] == ["n-1", "n-2", "n-3"]
    same = {"recipient": "alice", "status": "sent"}
    assert asked == [same, {**same, "cursor": "2"}, {**same, "cursor": "3"}]


def test_a_page_is_asked_for_when_the_loop_comes_to_it() -> None:
    asked: list[dict[str, str]] = []
    with Client("http://hark.test", "key", transport=httpx.MockTransport(pages(asked))) as client:
        found = client.notifications.list()
        assert asked == []
        first = next(iter(found))
    assert (first.id, len(asked)) == ("n-1", 1)


def test_a_cursor_goes_on_from_there(hark: Hark) -> None:
    ids = [hark.client.notifications.send(to={"slack": "#ops"}, message=f"Step {n}").id for n in range(5)]
    first = next(hark.client.notifications.list(limit=2).pages())
    rest = hark.client.notifications.list(limit=2, cursor=first.next_cursor)
    assert sorted(n.id for n in [*first.items, *rest]) == sorted(ids)


async def test_a_page_in_the_middle_of_an_async_loop(hark: Hark) -> None:
    for number in range(3):
        await hark.async_client.notifications.send(to={"slack": "#ops"}, message=f"Step {number}")
    found = [[n.id for n in page.items] async for page in hark.async_client.notifications.list(limit=1).pages()]
    assert [len(page) for page in found] == [1, 1, 1]


def test_suppressions_go_out_and_come_in_as_csv(hark: Hark) -> None:
    client = hark.client
    for name in ("a", "b"):
        client.suppressions.put("email", f"{name}@example.com", reason="unsubscribed")
    (csv,) = client.suppressions.export(channel="email")
    assert csv.splitlines()[0].startswith("channel,address_hash,reason")
    client.suppressions.delete("email", "a@example.com")
    said = client.suppressions.import_csv("channel,address,reason\nemail,a@example.com,complaint\nemail,,stop\n")
    assert (said.rows, said.imported, [problem.row for problem in said.problems]) == (2, 1, [2])
    assert client.suppressions.get("email", "a@example.com").reason == "complaint"


def test_the_next_page_of_csv_is_in_the_header() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        link = {"Link": '</v1/suppressions.csv?cursor=b%2Bc>; rel="next"'} if "cursor" not in request.url.params else {}
        return httpx.Response(200, text=request.url.params.get("cursor", "first"), headers=link)

    assert call("blocking", answer, lambda client: client.suppressions.export()) == ["first", "b+c"]
