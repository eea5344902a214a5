"""What Firebase Cloud Messaging's error codes mean:
https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode

An answer without one goes by its HTTP status (google.rpc.Status).
"""

from collections.abc import Mapping

from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.delivery.model import SuppressionReason
from shared.http.client import HttpAnswer, of_status, seconds

_QUOTA_SECONDS = 60.0  # "an initial minimum of 1 minute" where the answer names no time
_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"

CODES: Mapping[str, tuple[type[SendError], str]] = {
    "UNREGISTERED": (Permanent, "the app is no longer registered under this token"),
    "INVALID_ARGUMENT": (Permanent, "a part of the message is not as Firebase wants it"),
    "SENDER_ID_MISMATCH": (Refused, "the token is of another Firebase project: look at FCM_PROJECT, then replay"),
    "QUOTA_EXCEEDED": (Throttled, "the quota is used up"),
    "UNAVAILABLE": (Retryable, "Firebase is overloaded"),
    "INTERNAL": (Unknown, "an internal error at Firebase"),
    "THIRD_PARTY_AUTH_ERROR": (
        Refused,
        "Apple or the browser's push service refuses Firebase: mend the APNs or web push key in Firebase, then replay",
    ),
}
SUPPRESSES = {"UNREGISTERED": SuppressionReason.INVALID}
"""Firebase says for sure that nothing else arrives either: the app is gone, or has another token."""


def of_answer(answer: HttpAnswer) -> SendError:
    """Of one that is no success."""
    body = answer.body if isinstance(answer.body, dict) else {}
    error = body.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    known = [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    code = next((each.get("errorCode") for each in known if each.get("@type") == _ERROR), None)
    text = f"Firebase answered {answer.status}"
    pause = seconds(answer.retry_after)
    if not isinstance(code, str) or code not in CODES:
        if answer.status == 404 and isinstance(error, dict) and error.get("status") == "NOT_FOUND":
            return Refused(f"{text}: there is no such Firebase project: look at FCM_PROJECT, then replay")
        return of_status("Firebase", answer.status, retry_after=answer.retry_after)
    kind, words = CODES[code]
    if code == "INVALID_ARGUMENT" and "message.token" in _fields(known):
        words = "this is no registration token"
    text = f"{text} ({code}): {words}"
    if kind is Throttled:
        return Throttled(text, retry_after=_QUOTA_SECONDS if pause is None else pause)
    if kind is Retryable and pause is not None:
        return Throttled(text, retry_after=pause)
    if kind is Permanent:
        return Permanent(text, suppresses=SUPPRESSES.get(code))
    return kind(text)


def _fields(details: list[dict[str, object]]) -> set[object]:
    violations = next((each.get("fieldViolations") for each in details if each.get("@type") == _BAD_REQUEST), None)
    return {v.get("field") for v in violations if isinstance(v, dict)} if isinstance(violations, list) else set()
