"""Workflows' webhooks of Microsoft Teams, by plain HTTP.
https://learn.microsoft.com/en-us/power-automate/teams/send-a-message-in-teams

A workflow answers 202 once it is begun: whether it posts the message nobody reports.
"""

from collections.abc import Callable

from functions.teams.message import posted
from shared.channels import named_urls
from shared.delivery.errors import Refused, SendError, Unknown
from shared.http.client import HttpAnswer, of_status, post_json, session
from shared.runtime.settings import Settings, load
from shared.sending.provider import Outgoing, Provider

_ACCEPTED = 202


class WorkflowsSettings(Settings):
    teams_urls: named_urls.Urls


class WorkflowsProvider:
    name = "workflows"

    def __init__(self, settings: WorkflowsSettings) -> None:
        self._urls = named_urls.urls(settings.teams_urls)
        self._session = session("the workflow")

    async def send(self, outgoing: Outgoing) -> str | None:
        url = named_urls.url_of(self._urls, outgoing.address, "TEAMS_URLS")
        said = posted(outgoing.subject, outgoing.text, outgoing.parts.get("card"))
        answer = await post_json(self._session, "the workflow", url, said, outgoing.notification_id)
        if answer.status != _ACCEPTED:
            raise _of_answer(answer)
        return None

    async def aclose(self) -> None:
        await self._session.close()


def _of_answer(answer: HttpAnswer) -> SendError:
    if 200 <= answer.status < 300:
        return Unknown(f"the workflow answered {answer.status}, and one that has begun answers {_ACCEPTED}")
    if answer.status in {404, 410}:
        return Refused(
            f"the workflow answered {answer.status}: it is deleted or off, or its URL has changed. "
            "Look at it in Power Automate and at TEAMS_URLS, then replay"
        )
    return of_status("the workflow", answer.status, retry_after=answer.retry_after)


def provider() -> Callable[[], Provider]:
    settings = load(WorkflowsSettings)
    return lambda: WorkflowsProvider(settings)
