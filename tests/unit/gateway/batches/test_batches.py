"""Batches on fakes: each item for itself, whatever goes wrong with the others or in between."""

from typing import Any

import pytest

from functions.gateway.access.caller import Scope
from functions.gateway.batches import batch_acceptance, schemas
from tests.fakes.api import Api

TO = {"sms": "+14155552671"}


def item(number: int, **changes: Any) -> dict[str, Any]:
    return {"key": f"key-{number}", "to": TO, "message": f"number {number}"} | changes


async def results(api: Api, items: list[Any], **caller: Any) -> list[dict[str, Any]]:
    client = await api.client(**caller)
    return await posted(client, items)


async def posted(client: Any, items: list[Any]) -> list[dict[str, Any]]:
    answer = await client.post("/v1/batches", json={"items": items})
    assert answer.status_code == 200, answer.text
    made: list[dict[str, Any]] = answer.json()["items"]
    assert [each["index"] for each in made] == list(range(len(items)))
    return made


def commits(api: Api) -> int:
    return api.store.calls["create_all"] + api.store.calls["create"]


async def test_a_hundred_take_one_commit_and_one_publish_a_channel(api: Api) -> None:
    to = TO | {"email": "a@example.com"}
    made = await results(api, [item(n, to=to) for n in range(100)])
    assert {each["status"] for each in made} == {202}
    assert len({each["id"] for each in made}) == 100
    assert (api.store.calls["create_all"], api.order.count("publish")) == (1, 1)
    published = [(m.notification_id, m.channel) for m in api.publisher.messages]
    assert sorted(published) == sorted((each["id"], channel) for each in made for channel in to)
    for number, each in enumerate(made):
        assert api.store.get(each["id"], "sms").address == TO["sms"]
        (message,) = [m for m in api.publisher.messages if m.notification_id == each["id"] and m.channel == "sms"]
        assert message.content is not None
        assert message.content.message == f"number {number}"


async def test_as_many_go_together_as_fit_into_a_commit(api: Api) -> None:
    made = await results(api, [item(n) for n in range(500)])
    assert {each["status"] for each in made} == {202}
    assert api.store.calls["create_all"] == 3  # of 225 notifications, each with one delivery
    too_many = await (await api.client()).post("/v1/batches", json={"items": [item(n) for n in range(501)]})
    assert too_many.status_code == 422


async def test_each_has_its_own_problem_and_keeps_no_other_back(api: Api) -> None:
    made = await results(
        api,
        [
            item(0),
            item(1, to={"sms": "none"}),
            item(2, mesage="x"),
            "nothing",
            {"to": TO, "message": "without a key"},
            item(5, key="with blank"),
            item(6, recipient="nobody", to=None),
            item(7, message="x" * 300_000),
            item(8),
        ],
    )
    assert [each["status"] for each in made] == [202, 422, 422, 422, 422, 422, 422, 413, 202]
    fields = [each["problem"]["errors"][0]["field"] for each in made[1:7]]
    assert fields == ["to.sms", "mesage", "body", "key", "key", "recipient"]
    assert commits(api) == 1
    assert len(api.publisher.messages) == 2


@pytest.mark.parametrize("body", [[], {}, {"items": []}, {"items": {}}, {"items": [item(0)], "more": 1}, 7, "x"])
async def test_what_is_no_batch_is_refused_as_a_whole(api: Api, body: Any) -> None:
    answer = await (await api.client()).post("/v1/batches", json=body)
    assert answer.status_code == 422
    assert commits(api) == 0


async def test_the_same_batch_again_changes_nothing(api: Api) -> None:
    client = await api.client(notifications_per_day=5)
    items = [item(n) for n in range(5)]
    first = await posted(client, items)
    again = await posted(client, items)
    assert again == [each | {"replayed": True} for each in first]
    mixed = await posted(client, [*items[:2], item(7), item(0, message="another")])
    assert [each["status"] for each in mixed] == [202, 202, 429, 422]
    assert [error["field"] for error in mixed[3]["problem"]["errors"]] == ["key"]


async def test_new_and_known_ones_together_each_get_their_own(api: Api) -> None:
    client = await api.client()
    known = await posted(client, [item(1), item(3)])
    made = await posted(client, [item(n) for n in range(5)])
    assert [made[1], made[3]] == [{**each, "index": i, "replayed": True} for each, i in zip(known, (1, 3), strict=True)]
    assert [each.get("replayed", False) for each in made] == [False, True, False, True, False]
    assert len({each["id"] for each in made}) == 5


async def test_a_key_is_one_notification_with_and_without_a_batch(api: Api) -> None:
    client = await api.client()
    alone = await client.post(
        "/v1/notifications", json={"to": TO, "message": "number 1"}, headers={"Idempotency-Key": "key-1"}
    )
    (made,) = await posted(client, [item(1)])
    assert (made["id"], made["replayed"]) == (alone.json()["id"], True)


async def test_a_key_twice_in_one_batch_is_one_notification(api: Api) -> None:
    made = await results(api, [item(1), item(1), item(1, message="another"), item(2, to={"sms": "x"}), item(2)])
    assert [each["status"] for each in made] == [202, 202, 422, 422, 202]
    assert made[0]["id"] == made[1]["id"]
    assert made[1]["replayed"]
    assert {m.notification_id for m in api.publisher.messages} == {made[0]["id"], made[4]["id"]}


async def test_a_commit_whose_answer_is_lost_makes_none_twice(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_acceptance, "CREATE_PAUSE", 0)
    api.store.fail("create_all", landed=True)
    client = await api.client(notifications_per_day=10)
    made = await posted(client, [item(n) for n in range(10)])
    assert {each["status"] for each in made} == {202}
    assert not any("replayed" in each for each in made)
    assert sorted(m.notification_id for m in api.publisher.messages) == sorted(each["id"] for each in made)


async def test_without_its_store_each_is_a_503_and_uses_nothing_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_acceptance, "CREATE_SECONDS", 0)
    client = await api.client(notifications_per_day=3)
    api.store.down("create_all")
    assert {each["status"] for each in await posted(client, [item(n) for n in range(3)])} == {503}
    api.store.down()
    assert {each["status"] for each in await posted(client, [item(n) for n in range(3)])} == {202}


async def test_what_could_not_be_published_is_on_record_and_goes_on_with_the_same_batch(api: Api) -> None:
    client = await api.client()
    api.publisher.fail()
    first = await posted(client, [item(n) for n in range(3)])
    assert {each["status"] for each in first} == {503}
    assert all("on record" in each["problem"]["detail"] for each in first)
    again = await posted(client, [item(n) for n in range(3)])
    assert {each["status"] for each in again} == {202}
    assert len({m.notification_id for m in api.publisher.messages}) == 3


async def test_what_has_records_of_its_own_goes_by_itself(api: Api) -> None:
    files = {"email": {"attachments": [{"name": "a.txt", "type": "text/plain", "data": "YQ=="}]}}
    made = await results(
        api,
        [
            item(0, ordering_key="o"),
            item(1, ordering_key="o"),
            item(2, to={"email": "a@example.com"}, content=files),
            item(3),
        ],
    )
    assert [each["status"] for each in made] == [202] * 4
    assert (api.store.calls["create"], api.store.calls["create_all"]) == (3, 1)
    assert api.store.get(made[1]["id"], "sms").follows == made[0]["id"]


async def test_what_is_scheduled_is_not_published(api: Api) -> None:
    later = (api.gateway.now().replace(year=api.gateway.now().year + 1, day=1)).isoformat()
    made = await results(api, [item(0, send_at=later), item(1)])
    assert [each["status"] for each in made] == [202, 202]
    assert [m.notification_id for m in api.publisher.messages] == [made[1]["id"]]


async def test_what_takes_too_long_is_to_be_sent_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_acceptance, "SECONDS", -1)
    made = await results(api, [item(n) for n in range(3)])
    assert {each["status"] for each in made} == {503}
    assert commits(api) == 0


async def test_it_needs_the_scope_of_sending(api: Api) -> None:
    client = await api.client(scopes=frozenset(Scope) - {Scope.NOTIFICATIONS_SEND})
    assert (await client.post("/v1/batches", json={"items": [item(0)]})).status_code == 403


def test_a_batch_has_at_most_500() -> None:
    assert schemas.MOST_ITEMS == 500
