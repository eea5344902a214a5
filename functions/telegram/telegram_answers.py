"""What the Bot API's answers mean: https://core.telegram.org/bots/api#making-requests

Telegram publishes no list of its descriptions, and says that they may change. So what an answer means is read from its
error_code and its parameters; a description that bots have met for years only makes it more exact, and an unknown one
goes by its code: a 400 or 403 is then an operator's to look at.
"""

from collections.abc import Mapping
from typing import Any

from shared.delivery.errors import Permanent, Refused, Retryable, SendError, Throttled, Unknown
from shared.delivery.model import SuppressionReason
from shared.http.client import HttpAnswer, of_status, seconds

_ADMIN = "make the bot an administrator of it, or let it write there, then replay"

# The words after "Bad Request: " or "Forbidden: ", in lower case.
_PERMANENT: Mapping[str, tuple[str, SuppressionReason | None]] = {
    "chat not found": ("there is no such chat, or nobody there has begun one with the bot", None),
    "user not found": ("there is no such user", None),
    "peer_id_invalid": ("there is no such chat", None),
    "message text is empty": ("the text is empty", None),
    "message is too long": ("the text is too long", None),
    "message thread not found": ("there is no such topic", None),
    "bot can't initiate conversation with a user": ("this person has not begun a chat with the bot", None),
    "bot can't send messages to bots": ("it is a bot", None),
    # Whoever blocks a bot wants no more; to begin again they write to it, and somebody takes the suppression away.
    "bot was blocked by the user": ("the person has blocked the bot", SuppressionReason.STOP),
    "user is deactivated": ("the account is deleted", SuppressionReason.INVALID),
}
_REFUSED: Mapping[str, str] = {
    "not enough rights to send text messages to the chat": f"the bot may not write in the chat: {_ADMIN}",
    "have no rights to send a message": f"the bot may not write in the chat: {_ADMIN}",
    "need administrator rights in the channel chat": f"the bot may not write in the channel: {_ADMIN}",
    "chat_write_forbidden": f"the bot may not write in the chat: {_ADMIN}",
    "topic_closed": "the topic is closed: open it, then replay",
    "bot is not a member of the channel chat": "the bot is not in the channel: add it, then replay",
    "bot is not a member of the supergroup chat": "the bot is not in the group: add it, then replay",
    "bot was kicked from the group chat": "the bot was removed from the group: add it, then replay",
    "bot was kicked from the supergroup chat": "the bot was removed from the group: add it, then replay",
    "bot was kicked from the channel chat": "the bot was removed from the channel: add it, then replay",
    "the group chat was deleted": "the group was deleted: send to another one",
}


def of_answer(answer: HttpAnswer) -> SendError:
    """Of one that is no success."""
    document = answer.body if isinstance(answer.body, dict) else {}
    code = document.get("error_code")
    if document.get("ok") is not False or not isinstance(code, int) or isinstance(code, bool):
        return of_status("Telegram", answer.status, retry_after=answer.retry_after)
    parameters = document.get("parameters")
    return _of_code(
        code, _words(document.get("description")), parameters if isinstance(parameters, dict) else {}, answer
    )


def _of_code(code: int, words: str, parameters: Mapping[str, Any], answer: HttpAnswer) -> SendError:
    text = f"Telegram answered {code}"
    if code == 429:
        said = parameters.get("retry_after")
        pause = seconds(str(said)) if isinstance(said, int | float) else None
        return Throttled(text, retry_after=seconds(answer.retry_after) if pause is None else pause)
    if code in {401, 404}:  # both say that there is no such bot
        return Retryable(f"{text}: TELEGRAM_BOT_TOKEN is no bot's", credentials=True)
    if "migrate_to_chat_id" in parameters:
        return Permanent(f"{text}: the group has become a supergroup, which has another number")
    if words in _PERMANENT:
        why, suppresses = _PERMANENT[words]
        return Permanent(f"{text}: {why}", suppresses=suppresses)
    if words in _REFUSED:
        return Refused(f"{text}: {_REFUSED[words]}")
    if code in {400, 403}:
        return Refused(f"{text}, and its reason is none that we know: look at the bot and the chat, then replay")
    return of_status("Telegram", code) if 100 <= code <= 599 else Unknown(text)


def _words(description: Any) -> str:
    text = description if isinstance(description, str) else ""
    return text.partition(": ")[2].strip().lower()
