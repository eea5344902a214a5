"""Who may push: with push tokens configured, only the service account that Pub/Sub and Cloud Scheduler push as.

Behind Cloud Run's own check of the invoker there is nothing to verify: Cloud Run replaces the token's signature
(https://cloud.google.com/run/docs/troubleshooting#signature-removed). The emulator sends no token.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from shared.delivery.errors import InvalidToken, KeysUnavailable
from shared.runtime.logs import get_logger
from shared.runtime.settings import IssuerUrl, Settings, load

if TYPE_CHECKING:
    from shared.http.openid_connect import Verifier

log = get_logger(__name__)


class PushSettings(Settings):
    """What a push's token must say; neither is set where tokens are not checked."""

    push_audience: str | None = Field(default=None, min_length=1)
    push_service_account: str | None = Field(default=None, min_length=1)
    push_issuer: IssuerUrl = "https://accounts.google.com"

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.push_audience is None) != (self.push_service_account is None):
            raise ValueError("PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT must both be set, or neither")
        return self


class Guard:
    """Lets a push through whose bearer token is the service account's."""

    def __init__(self, verifier: "Verifier", service_account: str) -> None:
        self._verifier = verifier
        self._service_account = service_account

    async def refusal(self, request: Request) -> Response | None:
        """What to answer instead of taking the push: 401, or 503 when the token cannot be verified now.

        None: go on. Nothing of the body is read. The claims are those of
        https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions#validate_tokens.
        """
        try:
            self._check(await self._verifier.claims(_bearer_token(request)))
        except InvalidToken as error:
            log.warning("push refused", error=str(error))
            return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        except KeysUnavailable as error:
            log.error("push not verified", error=str(error))
            return Response(status_code=503)
        return None

    def _check(self, claims: Mapping[str, Any]) -> None:
        # `is True`: a text that says true is not what Google writes.
        if claims.get("email") != self._service_account or claims.get("email_verified") is not True:
            raise InvalidToken("the token is not of PUSH_SERVICE_ACCOUNT")


def open_guard() -> Guard | None:
    """The guard that the settings ask for, if they do. SystemExit when one is wrong. Called at import."""
    settings = load(PushSettings)
    if settings.push_audience is None or settings.push_service_account is None:
        return None
    # Loading it takes a tenth of a second of each cold start, which is for those who use it.
    from shared.http.openid_connect import Verifier  # noqa: PLC0415

    return Guard(Verifier([settings.push_issuer], [settings.push_audience]), settings.push_service_account)


def _bearer_token(request: Request) -> str:
    """RFC 6750, 2.1. Raises InvalidToken."""
    headers = request.headers.getlist("authorization")
    if len(headers) != 1:
        raise InvalidToken(f"{len(headers)} Authorization headers, it takes exactly one")
    scheme, _, token = headers[0].strip(" \t").partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidToken("the Authorization header is not of the scheme Bearer")
    return token.lstrip(" ")
