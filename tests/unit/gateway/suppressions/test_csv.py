"""Suppressions as CSV: there, back, and what is no such CSV."""

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from functions.gateway.suppressions import csv_export, csv_import
from functions.gateway.suppressions.schemas import ImportedJson
from functions.gateway.web.request_bodies import BODY_LIMIT
from shared.delivery.model import SuppressionReason
from shared.people.suppression import Entry, Suppression, SuppressionClass
from shared.runtime import logs
from shared.sending.suppressing import change
from tests.fakes.api import Api
from tests.fakes.clock import START
from tests.integration.canaries import Output
from tests.integration.gateway import declared, problem

EXPORT = "/v1/suppressions.csv"
IMPORT = "/v1/suppressions/import"
HEADER = "channel,address_hash,reason,class,at,evidence,categories,except_for"
ADDRESS = "alice@example.com"
HASH = "0123456789abcdef" * 4


async def imported(client: httpx.AsyncClient, text: str) -> ImportedJson:
    answer = await client.post(IMPORT, content=text.encode(), headers={"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    said: ImportedJson = declared(ImportedJson, answer)
    return said


async def exported(client: httpx.AsyncClient, path: str = EXPORT) -> list[str]:
    """The text of each page."""
    pages = []
    while True:
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
        pages.append(answer.text)
        if "link" not in answer.headers:
            return pages
        assert answer.links["next"]["rel"] == "next"
        path = answer.links["next"]["url"]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def kept(api: Api) -> dict[str, Suppression]:
    return {known: replace(s, version=None) for known, s in api.people.suppressed.items()}


async def put(api: Api, channel: str, address: str, *entries: Entry) -> str:
    known = api.people.suppression_id(channel, address)
    await api.people.put_suppression(Suppression(known, channel, {entry.reason: entry for entry in entries}))
    return known


BOUNCED = Entry(SuppressionReason.HARD_BOUNCE, SuppressionClass.ALL, START, 'a "receipt", of =SUM(A1)')
LEFT = Entry(
    SuppressionReason.UNSUBSCRIBED,
    SuppressionClass.CATEGORY,
    START + timedelta(microseconds=1),
    "Seite für Abmeldungen",
    ("a.b", "news"),
)
BY_HAND = Entry(SuppressionReason.MANUAL, SuppressionClass.MARKETING, START, f"by caller {'c' * 16}: {'x' * 500}")


async def test_a_row_is_an_entry(api: Api, client: httpx.AsyncClient) -> None:
    known = await put(api, "email", ADDRESS, LEFT, BOUNCED)
    (page,) = await exported(client)
    assert page.splitlines()[0] == HEADER
    at = START.isoformat().replace("+00:00", "Z")
    first, second = rows(page)
    assert first == {
        "channel": "email",
        "address_hash": known,
        "reason": "hard_bounce",
        "class": "all",
        "at": at,
        "evidence": 'a "receipt", of =SUM(A1)',
        "categories": "",
        "except_for": "",
    }
    assert (second["reason"], second["class"], second["categories"]) == ("unsubscribed", "category", "a.b news")


async def test_of_none_there_is_the_header(client: httpx.AsyncClient) -> None:
    assert await exported(client) == [HEADER + "\r\n"]


async def test_there_and_back_it_is_the_same(api: Api, client: httpx.AsyncClient) -> None:
    for n in range(30):
        await put(api, "email", f"a{n}@example.com", *[BOUNCED, LEFT, BY_HAND][n % 3 :])
    await put(api, "sms", "+14155552671", LEFT, BY_HAND)
    before = kept(api)
    (page,) = await exported(client)
    api.people.suppressed.clear()
    assert await imported(client, page) == {"rows": len(rows(page)), "imported": len(rows(page)), "problems": []}
    assert kept(api) == before
    writes = api.people.calls["put_suppression"]
    await imported(client, page)
    assert api.people.calls["put_suppression"] == writes, "the same again changes nothing"
    assert await exported(client) == [page]


@pytest.mark.parametrize("channel", [None, "email"])
async def test_many_are_on_several_pages_an_address_on_one(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, channel: str | None
) -> None:
    monkeypatch.setattr(csv_export, "MOST_ROWS", 5)
    monkeypatch.setattr(csv_export, "_AT_ONCE", 2)
    for n in range(9):
        await put(api, "email", f"a{n}@example.com", BOUNCED, LEFT)
    await put(api, "sms", "+14155552671", BOUNCED)
    pages = await exported(client, EXPORT if channel is None else f"{EXPORT}?channel={channel}")
    found = [row["address_hash"] for page in pages for row in rows(page)]
    expected = [
        s.id for s in sorted(kept(api).values(), key=lambda s: s.key) if channel in {None, s.channel} for _ in s.entries
    ]
    assert found == expected
    assert all(len(rows(page)) <= 5 for page in pages)
    assert len({known for page in pages for known in {row["address_hash"] for row in rows(page)}}) == sum(
        len({row["address_hash"] for row in rows(page)}) for page in pages
    )


async def test_a_page_ends_by_its_size_and_by_its_time(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        await put(api, "email", f"a{n}@example.com", BY_HAND)
    with monkeypatch.context() as patched:
        patched.setattr(csv_export, "_MOST_CHARACTERS", 1_000)
        pages = await exported(client)
    assert [len(rows(page)) for page in pages] == [2, 2, 2]
    with monkeypatch.context() as patched:
        patched.setattr(csv_export, "_LONGEST", timedelta(-1))
        patched.setattr(csv_export, "_AT_ONCE", 4)
        pages = await exported(client)
    assert [len(rows(page)) for page in pages] == [4, 2]


async def test_what_cannot_be_read_is_left_out_and_keeps_none_back(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_export, "_AT_ONCE", 1)
    known = sorted([await put(api, "email", f"a{n}@example.com", BOUNCED) for n in range(4)])
    for spoilt in (known[0], known[2]):
        api.people.spoil(f"suppressions/email.{spoilt}")
    (page,) = await exported(client)
    assert [row["address_hash"] for row in rows(page)] == [known[1], known[3]]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"channel": "fax"}, "channel"),
        ({"limit": 5}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"address": "a"}, "address"),
    ],
)
async def test_a_bad_query_of_an_export_is_named(client: httpx.AsyncClient, params: Any, field: str) -> None:
    problem(await client.get(EXPORT, params=params), 422, field)


async def test_an_address_alone_is_enough(api: Api) -> None:
    caller, client = await api.caller()
    assert await imported(client, "address,channel\nAlice@EXAMPLE.com,email\n\n+1 415 555 2671,sms") == {
        "rows": 2,
        "imported": 2,
        "problems": [],
    }
    known = api.people.suppression_id("email", ADDRESS)
    assert set(kept(api)) == {known, api.people.suppression_id("sms", "+14155552671")}
    (entry,) = kept(api)[known].entries.values()
    assert (entry.reason, entry.class_, entry.categories) == ("manual", "marketing", ())
    assert entry.evidence == f"imported by caller {caller.id}"


async def test_each_cell_is_taken(api: Api, client: httpx.AsyncClient) -> None:
    text = (
        "channel,address,address_hash,reason,class,at,evidence,categories\r\n"
        f'email,{ADDRESS},,complaint,all,2026-01-02T03:04:05.678901+01:00,"a ""ticket"", 1",news a.b news\r\n'
        f"sms,,{HASH},stop,,,,\r\n"
    )
    assert (await imported(client, "\ufeff" + text))["imported"] == 2
    (complaint,) = kept(api)[api.people.suppression_id("email", ADDRESS)].entries.values()
    assert (complaint.reason, complaint.class_, complaint.evidence) == ("complaint", "all", 'a "ticket", 1')
    assert complaint.at.isoformat() == "2026-01-02T02:04:05.678901+00:00"
    assert complaint.categories == ("a.b", "news")
    (stop,) = kept(api)[HASH].entries.values()
    assert (kept(api)[HASH].channel, stop.reason, stop.class_) == ("sms", "stop", "marketing")


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        ("fax,1,,,,,,", ["channel"]),
        (",a@example.com,,,,,,", ["channel"]),
        ("email,nobody,,,,,,", ["address"]),
        (f"email,{'x' * 321},,,,,,", ["address"]),
        ("email,,,,,,,", ["address"]),
        (f"email,a@example.com,{HASH},,,,,", ["address"]),
        (f"email,,{HASH[1:]},,,,,", ["address_hash"]),
        (f"email,,{HASH.upper()},,,,,", ["address_hash"]),
        ("email,a@example.com,,boredom,urgent,,,", ["reason", "class"]),
        ("email,a@example.com,,,transactional,,,", ["class"]),
        ("email,a@example.com,,,category,,,", ["categories"]),
        ("email,a@example.com,,,,2026-01-01,,", ["at"]),
        ("email,a@example.com,,,,2026-01-01T00:00:00,,", ["at"]),
        ("email,a@example.com,,,,2126-01-01T00:00:00Z,,", ["at"]),
        ("email,a@example.com,,,,0001-01-01T00:00:00+01:00,,", ["at"]),
        ("email,a@example.com,,,,,\x1b[2J,", ["evidence"]),
        ('email,a@example.com,,,,,"a\nb",', ["evidence"]),
        (f"email,a@example.com,,,,,{'x' * 601},", ["evidence"]),
        ("email,a@example.com,,,,,,-a", ["categories"]),
        (f"email,a@example.com,,,,,,{' '.join(f'c{n}' for n in range(101))}", ["categories"]),
        ("email,a@example.com", ["row"]),
        ("email,a@example.com,,,,,,,", ["row"]),
    ],
)
async def test_a_bad_row_is_named_and_keeps_no_other_back(
    api: Api, client: httpx.AsyncClient, row: str, fields: list[str]
) -> None:
    good = f"email,{ADDRESS},,,,,,"
    header = "channel,address,address_hash,reason,class,at,evidence,categories"
    said = await imported(client, "\r\n".join([header, good, row, good]))
    assert (said["rows"], said["imported"]) == (3, 2)
    assert [(p["row"], p["field"]) for p in said["problems"]] == [(2, field) for field in fields]
    assert not any("a@example.com" in p["detail"] for p in said["problems"])
    assert set(kept(api)) == {api.people.suppression_id("email", ADDRESS)}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", ["channel", "address"]),
        (b"\r\n\r\n", ["channel", "address"]),
        (b"channel\r\nemail", ["address"]),
        (b"address\r\na@example.com", ["channel"]),
        (b"channel;address\r\nemail;a@example.com", ["channel;address", "channel", "address"]),
        (b"channel,address,mood\r\nemail,a@example.com,bad", ["mood"]),
        (b"channel,address,address\r\nemail,a@example.com,a@example.com", ["address"]),
        (b'channel,address\r\nemail,"a@example.com', ["body"]),
        (b'channel,address\r\nemail,"a"@example.com', ["body"]),
        (b"channel,address\r\nemail,\xff@example.com", ["body"]),
        (b"channel,address\r\n" + b"email,a@example.com\r\n" * 2001, ["body"]),
        (b'{"channel": "email"}', ['{"channel": "email"}', "channel", "address"]),
    ],
)
async def test_what_is_no_such_csv_is_refused_whole(
    api: Api, client: httpx.AsyncClient, body: bytes, fields: list[str]
) -> None:
    problem(await client.post(IMPORT, content=body), 422, *fields)
    assert not api.people.calls


async def test_a_file_is_at_most_256_kib_and_not_compressed(api: Api, client: httpx.AsyncClient) -> None:
    problem(await client.post(IMPORT, content=b"x" * (BODY_LIMIT + 1)), 413)
    problem(await client.post(IMPORT, content=b"x", headers={"Content-Encoding": "gzip"}), 415)
    assert not api.people.calls


async def test_the_longest_cell_is_one_rows_fault_and_keeps_no_other_back(api: Api, client: httpx.AsyncClient) -> None:
    said = await imported(client, f"channel,address\nemail,{'x' * 200_000}\nemail,{ADDRESS}\n")
    assert (said["rows"], said["imported"], said["problems"][0]["row"]) == (2, 1, 1)


async def test_the_same_file_again_takes_no_choice_back(api: Api, client: httpx.AsyncClient) -> None:
    text = f"channel,address,reason,at\nemail,{ADDRESS},unsubscribed,\n"
    dated = text.replace("unsubscribed,", "unsubscribed,2026-01-01T00:00:00Z")
    for file in (text, dated):
        await imported(client, file)
        id_ = api.people.suppression_id("email", ADDRESS)
        await change(api.people, "email", id_, lambda there: there.choosing("offers"))
        before = kept(api)
        await imported(client, file)
        assert kept(api) == before


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t"])
async def test_no_evidence_is_a_formula_to_a_spreadsheet(api: Api, client: httpx.AsyncClient, first: str) -> None:
    evidence = f"{first}HYPERLINK(1)".strip()
    await imported(client, f'channel,address,evidence\nemail,{ADDRESS},"{evidence}"\n')
    (page,) = await exported(client)
    (row,) = list(csv.DictReader(io.StringIO(page)))
    assert row["evidence"] == (f"'{evidence}" if evidence[0] in "=+-@" else evidence)
    before = kept(api)
    api.people.suppressed.clear()
    await imported(client, page)
    assert [e.evidence for s in kept(api).values() for e in s.entries.values()] == [
        e.evidence for s in before.values() for e in s.entries.values()
    ]


async def test_the_headers_case_and_blanks_count_for_nothing(client: httpx.AsyncClient) -> None:
    assert (await imported(client, f"Channel, Address\nemail,{ADDRESS}\n"))["imported"] == 1


async def test_the_most_rows_are_taken(api: Api, client: httpx.AsyncClient) -> None:
    text = "channel,address\n" + "".join(f"email,a{n}@example.com\n" for n in range(csv_import.MOST_ROWS))
    assert await imported(client, text) == {"rows": 2000, "imported": 2000, "problems": []}
    assert len(kept(api)) == 2000


async def test_few_addresses_are_written_at_once_and_those_of_one_in_one_write(
    api: Api, client: httpx.AsyncClient
) -> None:
    write, under_way, most = api.people.put_suppression, [0], [0]

    async def counting(suppression: Suppression) -> None:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        await write(suppression)
        under_way[0] -= 1

    api.people.put_suppression = counting  # type: ignore[method-assign]
    text = "channel,address,reason,class\n"
    for reason in ("manual,marketing", "stop,", "manual,all"):
        text += "".join(f"email,a{n}@example.com,{reason}\n" for n in range(100))
    assert (await imported(client, text))["imported"] == 300
    assert api.people.calls["put_suppression"] == 100
    assert 1 < most[0] <= 20
    classes = {(e.reason, e.class_) for s in kept(api).values() for e in s.entries.values()}
    assert classes == {("manual", "all"), ("stop", "marketing")}


async def test_a_caller_limited_to_channels_imports_those_alone(api: Api) -> None:
    client = await api.client(channels=frozenset({"sms"}))
    said = await imported(client, f"channel,address\nemail,{ADDRESS}\nsms,+14155552671\n")
    assert [(p["row"], p["field"]) for p in said["problems"]] == [(1, "channel")]
    assert set(kept(api)) == {api.people.suppression_id("sms", "+14155552671")}


async def test_a_hash_is_of_its_channel_alone(api: Api, client: httpx.AsyncClient) -> None:
    known = await put(api, "email", ADDRESS, BOUNCED)
    before = kept(api)[known]
    said = await imported(client, f"channel,address_hash,reason\nsms,{known},stop\n")
    assert said["problems"] == []
    there = await api.people.suppression("email", known)
    assert there is not None
    assert there.entries == before.entries


async def test_a_record_that_cannot_be_read_keeps_no_other_back(api: Api, client: httpx.AsyncClient) -> None:
    known = await put(api, "email", ADDRESS, BOUNCED)
    api.people.spoil(f"suppressions/email.{known}")
    said = await imported(client, f"channel,address\nemail,{ADDRESS}\nemail,b@example.com\n")
    assert (said["imported"], [(p["row"], p["field"]) for p in said["problems"]]) == (1, [(1, "address")])


@pytest.mark.parametrize("landed", [False, True])
async def test_an_import_that_breaks_off_is_a_503_and_can_be_sent_again(
    api: Api, client: httpx.AsyncClient, landed: bool
) -> None:
    text = "channel,address\n" + "".join(f"email,a{n}@example.com\n" for n in range(50))
    api.people.fail("put_suppression", 30, landed=landed)
    problem(await client.post(IMPORT, content=text), 503)
    assert 0 < len(kept(api)) < 50
    before = kept(api)
    assert await imported(client, text) == {"rows": 50, "imported": 50, "problems": []}
    assert len(kept(api)) == 50
    assert before.items() <= kept(api).items()


async def test_who_imported_what_is_logged_by_hash(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    caller, client = await api.caller()
    await imported(client, f"channel,address\nemail,{ADDRESS}\nfax,1\n")
    written, whole = Output(capsys).lines(ADDRESS)
    assert (written["message"], written["by"]) == ("suppression written", caller.id)
    assert written["address_hash"] == api.people.suppression_id("email", ADDRESS)
    assert (whole["message"], whole["by"], whole["rows"], whole["imported"]) == (
        *("suppressions imported", caller.id),
        *(2, 1),
    )
