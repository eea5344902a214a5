"""Which record decides when a credential fits several: a certificate has a SPIFFE id and a host, a token two names.

The most exact one does, so that one workload of a host can be given less than the host. But nobody may take the place
of a caller that may do more than they could grant: of two such records the older one holds. Who made a record is
`created_by`; what that caller may do now, revoked or not, is what it could grant.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from functions.gateway.access.caller import Caller, exceeds

_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


def deciding(fitting: Sequence[Caller], makers: Mapping[str, Caller]) -> Caller:
    """One of the callers that a credential fits.

    fitting: at least one, the most exact first
    makers: those on record of who made them, by id
    """
    counting: list[Caller] = []
    # The oldest first: what does not count itself cannot keep a younger one from counting. A revoked one stands in
    # nobody's way either; it is refused if it is the most exact.
    for caller in sorted(fitting, key=lambda caller: caller.created_at or _BEFORE_ALL):
        if not any(older.revoked_at is None and _beyond(caller, older, makers) for older in counting):
            counting.append(caller)
    ids = {caller.id for caller in counting}
    return next(caller for caller in fitting if caller.id in ids)


def _beyond(one: Caller, other: Caller, makers: Mapping[str, Caller]) -> bool:
    """Whether one of them is more than the other's maker could grant."""
    return not (_could_grant(one.created_by, other, makers) and _could_grant(other.created_by, one, makers))


def _could_grant(maker: str | None, wanted: Caller, makers: Mapping[str, Caller]) -> bool:
    """A maker that is not on record could grant nothing.

    None is whoever may write to the database, or whoever made it before makers were on record: there the most exact
    record goes on to hold, since a workload must not be let in to what its host may do by nothing but an upgrade.
    """
    if maker is None:
        return True
    return maker in makers and exceeds(wanted, makers[maker]) is None
