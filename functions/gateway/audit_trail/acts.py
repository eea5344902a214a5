"""Which operations are put on record, and how what they were done to is named."""

import re
from collections.abc import Mapping

from shared.channels.declaration import Channel
from shared.channels.text_checks import bare
from shared.people.suppression import AddressHash

SUCCESSES = frozenset(range(200, 300))
BEGUN = frozenset({202})  # with `dry_run` they answer 200, and have done nothing

AUDITED: Mapping[str, frozenset[int]] = {
    "create_caller": SUCCESSES,
    "change_caller": SUCCESSES,
    "revoke_caller": frozenset({202, 204}),
    "add_key": SUCCESSES,
    "revoke_key": SUCCESSES,
    "put_recipient": SUCCESSES,
    "delete_recipient": SUCCESSES,
    "erase_recipient": BEGUN,
    "put_category": SUCCESSES,
    "delete_category": SUCCESSES,
    "put_suppression": SUCCESSES,
    "delete_suppression": SUCCESSES,
    "import_suppressions": SUCCESSES,
    "put_list": SUCCESSES,
    "delete_list": SUCCESSES,
    "put_member": SUCCESSES,
    "delete_member": SUCCESSES,
    "add_members": SUCCESSES,
    "publish_template": SUCCESSES,
    "archive_template": SUCCESSES,
    "recall_template": BEGUN,
    "pause_channel": SUCCESSES,  # but for a dry run, which says so itself
    "resume_channel": SUCCESSES,
    "cancel_notification": SUCCESSES,
    "broadcast_to_list": BEGUN,
    "replay": SUCCESSES,
    "replay_by_plan": BEGUN,
    "discard": SUCCESSES,
    "put_endpoint": SUCCESSES,
    "delete_endpoint": SUCCESSES,
    "rotate_secret": SUCCESSES,
    "replay_events": BEGUN,
    "pause_operation": SUCCESSES,
    "resume_operation": SUCCESSES,
    "cancel_operation": SUCCESSES,
}
"""Each operation, and the answers by which it has been done. Why the others have no entry is said in their test."""

_IDS: Mapping[str, re.Pattern[str]] = {
    "notification_id": re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "operation_id": re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}"),
    "caller_id": re.compile("[0-9a-f]{16}"),
    "key_id": re.compile("[0-9a-f]{8}"),
}
_OF_NO_PERSON = re.compile(r"/v1/(templates|categories|channels|endpoints)/\{name\}")
_LOCATION = re.compile(r"/v1/((?:callers|operations)/[0-9a-f-]+)")
_PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")


class Naming:
    """Names records: ids as they are; what may be a person's name, or an address, by its keyed hash (`~…`)."""

    def __init__(self, channels: Mapping[str, Channel], keyed: AddressHash) -> None:
        self._channels = channels
        self._keyed = keyed

    def record(self, path: str, parameters: Mapping[str, object], *, is_done: bool) -> str:
        """What stands at a route's path, up to its last parameter.

        is_done: else nobody has looked at the parameters, and they may hold anything: only ids are told
        """
        given = {name: str(value) for name, value in parameters.items()}
        parameter_ends = [match.end() for match in _PARAMETER.finditer(path)]
        short = path[: parameter_ends[-1]] if parameter_ends else path

        def named(match: re.Match[str]) -> str:
            name = match[1]
            value = given.get(name, "")
            plain = name == "name" and is_done and _OF_NO_PERSON.match(path) is not None
            return value if plain or self._is_id(name, value) else self._hashed(name, value, given.get("channel", ""))

        return _PARAMETER.sub(named, short).removeprefix("/v1/")

    def _is_id(self, name: str, value: str) -> bool:
        if name in _IDS:
            return _IDS[name].fullmatch(value) is not None
        return name in {"channel", "name"} and value in self._channels

    def _hashed(self, name: str, value: str, channel: str) -> str:
        if name == "address" and channel in self._channels:
            try:  # in the spelling of the suppression's own record, whose id this is then
                return "~" + self._keyed(channel, self._channels[channel].normalise(bare(value)))
            except ValueError:
                pass
        return "~" + self._keyed("name", value)


def made_at(location: str | None) -> str | None:
    """The caller or operation that an answer's Location names."""
    match = _LOCATION.fullmatch(location or "")
    return match[1] if match else None
