"""Templates through the API: published, read, tried out, sent with, archived."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.access.caller import Scope
from functions.gateway.notifications.schemas import NotificationJson
from functions.gateway.notifications.stopping import WouldStopJson
from shared.delivery.model import DeliveryStatus
from tests.integration.gateway import Hark, declared, problem

TO = {"email": "a@example.com", "sms": "+14155552671"}
SCHEMA = {"type": "object", "properties": {"order": {"type": "integer"}}}
LOCALES = {
    "en": {
        "email": {"subject": "Order {{ order }}", "html": "<p>Hello {{ name }}, {{ price | money: 'EUR' }}</p>"},
        "sms": {"message": "Order {{ order }} for {{ price | money: 'EUR' }}"},
    },
    "de": {"sms": {"message": "Bestellung {{ order }} um {{ price | money: 'EUR' }}"}},
}
BODY = {"schema": SCHEMA, "default_locale": "en", "locales": LOCALES}
DATA = {"order": 42, "name": "<b>Al</b>", "price": 1234.5}
PATH = "/v1/templates/order-shipped"


async def published(hark: Hark, **changes: Any) -> dict[str, Any]:
    answer = await hark.client.put(PATH, json=BODY | changes)
    assert answer.status_code in {200, 201}, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def post(hark: Hark, **request: Any) -> httpx.Response:
    body = {"to": TO, "template": {"name": "order-shipped"}, "data": DATA, **request}
    return await hark.client.post("/v1/notifications", json=body)


async def sent(hark: Hark, **request: Any) -> tuple[NotificationJson, dict[str, Any]]:
    """The notification, and what goes out over each channel."""
    answer = await post(hark, **request)
    assert answer.status_code == 202, answer.text
    made: NotificationJson = declared(NotificationJson, answer)
    return made, {d["channel"]: d["content"] for d in made["deliveries"]}


async def test_versions_are_numbered_and_never_change(hark: Hark) -> None:
    first = await hark.client.put(PATH, json=BODY)
    again = await hark.client.put(PATH, json=BODY)
    second = await hark.client.put(PATH, json=BODY | {"default_locale": "de"})
    assert [(a.status_code, a.json()["version"]) for a in (first, again, second)] == [(201, 1), (200, 1), (201, 2)]
    old = (await hark.client.get(f"{PATH}/versions/1")).json()
    assert (old["schema"], old["default_locale"], old["locales"]) == (SCHEMA, "en", LOCALES)
    assert (await hark.client.get(PATH)).json()["version"] == 2
    (listed,) = (await hark.client.get("/v1/templates")).json()["items"]
    assert (listed["name"], listed["version"]) == ("order-shipped", 2)
    for version in ("0", "3", "x", "1" * 40):
        problem(await hark.client.get(f"{PATH}/versions/{version}"), 404)


async def test_what_was_rendered_is_on_record_and_goes_out(hark: Hark) -> None:
    await published(hark)
    made, content = await sent(hark)
    assert (made["message"], made["template"]) == (None, {"name": "order-shipped", "version": 1, "locale": "en"})
    assert content["sms"] == {"message": "Order 42 for €1,234.50"}
    assert content["email"]["subject"] == "Order 42"
    assert content["email"]["html"].count("&lt;b&gt;Al&lt;/b&gt;") == 1
    assert "Hello <b>Al</b>, €1,234.50" in content["email"]["message"]
    await published(hark, locales={"en": {"sms": {"message": "changed"}}})
    assert declared(NotificationJson, await hark.client.get(f"/v1/notifications/{made['id']}")) == made
    (message,) = await hark.published("sms")
    assert message.content is not None
    assert message.content.everything() == content["sms"]


@pytest.mark.parametrize(
    ("wanted", "chosen", "text"),
    [("de-AT", "de", "um €\xa01.234,50"), ("de", "de", "um 1.234,50\xa0€"), ("fr", "en", "for 1\u202f234,50\xa0€")],
)
async def test_a_locale_falls_back_and_formats_stay_the_persons(
    hark: Hark, wanted: str, chosen: str, text: str
) -> None:
    await published(hark)
    template = {"name": "order-shipped", "locale": wanted}
    made, content = await sent(hark, to={"sms": TO["sms"]}, template=template)
    assert made["template"] is not None
    assert made["template"]["locale"] == chosen
    assert text in content["sms"]["message"]


async def test_a_recipients_locale_zone_and_attributes_count(hark: Hark) -> None:
    text = "{{ recipient.attributes.first }}: {{ at | datetime: 'short' }}"
    await published(hark, schema=None, locales={"en": {"sms": {"message": text}}})
    about = {
        "locale": "de-AT",
        "time_zone": "Europe/Vienna",
        "attributes": {"first": "Al", "score": 0.5, "orders": 3, "vip": True},
    }
    put = await hark.client.put("/v1/recipients/al", json={"addresses": {"sms": TO["sms"]}, **about})
    assert {name: put.json()[name] for name in about} == about
    body = {"recipient": "al", "template": {"name": "order-shipped"}, "data": {"at": "2026-12-24T18:00:00Z"}}
    answer = await hark.client.post("/v1/notifications", json=body)
    assert answer.json()["deliveries"][0]["content"]["message"] == "Al: 24.12.26, 19:00"


@pytest.mark.parametrize(
    ("about", "field"),
    [
        ({"locale": "x"}, "locale"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"time_zone": "localtime"}, "time_zone"),
        ({"attributes": {"a": []}}, "attributes.a"),
        ({"attributes": {"1": "x"}}, "attributes.1"),
    ],
)
async def test_what_a_recipient_cannot_have_is_named(hark: Hark, about: Any, field: str) -> None:
    answer = await hark.client.put("/v1/recipients/al", json={"addresses": {"sms": TO["sms"]}, **about})
    assert field in {error["field"] for error in answer.json()["errors"]}
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"data": {"order": 1, "name": "x"}}, "data.price"),
        ({"data": {"order": "x"}}, "data.order"),
        ({"data": None, "template": {"name": "order-shipped"}}, "data.order"),
        ({"data": {"a": [0] * 10_001}}, "data"),
        ({"data": {"a": [[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}}, "data"),
        ({"template": {"name": "nothing"}}, "template.name"),
        ({"template": {"name": "order-shipped", "version": 9}}, "template.version"),
        ({"template": {"name": "order-shipped", "locale": "!"}}, "template.locale"),
        ({"channels": ["email"], "template": {"name": "order-shipped", "locale": "de"}}, "channels"),
        ({"message": "x"}, "message"),
        ({"template": None}, "message"),
    ],
)
async def test_what_keeps_it_from_being_sent_is_named(hark: Hark, request_: Any, field: str) -> None:
    await published(hark)
    before = await hark.documents()
    answer = await post(hark, **request_)
    assert answer.status_code == 422, answer.text
    assert field in {error["field"] for error in answer.json()["errors"]}, answer.text
    assert await hark.documents() == before


async def test_only_the_channels_that_it_has_texts_for_are_sent_to(hark: Hark) -> None:
    await published(hark)
    _, content = await sent(hark, template={"name": "order-shipped", "locale": "de"})
    assert list(content) == ["sms"]


async def test_what_the_request_says_for_a_channel_goes_over_the_template(hark: Hark) -> None:
    await published(hark)
    _, content = await sent(hark, content={"sms": {"message": "mine"}, "email": {"subject": "Mine"}})
    assert (content["sms"], content["email"]["subject"]) == ({"message": "mine"}, "Mine")


async def test_an_archived_one_makes_nothing_new_and_stays_readable(hark: Hark) -> None:
    await published(hark)
    made, _ = await sent(hark)
    assert (await hark.client.delete(PATH)).status_code == 204
    assert (await hark.client.delete(PATH)).status_code == 204
    problem(await post(hark), 422, "template.name")
    assert (await hark.client.get(PATH)).json()["archived_at"]
    assert (await hark.client.get(f"/v1/notifications/{made['id']}")).status_code == 200
    assert (await published(hark))["version"] == 1
    await sent(hark)
    problem(await hark.client.delete("/v1/templates/nothing"), 404)


async def test_a_preview_shows_each_channel_as_it_would_go(hark: Hark) -> None:
    await published(hark)
    before = await hark.documents()
    shown = (await hark.client.post(f"{PATH}/preview", json={"data": DATA})).json()
    assert shown["content"]["sms"] == {"message": "Order 42 for €1,234.50", "segments": 1, "encoding": "GSM-7"}
    assert "&lt;b&gt;" in shown["content"]["email"]["html"]
    assert shown["missing"] == []
    short = (await hark.client.post(f"{PATH}/preview", json={"data": {"order": 1}, "locale": "de"})).json()
    assert (short["locale"], short["missing"]) == ("de", ["price"])
    assert short["content"]["sms"]["message"] == "Bestellung 1 um "
    problem(await hark.client.post(f"{PATH}/preview", json={"data": {"order": "x"}}), 422, "data.order")
    problem(await hark.client.post(f"{PATH}/preview", json={"version": 7}), 404)
    assert await hark.documents() == before


async def test_a_locale_that_nobody_knows_does_not_keep_it_from_going(hark: Hark) -> None:
    await published(hark)
    put = await hark.client.put("/v1/recipients/al", json={"addresses": {"sms": TO["sms"]}, "locale": "xx-YY"})
    assert put.status_code == 201
    body = {"recipient": "al", "template": {"name": "order-shipped"}, "data": DATA}
    answer = await hark.client.post("/v1/notifications", json=body)
    assert (answer.status_code, answer.json()["template"]["locale"]) == (202, "en")
    preview = await hark.client.post(f"{PATH}/preview", json={"data": DATA, "locale": "xx"})
    assert (preview.status_code, preview.json()["locale"]) == (200, "en")


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"email": {"subject": "{{ name }}", "message": "x"}}, "content.email.subject"),
        ({"sms": {"message": "{{ name }}" * 300}}, "content.sms.message"),
        ({"sms": {"message": "{% if false %}x{% endif %}"}}, "content.sms.message"),
        ({"slack": {"message": "x", "blocks": [{"text": "{{ name }}"}]}}, "content.slack.blocks.0"),
    ],
)
async def test_a_preview_says_what_would_be_refused(hark: Hark, parts: Any, field: str) -> None:
    await published(hark, schema=None, locales={"en": parts})
    body = {"data": {"name": "two\nlines"}}
    problem(await hark.client.post(f"{PATH}/preview", json=body), 422, field)
    to = {"email": TO["email"], "sms": TO["sms"], "slack": "#ops"}
    problem(await post(hark, to={name: to[name] for name in parts}, **body), 422, field)


async def test_a_preview_is_for_somebody_there_is(hark: Hark) -> None:
    await published(hark)
    problem(await hark.client.post(f"{PATH}/preview", json={"data": DATA, "recipient": "nobody"}), 422, "recipient")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"default_locale": "fr"}, "default_locale"),
        ({"schema": {"type": "nonsense"}}, "schema"),
        ({"schema": {"$ref": "https://example.com/schema.json"}}, "schema"),
        ({"schema": {"pattern": "(a)\\1"}}, "schema"),
        ({"locales": {"en": {"fax": {"message": "x"}}}}, "locales.en.fax"),
        ({"locales": {"en": {"sms": {"html": "x"}}}}, "locales.en.sms.html"),
        ({"locales": {"en": {"sms": {"message": "{{ a"}}}}, "locales.en.sms.message"),
        ({"locales": {"en": {"sms": {"message": "{% include 'x' %}"}}}}, "locales.en.sms.message"),
        ({"locales": {"en": {"sms": {"message": "{{ a | unknown }}"}}}}, "locales.en.sms.message"),
        ({"locales": {"en": {"slack": {"blocks": [{"text": "{{"}]}}}}, "locales.en.slack.blocks.0.text"),
        ({"locales": {"en": {"sms": {"message": "x"}}, "xx-XX": {"sms": {"message": "x"}}}}, "locales.xx-XX"),
        ({"locales": {"en": {"sms": {"message": "x"}}, "EN": {"sms": {"message": "x"}}}}, "locales.EN"),
        ({"locales": {"en": {"email": {"subject": 5, "message": "x"}}}}, "locales.en.email.subject"),
        ({"locales": {"en": {"slack": {"blocks": "x", "message": "x"}}}}, "locales.en.slack.blocks"),
        ({"locales": {"en": {"slack": {"blocks": [""] * 20_000, "message": "x"}}}}, "locales"),
        ({"locales": {"en": {"slack": {"blocks": ["{{ a }}" * 600] * 3, "message": "x"}}}}, "locales"),
        ({"schema": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}, "schema"),
        ({"schema": {"$schema": "http://json-schema.org/draft-07/schema#"}}, "schema"),
        ({"locales": {}}, "locales"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
async def test_what_cannot_be_published_is_named(hark: Hark, changes: Any, field: str) -> None:
    answer = await hark.client.put(PATH, json=BODY | changes)
    assert answer.status_code == 422, answer.text
    assert field in {error["field"] for error in answer.json()["errors"]}, answer.text
    assert await hark.documents() == 0


async def test_data_cannot_add_markup_where_there_is_some(hark: Hark) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "{{ name }}"}}]
    locales = {"en": {"slack": {"message": "{{ name }}", "blocks": blocks}}}
    await published(hark, schema=None, locales=locales)
    data = {"name": '<!channel> & "me"'}
    _, content = await sent(hark, to={"slack": "#ops"}, data=data)
    assert content["slack"]["blocks"][0]["text"]["text"] == '&lt;!channel&gt; &amp; "me"'
    assert content["slack"]["message"] == data["name"]  # which the provider escapes, as any message


async def test_a_subject_stays_on_one_line(hark: Hark) -> None:
    await published(hark)
    problem(await post(hark, data=DATA | {"order": 1, "name": "x"}, content={"email": {"subject": "a\nb"}}), 422)
    locales = {"en": {"email": {"subject": "{{ name }}", "message": "x"}}}
    await published(hark, schema=None, locales=locales)
    problem(await post(hark, to={"email": TO["email"]}, data={"name": "a\r\nBcc: b"}), 422, "content.email.subject")


async def test_who_may(hark: Hark) -> None:
    await published(hark)
    async with (await hark.caller(scopes=frozenset({Scope.NOTIFICATIONS_SEND})))[1] as sender:
        body = {"to": TO, "template": {"name": "order-shipped"}, "data": DATA}
        assert (await sender.post("/v1/notifications", json=body)).status_code == 202
        for call in (sender.put(PATH, json=BODY), sender.get(PATH), sender.delete(PATH)):
            problem(await call, 403)
        problem(await sender.post(f"{PATH}/preview", json={}), 403)


async def test_publishing_at_once_loses_none(hark: Hark) -> None:

    bodies = [BODY | {"locales": {"en": {"sms": {"message": f"text {i}"}}}} for i in range(4)]
    answers = await asyncio.gather(*(hark.client.put(PATH, json=body) for body in bodies))
    assert sorted(answer.json()["version"] for answer in answers) == [1, 2, 3, 4]


async def test_a_recall_stops_what_has_not_gone(hark: Hark) -> None:
    await published(hark)
    sent_ids = [(await sent(hark, to={"sms": TO["sms"]}))[0]["id"] for _ in range(3)]
    await hark.set(sent_ids[0], "sms", DeliveryStatus.SENT)
    await published(hark, default_locale="de")
    other, _ = await sent(hark, to={"sms": TO["sms"]})
    dry = await hark.client.post(f"{PATH}/recall", json={"version": 1, "dry_run": True})
    would = declared(WouldStopJson, dry)
    assert would == {"cancelled": 2, "may_have_arrived": 0, "under_way": 0, "channels": {"sms": 2}, "estimated": False}
    assert (await hark.client.get("/v1/operations")).json()["items"] == []
    answer = await hark.client.post(f"{PATH}/recall", json={"version": 1}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 202
    operation = (await hark.client.get(answer.headers["location"])).json()
    assert (operation["kind"], operation["state"]) == ("recall", "done")
    assert (operation["total"], operation["counts"]) == (2, {"cancelled": 2})
    shown = [(await hark.client.get(f"/v1/notifications/{i}")).json()["status"] for i in (*sent_ids, other["id"])]
    assert shown == ["sent", "cancelled", "cancelled", "queued"]
    again = await hark.client.post(f"{PATH}/recall", json={"version": 1}, headers={"Idempotency-Key": "k"})
    assert again.json()["id"] == operation["id"]
    problem(await hark.client.post(f"{PATH}/recall", json={"version": 9}), 404)
    problem(await hark.client.post(f"{PATH}/recall", json={}), 422, "version")
    assert [o["id"] for o in (await hark.client.get("/v1/operations")).json()["items"]] == [operation["id"]]


async def test_publishing_says_what_is_scheduled_and_would_not_fit(hark: Hark) -> None:
    await published(hark)
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    with_price, _ = await sent(hark, send_at=later)
    without_name, _ = await sent(hark, send_at=later, to={"sms": TO["sms"]}, data={"order": 1, "price": 2})
    await sent(hark)  # goes now: of no interest

    same = await published(hark)
    assert same["scheduled"] == {"looked_at": 0, "more": False, "misfits": []}
    fits = await published(hark, schema=None)
    assert fits["scheduled"] == {"looked_at": 2, "more": False, "misfits": []}
    named = await published(hark, schema={"required": ["name"]})
    (misfit,) = named["scheduled"]["misfits"]
    assert (misfit["id"], misfit["errors"][0]["field"]) == (without_name["id"], "data")
    asks = await published(hark, locales={"en": {"sms": {"message": "{{ weight }} or {{ price }}"}}})
    found = {each["id"]: [error["field"] for error in each["errors"]] for each in asks["scheduled"]["misfits"]}
    assert found == {with_price["id"]: ["data.weight"], without_name["id"]: ["data.weight"]}
    assert (await published(hark, locales={"en": {"sms": {"message": "{{ weight }} or {{ price }}"}}})) == asks | {
        "scheduled": asks["scheduled"]
    }
    no_mail = await published(hark, locales={"en": {"sms": {"message": "x"}}})
    assert [(each["id"], each["errors"][0]["field"]) for each in no_mail["scheduled"]["misfits"]] == [
        (with_price["id"], "channels")
    ]
    too_long = await published(hark, locales={"en": {"sms": {"message": "x" * 2000}, "email": LOCALES["en"]["email"]}})
    assert {each["errors"][0]["field"] for each in too_long["scheduled"]["misfits"]} == {"content.sms.message"}

    await hark.client.post(f"/v1/notifications/{with_price['id']}/cancel")
    again = await published(hark, locales={"en": {"sms": {"message": "{{ weight }}"}}})
    assert [each["id"] for each in again["scheduled"]["misfits"]] == [without_name["id"]]
