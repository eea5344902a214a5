"""Quiet hours and preferences of a recipient, and one that is being erased."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from shared.delivery.model import QuietHours
from tests.fakes.api import Api
from tests.fakes.clock import START
from tests.integration.gateway import problem

ALICE = "/v1/recipients/alice"
EMAIL = {"addresses": {"email": "a@example.com"}}
VIENNA = {"time_zone": "Europe/Vienna"}
ALL_DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
NIGHT = {"from": "22:00", "to": "07:00"}


@pytest.mark.parametrize(
    ("given", "said", "kept"),
    [
        (NIGHT, {"days": ALL_DAYS, **NIGHT}, QuietHours(tuple(range(7)), 22 * 60, 7 * 60)),
        (
            {"days": ["sun", "fri"], "from": "00:00", "to": "24:00"},
            {"days": ["fri", "sun"], "from": "00:00", "to": "24:00"},
            QuietHours((4, 6), 0, 24 * 60),
        ),
        (
            {"days": ["mon"], "from": "23:59", "to": "00:00"},
            {"days": ["mon"], "from": "23:59", "to": "00:00"},
            QuietHours((0,), 23 * 60 + 59, 0),
        ),
    ],
)
async def test_quiet_hours_are_kept_and_said_back(
    api: Api, client: httpx.AsyncClient, given: Any, said: Any, kept: QuietHours
) -> None:
    answer = await client.put(ALICE, json=EMAIL | VIENNA | {"quiet_hours": [given]})
    assert (answer.status_code, answer.json()["quiet_hours"]) == (201, [said])
    assert (await client.get(ALICE)).json()["quiet_hours"] == [said]
    recipient = await api.store.recipient("alice")
    assert recipient is not None
    assert recipient.quiet_hours == (kept,)
    again = await client.put(ALICE, json=EMAIL | VIENNA | {"quiet_hours": [said]})
    assert again.json()["quiet_hours"] == [said]


async def test_preferences_are_kept_and_said_back(client: httpx.AsyncClient) -> None:
    wanted = {"news": {"email": False, "sms": True}, "0.a-b_c": {}}
    answer = await client.put(ALICE, json=EMAIL | {"preferences": wanted})
    assert (answer.status_code, answer.json()["preferences"]) == (201, wanted)
    assert (await client.get("/v1/recipients")).json()["items"] == [(await client.get(ALICE)).json()]


async def test_a_put_that_says_nothing_of_preferences_keeps_what_the_person_chose(client: httpx.AsyncClient) -> None:
    chosen = {"news": {"sms": False}}
    await client.put(ALICE, json=EMAIL | {"preferences": chosen})
    assert (await client.put(ALICE, json=EMAIL)).json()["preferences"] == chosen
    assert (await client.put(ALICE, json=EMAIL | {"preferences": {}})).json()["preferences"] == {}


async def test_a_put_replaces_them_all(client: httpx.AsyncClient) -> None:
    await client.put(ALICE, json=EMAIL | VIENNA | {"quiet_hours": [NIGHT], "preferences": {"news": {"sms": False}}})
    answer = (await client.put(ALICE, json=EMAIL | {"preferences": {}})).json()
    assert (answer["quiet_hours"], answer["preferences"]) == ([], {})


def hours(**changes: Any) -> dict[str, Any]:
    return VIENNA | {"quiet_hours": [{**NIGHT, **changes}]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"quiet_hours": [NIGHT]}, "time_zone"),
        ({"quiet_hours": [NIGHT], "time_zone": None}, "time_zone"),
        (hours(days=[]), "quiet_hours.0.days"),
        (hours(days=None), "quiet_hours.0.days"),
        (hours(days=["mon", "mon"]), "quiet_hours.0.days"),
        (hours(days=["monday"]), "quiet_hours.0.days.0"),
        (hours(to="22:00"), "quiet_hours.0.to"),
        (hours(to="24:01"), "quiet_hours.0.to"),
        (hours(to="7:00"), "quiet_hours.0.to"),
        (hours(to="07:00\n"), "quiet_hours.0.to"),
        (hours(to=None), "quiet_hours.0.to"),
        (hours(**{"from": "24:00"}), "quiet_hours.0.from"),
        (hours(**{"from": "12:60"}), "quiet_hours.0.from"),
        (hours(**{"from": "٠٩:00"}), "quiet_hours.0.from"),
        (hours(zone="UTC"), "quiet_hours.0.zone"),
        (VIENNA | {"quiet_hours": [{"from": "22:00"}]}, "quiet_hours.0.to"),
        (VIENNA | {"quiet_hours": None}, "quiet_hours"),
        (VIENNA | {"quiet_hours": NIGHT}, "quiet_hours"),
        (VIENNA | {"quiet_hours": [NIGHT] * 15}, "quiet_hours"),
        (hours(**{"from": "00:00", "to": "24:00"}), "quiet_hours"),
        (
            VIENNA | {"quiet_hours": [{"from": "00:00", "to": "12:00"}, {"from": "12:00", "to": "00:00"}]},
            "quiet_hours",
        ),
        (
            VIENNA
            | {
                "quiet_hours": [
                    {"days": ALL_DAYS[1:], "from": "00:00", "to": "24:00"},
                    {"days": ["mon"], "from": "00:59", "to": "24:00"},
                ]
            },
            "quiet_hours",
        ),
        ({"preferences": None}, "preferences"),
        ({"preferences": {"a b": {"sms": True}}}, "preferences.a b"),
        ({"preferences": {"": {"sms": True}}}, "preferences."),
        ({"preferences": {"x" * 129: {}}}, None),
        ({"preferences": {"news": {"fax": True}}}, "preferences.news.fax"),
        ({"preferences": {"news": {"sms": 1}}}, "preferences.news.sms"),
        ({"preferences": {"news": {"sms": None}}}, "preferences.news.sms"),
        ({"preferences": {"news": True}}, "preferences.news"),
        ({"preferences": {f"c{n}": {} for n in range(101)}}, "preferences"),
    ],
)
async def test_what_is_wrong_is_named_and_changes_nothing(
    api: Api, client: httpx.AsyncClient, body: dict[str, Any], field: str | None
) -> None:
    await client.put(ALICE, json=EMAIL)
    before = await api.store.recipient("alice")
    problem(await client.put(ALICE, json=EMAIL | body), 422, *([field] if field is not None else []))
    assert await api.store.recipient("alice") == before


async def test_an_hour_of_the_week_is_enough(client: httpx.AsyncClient) -> None:
    quiet = [
        {"days": ALL_DAYS[1:], "from": "00:00", "to": "24:00"},
        {"days": ["mon"], "from": "01:00", "to": "24:00"},
    ]
    assert (await client.put(ALICE, json=EMAIL | VIENNA | {"quiet_hours": quiet})).status_code == 201


async def test_who_is_being_erased_is_not_there_and_cannot_be_put_back(api: Api, client: httpx.AsyncClient) -> None:
    for name in ("alice", "bob"):
        await client.put(f"/v1/recipients/{name}", json=EMAIL)
    alice = await api.store.recipient("alice")
    assert alice is not None
    await api.store.replace_recipient(replace(alice, erased_at=START))
    before = await api.store.recipient("alice")
    details = problem(await client.put(ALICE, json=EMAIL), 409)
    assert "is being erased" in details["detail"]
    problem(await client.get(ALICE), 404)
    problem(await client.delete(ALICE), 404)
    assert [r["name"] for r in (await client.get("/v1/recipients")).json()["items"]] == ["bob"]
    sending = {"recipient": "alice", "message": "x"}
    problem(await client.post("/v1/notifications", json=sending), 422, "recipient")
    assert await api.store.recipient("alice") == before


async def test_an_erasure_that_begins_meanwhile_is_not_written_over(api: Api, client: httpx.AsyncClient) -> None:
    await client.put(ALICE, json=EMAIL)
    read = api.store.recipient

    async def read_and_begin(name: str) -> Any:
        found = await read(name)
        if found is not None and found.erased_at is None:
            await api.store.replace_recipient(replace(found, erased_at=START))
        return found

    api.store.recipient = read_and_begin  # type: ignore[method-assign]
    problem(await client.put(ALICE, json=EMAIL), 409)
    problem(await client.delete(ALICE), 404)
    erased = await read("alice")
    assert erased is not None
    assert erased.erased_at == START
