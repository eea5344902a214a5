"""An example of each operation for /openapi.json: what is asked, and what is answered when it goes well.

tests/integration/test_examples.py sends each of them and compares the answers. Ids and times are made up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.gateway.channels.schemas import channel_json
from functions.gateway.delivery_statistics.counting import STEPS
from shared.channels.content import takes
from shared.channels.declaration import Channel
from shared.delivery.model import DeliveryStatus
from shared.sending.channel_states import ChannelState

_AT = "2026-11-25T09:00:00Z"
_ID = "6ba95bd8-6a68-49cb-a4fb-9d8f2ac7c1b4"
_CALLER_ID, _KEY_ID = "0123456789abcdef", "01234567"
_HASH = "3f2a9c5e71d04b86" * 4  # pragma: allowlist secret
_KEY = "hark_live_0123456789abcdef_…"
_MESSAGE = "Build 42 is live"
_TEXTS = {"subject": "Deploy", "message": _MESSAGE, "tags": {"team": "infra"}}


@dataclass(frozen=True, slots=True)
class Example:
    """path: parameters of the path; body: of the request; answer: None where it has no body"""

    status: int
    answer: Any = None
    path: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


def examples(channels: Mapping[str, Channel], addresses: Mapping[str, str]) -> Mapping[str, Example]:
    """By operation. addresses: one for each channel that is to be in them; those about one delivery have the first."""
    to = {name: addresses[name] for name in channels if name in addresses}
    if not to:
        return {}
    return {
        **_of_notifications(channels, to),
        **_of_recipients(to),
        **_of_categories(),
        **_of_suppressions(channels, to),
        **_of_lists(),
        **_of_templates(channels[next(iter(to))]),
        **_of_callers(next(iter(to))),
        **_of_channels(channels, next(iter(to))),
        **_of_endpoints(),
        "list_audit_entries": Example(200, {"items": [_audit_entry(next(iter(to)))], "next_cursor": None}),
        "show_system": Example(200, _system(next(iter(to)))),
        "read_statistics": Example(200, _statistics(channels)),
        "healthz": Example(200, "ok"),
    }


def _of_endpoints() -> Mapping[str, Example]:
    name, event = {"name": "billing"}, "evt_5f0c1d2e3b4a59687786958493a2b1c0"
    asked = {"url": "https://billing.example.com/hark", "events": ["delivery.delivered", "delivery.dead"]}
    state = {"state": "active", "reason": None, "disabled_at": None, "secret": None}
    endpoint = {**name, **asked, **state, "created_at": _AT, "updated_at": _AT}
    about = {
        "endpoint": "billing",
        "id": _CALLER_ID,
        "from": "2026-11-24T00:00:00+00:00",
        "to": "2026-11-25T00:00:00+00:00",
    }
    ended = {"status": "sent", "attempts": 1, "error": None, "next_try_at": None}
    delivery = {"id": _ID, "event": event, **ended, "created_at": _AT, "updated_at": _AT}
    again = {"id": _ID, "kind": "events_again", "state": "running", "about": about, "total": 0, "counts": {}}
    return {
        "put_endpoint": Example(201, {**endpoint, "secret": "whsec_…"}, name, asked),
        "list_endpoints": Example(200, {"items": [endpoint], "next_cursor": None}),
        "read_endpoint": Example(200, endpoint, name),
        "delete_endpoint": Example(204, path=name),
        "rotate_secret": Example(200, {**endpoint, "secret": "whsec_…"}, name, {"old_secret_seconds": 3600}),
        "test_endpoint": Example(202, {"id": _ID, "event": event}, name),
        "list_event_deliveries": Example(200, {"items": [delivery], "next_cursor": None}, name),
        "replay_events": Example(
            202,
            {**again, "error": None, "created_at": _AT, "updated_at": _AT},
            name,
            {"from": "2026-11-24T00:00:00Z", "to": "2026-11-25T00:00:00Z"},
        ),
    }


def _statistics(channels: Mapping[str, Channel]) -> Mapping[str, Any]:
    begin = datetime(2026, 11, 25, 8, tzinfo=UTC)
    steps = [(begin + n * timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in range(STEPS)]
    none = [0] * STEPS
    channel = {
        "by_status": dict.fromkeys(DeliveryStatus, 0),
        "steps": {"sent": none, "failed": none},
        **{"pending": 0, "oldest_pending_at": None, "dead": 0},
    }
    return {
        **{"from": steps[0], "to": _AT, "step_seconds": 300, "steps": steps, "accepted": none},
        "channels": [{"channel": name, **channel} for name in channels],
        **{"providers": [], "failures_read": 0, "estimated": False},
    }


def _audit_entry(channel: str) -> Mapping[str, Any]:
    place = {"chain": "20261125T090000-5e0c4a17", "number": 1, "at": "2026-11-25T09:00:00.000000Z", "follows": []}
    act = {"actor": _CALLER_ID, "action": "resume_channel", "result": "done", "status": 200, "made": None}
    origin = {"network": "203.0.113.0/24", "left_out": 0, "lost": 0}
    return {**place, **act, "record": f"channels/{channel}", **origin, "previous": "", "hash": _HASH}


def _system(first: str) -> Mapping[str, Any]:
    problem = {"name": "PUBLIC_URL", "state": "suspicious", "effect": "not https: whoever is on the way can read it"}
    channel = {"name": first, "providers": ["log"], "receipts": [], "settings": [problem]}
    ran = {"now": "2026-11-25T09:00:40Z", "relay_ran_at": _AT}
    return {**ran, "revision": "gateway-00042-abc", "epoch": None, "held": None, "channels": [channel]}


def _of_channels(channels: Mapping[str, Channel], first: str) -> Mapping[str, Example]:
    path, reason = {"name": first}, "their outage, ticket 1042"
    channel: Mapping[str, Any] = {**channel_json(channels[first], ChannelState(first)), "since": _AT, "by": _CALLER_ID}
    return {
        "list_channels": Example(
            200, {"items": [channel_json(channel, ChannelState(name)) for name, channel in channels.items()]}
        ),
        "pause_channel": Example(200, {**channel, "state": "paused", "reason": reason}, path, {"reason": reason}),
        "resume_channel": Example(200, channel, path),
    }


def _of_notifications(channels: Mapping[str, Channel], to: Mapping[str, str]) -> Mapping[str, Example]:
    first = next(iter(to))
    attempt = {
        **{"number": 1, "at": _AT, "duration_ms": 120, "reason": None},
        **{"provider": next(iter(channels[first].providers), None), "asked": None, "probe": False},
    }
    sent = {
        "status": "sent",
        "provider": next(iter(channels[first].providers), None),
        "provider_message_id": "14c5d75ce93",
        "attempts": [{**attempt, "outcome": "accepted", "error": None}],
    }
    retryable = {**attempt, "outcome": "retryable", "error": "503", "duration_ms": 12}
    queued = _notification("queued", [_delivery(channels[name], address) for name, address in to.items()])
    accepted = _notification("sent", [{**_delivery(channels[first], to[first]), **sent}])
    replayed = _notification("queued", [{**_delivery(channels[first], to[first]), "attempts": [retryable]}])
    no_key = {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "some fields are not valid",
        "errors": [{"field": "key", "message": "must be 1 to 255 visible ASCII characters"}],
    }
    dead = {"notification_id": _ID, "channel": first, "error": "attempts used up", "attempts": 1, "dead_at": _AT}
    of_notification = {"notification_id": _ID}
    of_delivery = {**of_notification, "channel": first}
    return {
        "send_notification": Example(202, queued, body={"to": to, **_TEXTS}),
        "send_batch": Example(
            200,
            {"items": [{"index": 0, "status": 202, "id": _ID}, {"index": 1, "status": 422, "problem": no_key}]},
            body={"items": [{"key": "deploy-42", "to": to, **_TEXTS}, {"to": to, **_TEXTS}]},
        ),
        "broadcast_to_list": Example(
            200, _plan(channels, to), body={"list": "newsletter", **_TEXTS, "per_second": 50, "dry_run": True}
        ),
        "list_notifications": Example(200, {"items": [accepted], "next_cursor": None}),
        "read_notification": Example(200, accepted, of_notification),
        "cancel_notification": Example(
            200, {**accepted, "verdicts": [{"channel": first, "verdict": "too_late"}]}, of_notification
        ),
        "explain_request": Example(
            200,
            {"outcome": "accepted", "problem": None, "events": _forecast(channels, to)},
            body={"to": to, **_TEXTS},
        ),
        "explain_notification": Example(
            200, {"id": _ID, "status": "sent", "events": _history(channels[first]), "next": []}, of_notification
        ),
        "list_dead_letters": Example(200, {"items": [dead], "next_cursor": None}),
        "replay": Example(202, replayed, of_delivery),
        "replay_by_plan": Example(
            200, _replay_plan(first), body={"filter": {"channel": first, "error": "503"}, "dry_run": True}
        ),
        "discard": Example(204, path=of_delivery),
        "list_duplicates": Example(200, {"items": [_duplicate(first, attempt)], "next_cursor": None}),
    }


def _replay_plan(channel: str) -> Mapping[str, Any]:
    return {
        "plan": _ID,
        "count": 1,
        "estimated": False,
        "by_reason": {"attempts used up; the last one: 503": 1},
        "by_age": {"less than an hour": 1},
        "channels": {channel: {"deliveries": 1}},
        "may_have_arrived": 0,
        "refused": {},
        "per_second": 100,
        "seconds": 1,
        "planned_at": _AT,
        "good_until": _AT,
    }


def _duplicate(channel: str, attempt: Mapping[str, Any]) -> Mapping[str, Any]:
    lost = {**attempt, "outcome": "unknown", "error": "no answer within 30.0 s", "asked": "cannot_tell"}
    accepted = {**attempt, "number": 2, "outcome": "accepted", "error": None}
    pair = {"reason": "unknown_outcome", "channel": channel, "attempts": [lost, accepted]}
    return {"notification_id": _ID, "channel": channel, "status": "sent", "at": _AT, "pairs": [pair]}


def _notification(status: str, deliveries: list[dict[str, Any]]) -> dict[str, Any]:
    of_none = (
        "recipient",
        "category",
        "template",
        "send_at",
        "deliver_by",
        "collapse_key",
        "ordering_key",
        "escalation",
    )
    plain = dict.fromkeys(of_none)
    return {"id": _ID, "status": status, **plain, **_TEXTS, "created_at": _AT, "deliveries": deliveries}


def _forecast(channels: Mapping[str, Channel], to: Mapping[str, str]) -> list[dict[str, Any]]:
    events = [{"at": _AT, "channel": None, "code": "accepted", "text": f"It was accepted for {', '.join(to)}."}]
    for name in to:
        events.append({"at": _AT, "channel": name, "code": "queued", "text": "It would be sent at once."})
        counted = channels[name].segments
        if counted is not None:
            text = f"It is {counted(_MESSAGE).count} segment in {counted(_MESSAGE).encoding}."
            events.append({"at": None, "channel": name, "code": "segments", "text": text})
    return events


def _history(channel: Channel) -> list[dict[str, Any]]:
    by = next(iter(channel.providers), None)
    return [
        {"at": _AT, "channel": None, "code": "accepted", "text": f"It was accepted for {channel.name}."},
        {"at": _AT, "channel": channel.name, "code": "accepted", "text": f"Attempt 1 by {by} was accepted."},
        {"at": _AT, "channel": channel.name, "code": "sent", "text": "The provider has it."},
    ]


def _delivery(channel: Channel, address: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "channel": channel.name,
        "address": address,
        "status": "queued",
        "content": {part: text for part, text in _TEXTS.items() if part != "tags" and takes(channel, part)},
        "provider": None,
        "provider_message_id": None,
        "error": None,
        "reason": None,
        "next_try_at": None,
        "judged_by": None,
        "updated_at": _AT,
        "attempts": [],
    }
    if channel.segments is not None:
        counted = channel.segments(_MESSAGE)
        made |= {"segments": counted.count, "encoding": counted.encoding}
    return made


def _plan(channels: Mapping[str, Channel], to: Mapping[str, str]) -> dict[str, Any]:
    """Of a broadcast to one person."""
    each: dict[str, Any] = {name: {"deliveries": 1, "suppressed": 0, "held": 0} for name in to}
    segments = 0
    for name, numbers in each.items():
        counted = channels[name].segments
        if counted is not None:
            count = counted(_MESSAGE).count
            numbers |= {"segments": count, "price": 0.0, "without_price": count}
            segments += count
    contents = {name: _delivery(channels[name], address)["content"] for name, address in to.items()}
    return {
        **{"plan": _ID, "list": "newsletter", "recipients": 1, "counted": 1, "estimated": False, "channels": each},
        **{"suppressed": 0, "segments": segments, "refused": {}},
        **{"sample": [{"recipient": "alice", "content": contents}], "per_second": 50, "seconds": 1},
        **{"planned_at": _AT, "good_until": _AT},
    }


def _of_recipients(to: Mapping[str, str]) -> Mapping[str, Example]:
    changed = {"created_at": _AT, "updated_at": _AT, "updated_by": _CALLER_ID}
    about = {
        "locale": "de-AT",
        "time_zone": "Europe/Vienna",
        "attributes": {"tier": "gold"},
        "quiet_hours": [{"days": ["sat", "sun"], "from": "22:00", "to": "09:00"}],
        "preferences": {"news": {next(iter(to)): False}},
    }
    recipient = {"name": "alice", "addresses": to, **about, **changed}
    path = {"name": "alice"}
    return {
        "put_recipient": Example(201, recipient, path, {"addresses": to, **about}),
        "list_recipients": Example(200, {"items": [recipient], "next_cursor": None}),
        "read_recipient": Example(200, recipient, path),
        "delete_recipient": Example(204, path=path),
        "erase_recipient": Example(202, _erasure(), path),
    }


def _of_categories() -> Mapping[str, Example]:
    body = {"class": "marketing", "description": "What is new in the shop", "max_per_day": 2}
    category = {"name": "news", **body, "created_at": _AT, "updated_at": _AT}
    path = {"name": "news"}
    return {
        "put_category": Example(201, category, path, body),
        "list_categories": Example(200, {"items": [category], "next_cursor": None}),
        "read_category": Example(200, category, path),
        "delete_category": Example(204, path=path),
    }


def _of_suppressions(channels: Mapping[str, Channel], to: Mapping[str, str]) -> Mapping[str, Example]:
    channel, address = next(iter(to.items()))
    path = {"channel": channel, "address": address}
    about = {"reason": "complaint", "class": "marketing", "at": _AT}
    body = {"reason": "complaint", "evidence": "ticket 1042"}
    evidence = f"by caller {_CALLER_ID}: ticket 1042"
    entry: dict[str, Any] = {"channel": channel, "address_hash": _HASH, **about, "evidence": evidence}
    entry |= {"categories": [], "except_for": []}
    suppression = {**entry, "others": []}
    header = "channel,address_hash,reason,class,at,evidence,categories,except_for"
    row = f"{channel},{_HASH},complaint,marketing,{_AT},{evidence},,"
    unknown = f"row,{address},manual"
    problem = {"row": 2, "field": "channel", "detail": f"there is no such channel; there are {', '.join(channels)}"}
    return {
        "list_suppressions": Example(200, {"items": [suppression], "next_cursor": None}),
        "read_suppression": Example(200, suppression, path),
        "put_suppression": Example(201, suppression, path, body),
        "delete_suppression": Example(204, path=path),
        "export_suppressions": Example(200, f"{header}\r\n{row}\r\n"),
        "import_suppressions": Example(
            200,
            {"rows": 2, "imported": 1, "problems": [problem]},
            body=f"channel,address,reason\r\n{channel},{address},complaint\r\n{unknown}\r\n",
        ),
    }


def _of_lists() -> Mapping[str, Example]:
    path, about = {"name": "newsletter"}, {"description": "Once a month"}
    made = {**path, **about, "created_at": _AT, "updated_at": _AT}
    member = {"recipient": "alice", "added_at": _AT}
    nobody = {"field": "recipients.1", "message": "no recipient has this name"}
    return {
        "put_list": Example(201, made, path, about),
        "list_lists": Example(200, {"items": [made], "next_cursor": None}),
        "read_list": Example(200, made, path),
        "delete_list": Example(204, path=path),
        "list_members": Example(200, {"items": [member], "next_cursor": None}, path),
        "add_members": Example(200, {"added": 1, "problems": [nobody]}, path, {"recipients": ["alice", "nobody"]}),
        "put_member": Example(204, path={**path, "recipient": "alice"}),
        "delete_member": Example(204, path={**path, "recipient": "alice"}),
    }


def _of_templates(channel: Channel) -> Mapping[str, Example]:
    schema = {"type": "object", "required": ["order"], "properties": {"order": {"type": "integer"}}}
    locales = {
        "en": {channel.name: {"message": "Order {{ order }} is on its way"}},
        "de": {channel.name: {"message": "Bestellung {{ order }} ist unterwegs"}},
    }
    body = {"schema": schema, "default_locale": "en", "locales": locales}
    published = {"name": "order-shipped", "version": 1, **body, "created_at": _AT, "archived_at": None}
    listed = {"name": "order-shipped", "version": 1, "created_at": _AT, "updated_at": _AT, "archived_at": None}
    path = {"name": "order-shipped"}
    preview = {
        "name": "order-shipped",
        "version": 1,
        "locale": "de",
        "content": {channel.name: _counted(channel, "Bestellung 42 ist unterwegs")},
        "missing": [],
    }
    none_scheduled = {"looked_at": 0, "more": False, "misfits": []}
    return {
        "publish_template": Example(201, published | {"scheduled": none_scheduled}, path, body),
        "list_templates": Example(200, {"items": [listed], "next_cursor": None}),
        "read_template": Example(200, published, path),
        "read_template_version": Example(200, published, {**path, "version": "1"}),
        "archive_template": Example(204, path=path),
        "recall_template": Example(202, _operation("done"), path, {"version": 1}),
        "list_operations": Example(200, {"items": [_operation("done")], "next_cursor": None}),
        "read_operation": Example(200, _operation("done"), {"operation_id": _ID}),
        "pause_operation": Example(200, _operation("paused"), {"operation_id": _ID}),
        "resume_operation": Example(200, _operation("running"), {"operation_id": _ID}),
        "cancel_operation": Example(200, _operation("cancelled"), {"operation_id": _ID}),
        "preview_template": Example(200, preview, path, {"data": {"order": 42}, "locale": "de-AT"}),
    }


def _operation(state: str) -> dict[str, Any]:
    about = {"template": "order-shipped/1"}
    so_far = {"id": _ID, "kind": "recall", "state": state, **about, "about": about, "total": 0, "counts": {}}
    return {**so_far, "error": None, "created_at": _AT, "updated_at": _AT}


def _erasure() -> dict[str, Any]:
    about = {"recipient": "alice", "pseudonym": f"erased-{_HASH[:32]}"}
    so_far = {"id": _ID, "kind": "erasure", "state": "running", "about": about, "total": 0, "counts": {}}
    return {**so_far, "error": None, "created_at": _AT, "updated_at": _AT}


def _counted(channel: Channel, message: str) -> dict[str, Any]:
    made: dict[str, Any] = {"message": message}
    if channel.segments is not None:
        made |= {"segments": channel.segments(message).count, "encoding": channel.segments(message).encoding}
    return made


def _of_callers(channel: str) -> Mapping[str, Example]:
    change = {
        "name": "billing",
        "scopes": ["notifications:read", "notifications:send"],
        "channels": [channel],
        "requests_per_minute": 600,
        "notifications_per_day": 10_000,
    }
    key = {"id": _KEY_ID, "created_at": _AT, "revoked_at": None}
    caller = {
        **change,
        "id": _CALLER_ID,
        "kind": "live",
        "recipients": None,
        "addresses": None,
        "segments_per_day": 100_000,
        "identity": None,
        "issuer": None,
        "keys": [key],
        "created_at": _AT,
        "created_by": _CALLER_ID,
        "revoked_at": None,
        "last_used_at": None,
    }
    path = {"caller_id": _CALLER_ID}
    return {
        "create_caller": Example(201, {**caller, "key": _KEY}, body={**change, "kind": "live"}),
        "list_callers": Example(200, {"items": [caller], "next_cursor": None}),
        "read_caller": Example(200, caller, path),
        "read_self": Example(200, {**caller, "created_by": None}),
        "change_caller": Example(200, caller, path, change),
        "revoke_caller": Example(204, path=path),
        "add_key": Example(201, {**key, "key": _KEY}, path),
        "revoke_key": Example(204, path={**path, "key_id": _KEY_ID}),
    }


def add_examples(paths: Mapping[str, Mapping[str, Any]], shown: Mapping[str, Example]) -> None:
    """To each operation of these paths. One of which there is none is left as it is."""
    for operation in (o for methods in paths.values() for o in methods.values()):
        example = shown.get(operation["operationId"])
        if example is None:
            continue
        for parameter in operation.get("parameters", []):
            if parameter["name"] in example.path:
                parameter["example"] = example.path[parameter["name"]]
        if example.body is not None:
            for content in operation["requestBody"]["content"].values():
                content["example"] = example.body
        if example.answer is not None:
            for content in operation["responses"][str(example.status)]["content"].values():
                content["example"] = example.answer
