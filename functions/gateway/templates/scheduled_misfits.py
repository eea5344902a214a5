"""What a new version of a template would make of the data that scheduled notifications have on record.

They go as they were accepted, whatever is published since: content is frozen by the 202. But what sends such data
will be refused from now on, and whoever publishes learns it here, before the next of it comes.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from functions.gateway.rendering.template_model import TemplateVersion, chosen_locale
from functions.gateway.rendering.templated_content import mistakes
from functions.gateway.services import Gateway
from functions.gateway.templates.previewing import as_it_would_go
from functions.gateway.web.problem_details import FieldError, Problem, field_error
from shared.delivery.model import DeliveryStatus, Notification

_MOST = 100  # notifications
_SECONDS = 1.0
_PAGE = 50


@dataclass(frozen=True, slots=True)
class Misfits:
    """By notification's id, what is wrong. looked_at: how many notifications; more: there are some beyond these"""

    looked_at: int
    more: bool
    found: dict[str, list[FieldError]]


async def misfits(gateway: Gateway, version: TemplateVersion) -> Misfits:
    """Of what is scheduled and made of an earlier version, the latest first. Raises StoreUnavailable."""
    give_up_at = time.monotonic() + _SECONDS
    found: dict[str, list[FieldError]] = {}
    looked_at = 0
    async for notification in _scheduled(gateway, version, give_up_at):
        if looked_at == _MOST or time.monotonic() > give_up_at:
            return Misfits(looked_at, True, found)
        looked_at += 1
        wrong = await _wrong(gateway, version, notification)
        if wrong:
            found[notification.id] = wrong
        await asyncio.sleep(0)  # each may take as long as a text may; other requests wait for none but one
    return Misfits(looked_at, time.monotonic() > give_up_at, found)


async def _scheduled(gateway: Gateway, version: TemplateVersion, give_up_at: float) -> AsyncIterator[Notification]:
    seen: set[str] = set()
    for number in range(version.number - 1, 0, -1):
        after: str | None = None
        while time.monotonic() <= give_up_at:
            page = await gateway.store.unsent_of(f"{version.name}/{number}", _PAGE, after)
            waiting = {d.notification_id: d for d in page.items if d.status is DeliveryStatus.SCHEDULED}
            new = [(d.notification_id, d.channel) for d in waiting.values() if d.notification_id not in seen]
            seen.update(notification_id for notification_id, _ in new)
            for notification, _ in await gateway.store.load_all(new) if new else ():
                yield notification
            after = page.next
            if after is None:
                break


async def _wrong(gateway: Gateway, version: TemplateVersion, n: Notification) -> list[FieldError]:
    if n.template is None:
        return []
    recipient = None if n.recipient is None else await gateway.store.recipient(n.recipient)
    made = gateway.templates.renderer.render(
        version, json.loads(n.data or "{}"), locale=n.template.locale, recipient=recipient, names=n.channels
    )
    wrong = mistakes(made)
    if wrong:
        return wrong
    before = await gateway.templates.kept_version(n.template.name, n.template.version)
    for channel in n.channels:
        if channel in made.content:
            try:
                as_it_would_go(gateway.channels[channel], dict(made.content[channel]), whole=True)
            except Problem as problem:
                wrong += problem.errors
        elif before is not None and channel in before.locales[chosen_locale(before, n.template.locale)]:
            wrong.append(field_error("channels", f"the template has nothing for {channel}"))
    return wrong
