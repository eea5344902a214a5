"""Who may write which recipients, and what stays of who did."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from functions.gateway.access.caller import Caller, CallerKind, Scope
from functions.gateway.recipients import changes
from functions.gateway.web.problem_details import Problem
from shared.delivery.model import Recipient
from shared.runtime import logs
from tests.fakes.api import Api
from tests.fakes.clock import START
from tests.fakes.store import MemoryStore
from tests.integration.canaries import Output
from tests.integration.gateway import problem

ALICE = "/v1/recipients/alice"
WRITE = frozenset({Scope.RECIPIENTS_WRITE})
EMAIL = {"email": "a@example.com"}
SMS = {"sms": "+14155552671"}
OTHER_SMS = {"sms": "+14155552672"}

SMS_ONLY: Mapping[str, Any] = {"channels": frozenset({"sms"})}
TEAM: Mapping[str, Any] = {"kind": CallerKind.TEAM, "addresses": {"sms": tuple(SMS.values())}}


def wanted(addresses: Mapping[str, str], caller: Caller) -> Recipient:
    return Recipient("alice", addresses, created_at=START, updated_at=START, updated_by=caller.id)


async def put_by_all_mighty(api: Api, addresses: Mapping[str, str]) -> Recipient:
    client = await api.client()
    assert (await client.put(ALICE, json={"addresses": addresses})).status_code == 201
    return await stored(api)


async def stored(api: Api, name: str = "alice") -> Recipient:
    recipient = await api.store.recipient(name)
    assert recipient is not None
    return recipient


@pytest.mark.parametrize("limits", [SMS_ONLY, TEAM])
async def test_what_a_caller_may_send_to_it_may_write(api: Api, limits: Mapping[str, Any]) -> None:
    caller, client = await api.caller(scopes=WRITE, **limits)
    for status in (201, 200):
        put = await client.put(ALICE, json={"addresses": {"sms": "+1 415 555 2671"}})
        assert (put.status_code, put.json()["addresses"], put.json()["updated_by"]) == (status, SMS, caller.id)
    assert put.json()["created_at"] < put.json()["updated_at"]
    assert (await client.delete(ALICE)).status_code == 204
    problem(await client.delete(ALICE), 404)


@pytest.mark.parametrize("old", [None, EMAIL, SMS, SMS | EMAIL])
@pytest.mark.parametrize(
    ("limits", "new"),
    [
        (SMS_ONLY, EMAIL),
        (SMS_ONLY, SMS | EMAIL),
        (TEAM, EMAIL),
        (TEAM, OTHER_SMS),
        (TEAM, SMS | EMAIL),
    ],
)
async def test_what_a_caller_may_not_send_to_it_can_neither_add_nor_replace(
    api: Api, limits: Mapping[str, Any], new: Mapping[str, str], old: Mapping[str, str] | None
) -> None:
    before = None if old is None else await put_by_all_mighty(api, old)
    client = await api.client(scopes=WRITE, **limits)
    api.store.calls.clear()
    refused = await client.put(ALICE, json={"addresses": new})
    problem(refused, 403)
    assert not any(address in refused.text for address in [*(old or {}).values(), *new.values()])
    assert api.store.calls.total() == 0, "nor does the answer depend on what there is"
    assert await api.store.recipient("alice") == before


@pytest.mark.parametrize(
    ("limits", "old"),
    [(SMS_ONLY, EMAIL), (SMS_ONLY, SMS | EMAIL), (TEAM, EMAIL), (TEAM, OTHER_SMS), (TEAM, SMS | {"fax": "1"})],
)
async def test_what_a_caller_may_not_send_to_it_can_neither_drop_nor_delete(
    api: Api, limits: Mapping[str, Any], old: Mapping[str, str]
) -> None:
    await api.store.create_recipient(Recipient("alice", old, START, START))  # one channel may have gone since
    before = await stored(api)
    client = await api.client(scopes=WRITE, **limits)
    for refused in (await client.put(ALICE, json={"addresses": SMS}), await client.delete(ALICE)):
        problem(refused, 403)
        assert not any(address in refused.text for address in old.values())
    assert await stored(api) == before


class Overtaken(MemoryStore):
    """Once, another writes between a read of a recipient and what follows it."""

    def __init__(self, *others: Recipient | None) -> None:
        super().__init__()
        self.others = list(others)

    async def recipient(self, name: str) -> Recipient | None:
        found = await super().recipient(name)
        if self.others:
            other = self.others.pop(0)
            if other is None:
                await self.delete_recipient(name)
            elif found is None:
                await self.create_recipient(other)
            else:
                await self.replace_recipient(other)
        return found


OF_ALICE = Recipient("alice", SMS, START, START)
OF_ANOTHER = replace(OF_ALICE, addresses=SMS | EMAIL)
LIMITED = Caller("c" * 16, CallerKind.LIVE, WRITE, **SMS_ONLY)
UNLIMITED = Caller("d" * 16, CallerKind.LIVE, WRITE)


@pytest.mark.parametrize("there", [True, False])
async def test_a_change_that_comes_between_is_judged_too(there: bool) -> None:
    store = Overtaken(OF_ANOTHER)
    if there:
        await store.create_recipient(OF_ALICE)
    with pytest.raises(Problem) as refused:
        await changes.put(store, wanted(SMS, LIMITED), LIMITED)
    assert refused.value.status == 403
    assert dict((await store.recipient("alice") or OF_ALICE).addresses) == SMS | EMAIL
    store.others = [OF_ALICE]
    await store.replace_recipient(OF_ALICE)
    store.others = [OF_ANOTHER]
    with pytest.raises(Problem) as refused:
        await changes.delete(store, "alice", LIMITED)
    assert refused.value.status == 403
    assert await store.recipient("alice") is not None


async def test_a_limited_caller_writes_again_what_another_has_overtaken() -> None:
    store = Overtaken(replace(OF_ALICE, addresses=OTHER_SMS), OF_ALICE, None)
    written, new = await changes.put(store, wanted(SMS, LIMITED), LIMITED)
    assert (dict(written.addresses), new) == (SMS, True), "created by another, changed, deleted, and created by us"


async def test_when_others_are_always_faster_it_is_a_503() -> None:
    store = Overtaken(*[OF_ALICE] * 20)
    for call in (changes.put(store, wanted(SMS, LIMITED), LIMITED), changes.delete(store, "alice", LIMITED)):
        with pytest.raises(Problem) as problem:
            await call
        assert problem.value.status == 503
        assert problem.value.headers == {"Retry-After": "1"}


async def test_without_limits_the_last_to_write_wins() -> None:
    store = Overtaken(*[OF_ALICE] * 6)
    await store.create_recipient(OF_ALICE)
    written, new = await changes.put(store, wanted(EMAIL, UNLIMITED), UNLIMITED)
    assert (dict(written.addresses), new) == (EMAIL, False)
    await changes.delete(store, "alice", UNLIMITED)
    store.others = []
    assert await store.recipient("alice") is None


async def test_who_changed_what_is_on_record_and_logged(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    first, one = await api.caller(scopes=WRITE)
    second, other = await api.caller(scopes=WRITE)
    for caller, client, created in ((first, one, True), (second, other, False)):
        await client.put(ALICE, json={"addresses": EMAIL})
        assert (await stored(api)).updated_by == caller.id
        (line,) = Output(capsys).lines(*EMAIL.values())
        assert (line["message"], line["by"], line["channels"], line["created"]) == (
            "recipient written",
            caller.id,
            ["email"],
            created,
        )
        assert line["recipient"] == hashlib.sha256(b"alice").hexdigest()[:16]
    await one.delete(ALICE)
    (line,) = Output(capsys).lines(*EMAIL.values())
    assert (line["message"], line["by"]) == ("recipient deleted", first.id)


async def test_who_changed_it_is_shown_to_those_who_may_see_that_caller(api: Api) -> None:
    writer, client = await api.caller(scopes=WRITE | {Scope.RECIPIENTS_READ})
    await client.put(ALICE, json={"addresses": EMAIL})
    read = frozenset({Scope.RECIPIENTS_READ})
    manage = read | {Scope.CALLERS_MANAGE}
    readers = (
        (client, True),
        (await api.client(), True),
        (await api.client(scopes=manage | WRITE), True),
        (await api.client(scopes=manage), False),
        (await api.client(scopes=manage | WRITE, requests_per_minute=10), False),
        (await api.client(scopes=read | WRITE), False),
    )
    for n, (reader, seen) in enumerate(readers):
        expected = writer.id if seen else None
        assert (await reader.get(ALICE)).json()["updated_by"] == expected, n
        assert [r["updated_by"] for r in (await reader.get("/v1/recipients")).json()["items"]] == [expected], n


async def test_a_recipient_of_before_has_nobody_on_record(api: Api) -> None:
    await api.store.create_recipient(OF_ALICE)
    assert (await (await api.client()).get(ALICE)).json()["updated_by"] is None


async def test_only_a_manager_pays_for_who_changed_it(api: Api) -> None:
    await put_by_all_mighty(api, EMAIL)
    client = await api.client(scopes=frozenset({Scope.RECIPIENTS_READ}))
    await client.get(ALICE)
    reads = api.callers.reads
    for _ in range(3):
        await client.get(ALICE)
    assert api.callers.reads == reads
