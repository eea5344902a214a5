"""Firebase Cloud Messaging, by plain HTTP: https://firebase.google.com/docs/cloud-messaging/send/v1-api

Firebase's own library retries by itself, and blocks.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import Field

from functions.push.fcm_codes import of_answer
from functions.push.message import request_of
from shared.delivery.errors import Unknown
from shared.google.access_token import GoogleAccessToken
from shared.http.client import post_json, session
from shared.runtime.settings import BaseUrl, CoreSettings, Settings, load
from shared.sending.provider import Outgoing, Provider

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


class FcmSettings(Settings):
    fcm_project: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9-]{4,61}[a-z0-9]$")
    """Of Firebase; None: the one that all this runs in."""
    fcm_base_url: BaseUrl = "https://fcm.googleapis.com"


class FcmProvider:
    name = "fcm"

    def __init__(
        self,
        settings: FcmSettings,
        project: str,
        token: GoogleAccessToken,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """project: where the settings name none"""
        self._url = f"{settings.fcm_base_url.rstrip('/')}/v1/projects/{settings.fcm_project or project}/messages:send"
        self._token = token
        self._now = now
        self._session = session("Firebase")

    async def send(self, outgoing: Outgoing) -> str:
        token = await self._token.get(outgoing.timeout / 2)
        headers = {"Authorization": f"Bearer {token}"}
        said = request_of(outgoing, self._now())
        answer = await post_json(self._session, "Firebase", self._url, said, outgoing.notification_id, headers)
        if answer.status == 401:
            self._token.drop(token)
        if answer.status != 200:
            raise of_answer(answer)
        name = answer.body.get("name") if isinstance(answer.body, dict) else None
        if not isinstance(name, str) or not name:
            raise Unknown("Firebase's answer names no message")
        return name

    async def aclose(self) -> None:
        await self._session.close()


def provider() -> Callable[[], Provider]:
    core, settings = load(CoreSettings), load(FcmSettings)
    emulated = core.firestore_emulator_host is not None
    return lambda: FcmProvider(settings, core.google_cloud_project, GoogleAccessToken([_SCOPE], emulated=emulated))
