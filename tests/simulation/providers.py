"""The provider: what it accepts, what it says, what it reports; and what becomes of its answers on the way."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from shared.delivery.errors import Permanent, Refused, Retryable, Throttled, Unknown
from shared.delivery.model import DeliveryStatus, Outcome, Receipt
from shared.sending.channel_states import OBEYED
from shared.sending.provider import Found, Outgoing, Sent
from tests.fakes.clock import START
from tests.simulation.fate import Fate, Fault
from tests.simulation.invariants import Invariant, Violation
from tests.simulation.outages import ChannelRecords, Outage
from tests.simulation.people import People
from tests.simulation.permissions import check_permission, check_person
from tests.simulation.processes import Process, Tasks
from tests.simulation.records import Key, Records

S = DeliveryStatus


class Says(Enum):
    ACCEPTED = auto()
    RETRYABLE = auto()
    THROTTLED = auto()
    PERMANENT = auto()
    REFUSED = auto()
    RESET = auto()  # accepted, and the answer is lost
    LOST = auto()  # not accepted, and nobody can tell
    HANGS = auto()  # not accepted, no answer
    HANGS_AFTER = auto()  # accepted, no answer
    LATE = auto()  # accepted when nobody waits any more
    STRAY = auto()  # accepted, and the SDK raises what it must not


@dataclass(frozen=True, slots=True)
class Accepted:
    outgoing: Outgoing
    channel: str
    message_id: str
    at: datetime
    provider: str


class Providers:
    """What all processes reach. `answers`: what it said clearly, whoever heard it; `calls`: but for throttled ones.

    names: of each channel's, the first choice first
    """

    name = "fake"
    second = "second"

    def __init__(self, fate: Fate, report: Callable[[Receipt], None], tell: Callable[..., None]) -> None:
        random = fate.random
        self.fate = fate
        self.names: tuple[str, ...] = (self.name,)
        self.accepted: dict[Key, list[Accepted]] = {}
        self.receipts: dict[str, set[DeliveryStatus]] = {}
        self.answers: dict[Key, Counter[Outcome]] = {}
        self.calls: Counter[Key] = Counter()
        self.late = Tasks()
        self.outage: Outage | None = None
        self.channel_records: ChannelRecords | None = None
        self.moods: dict[str, Says] = {}  # by address: what it always says
        self.strange = [says for says in Says if random.random() < 0.4] or [Says.RESET]
        self.askable = False
        self.overruling = random.choice((DeliveryStatus.DELIVERED, DeliveryStatus.UNDELIVERED))
        self.names_ours = random.random() < 0.7
        self._report = report
        self._tell = tell

    def say(self, channel: str, provider: str, outgoing: Outgoing, process: str) -> Says:
        """Takes one request."""
        key = outgoing.notification_id, channel
        says = Says.ACCEPTED
        now = asyncio.get_running_loop().time()
        if self.outage is not None and self.outage.strikes(channel, provider, process, now):
            says = Says.HANGS if self.outage.hangs else Says.RETRYABLE
        elif outgoing.address in self.moods:
            says = self.moods[outgoing.address]
        elif self.fate.strikes(Fault.STRANGE):
            says = self.fate.random.choice(self.strange)
        self._tell("PROVIDER", notification_id=key[0], channel=channel, says=says.name)
        if says is not Says.THROTTLED:
            self.calls[key] += 1
        if says.name in Outcome.__members__:
            self.answers.setdefault(key, Counter())[Outcome[says.name]] += 1
        return says

    def accept(self, channel: str, provider: str, outgoing: Outgoing) -> str:
        message_id = f"m-{sum(map(len, self.accepted.values())) + 1}"
        key = outgoing.notification_id, channel
        self.accepted.setdefault(key, []).append(Accepted(outgoing, channel, message_id, _now(), provider))
        random = self.fate.random
        statuses = {
            status for status in (DeliveryStatus.DELIVERED, DeliveryStatus.UNDELIVERED) if random.random() < 0.4
        }
        self.receipts[message_id] = statuses
        for status in sorted(statuses):
            receipt = Receipt(
                channel=channel,
                provider=provider,
                provider_message_id=message_id,
                status=status,
                notification_id=outgoing.notification_id if self.names_ours else None,
                reason="no such mailbox" if status is DeliveryStatus.UNDELIVERED else None,
                overrules=status is self.overruling,
            )
            self._report(receipt)
            if self.fate.strikes(Fault.DOUBLE):
                self._report(receipt)
        return message_id

    def found(self, channel: str, provider: str, outgoing: Outgoing, since: datetime) -> Sequence[Found]:
        alike, whose = (outgoing.address, outgoing.text), (channel, provider)
        accepts = [
            a for many in self.accepted.values() for a in many if (a.channel, a.provider) == whose and a.at >= since
        ]
        return [Found(Sent(a.message_id), a.at) for a in accepts if (a.outgoing.address, a.outgoing.text) == alike]

    def accept_later(self, channel: str, provider: str, outgoing: Outgoing, seconds: float) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            self._tell("PROVIDER", notification_id=outgoing.notification_id, channel=channel, says="ACCEPTED, late")
            self.accept(channel, provider, outgoing)

        self.late.spawn(later())


def _now() -> datetime:
    return START + timedelta(seconds=asyncio.get_running_loop().time())


class Client:
    """One provider as one process' pipeline sees it."""

    def __init__(
        self,
        name: str,
        process: Process,
        providers: Providers,
        records: Records,
        people: People,
        channel: str,
        broken: Callable[[Violation], None],
    ) -> None:
        self.name = name
        self._process = process
        self._providers = providers
        self._records = records
        self._people = people
        self._channel = channel
        self._broken = broken

    def send(self, outgoing: Outgoing) -> Coroutine[Any, Any, str | None]:
        self._check_lease(outgoing)
        self._check_wanted(outgoing)
        self._check_paused(outgoing)
        record = self._records.find((outgoing.notification_id, self._channel))
        if record is not None:
            check_permission(record, self._records, self._process.now(), self._providers.fate, self._broken)
            check_person(record, self._records, self._people, self._broken)
        return self._send(outgoing)

    async def _send(self, outgoing: Outgoing) -> str | None:
        providers, random, step = self._providers, self._providers.fate.random, self._process.step
        await step("before the send")
        says = providers.say(self._channel, self.name, outgoing, self._process.name)
        message_id = None
        if says in {Says.ACCEPTED, Says.RESET, Says.HANGS_AFTER, Says.STRAY}:
            message_id = providers.accept(self._channel, self.name, outgoing)
        elif says is Says.LATE:
            providers.accept_later(self._channel, self.name, outgoing, random.uniform(0, 150))
        if says in {Says.HANGS, Says.HANGS_AFTER, Says.LATE}:
            await asyncio.get_running_loop().create_future()
        await step("after the send")
        match says:
            case Says.RETRYABLE:
                raise Retryable("busy")
            case Says.THROTTLED:
                raise Throttled("too fast", retry_after=random.choice((None, 0, 2, 99, 4000)))
            case Says.PERMANENT:
                raise Permanent("no such address")
            case Says.REFUSED:
                raise Refused("invite the app")
            case Says.RESET | Says.LOST:
                raise Unknown("reset")
            case Says.STRAY:
                raise LookupError("the SDK's")
        return message_id

    async def find(self, outgoing: Outgoing, since: datetime) -> Sequence[Found] | None:
        """As Twilio is asked: by address and text."""
        providers, step = self._providers, self._process.step
        await step("before it is asked")
        if not providers.askable or providers.fate.strikes(Fault.STRANGE):
            raise Unknown("cannot be asked")
        found = providers.found(self._channel, self.name, outgoing, since)
        await step("after it is asked")
        return found

    async def aclose(self) -> None:
        """Nothing to close."""

    def _check_wanted(self, outgoing: Outgoing) -> None:
        """What is cancelled once its lease is over is so by a clock: one that is wrong may be minutes early."""
        record = self._records.find((outgoing.notification_id, self._channel))
        never = {S.CANCELLED, S.SUPERSEDED, S.EXPIRED, S.SUPPRESSED}
        if record and record.status in never and not self._providers.fate.skew:
            self._broken(Violation(Invariant.CANCELLED, f"{record.notification_id}/{record.channel} is sent"))

    def _check_paused(self, outgoing: Outgoing) -> None:
        """By the claim's beginning: who froze between that and the call knows no better."""
        record = self._records.find((outgoing.notification_id, self._channel))
        if record is None or not (record.claim or "").startswith(self._process.name + "#"):
            return
        claimed = self._records.claims[record.claim or ""]
        if self._providers.channel_records is not None:
            self._providers.channel_records.called(self._channel, self.name, record.claim or "", claimed)
        for pause in self._records.pauses:
            if pause.channel == self._channel and pause.since + OBEYED < claimed < pause.until:
                self._broken(Violation(Invariant.PAUSED, f"{record.notification_id}/{record.channel} is sent"))

    def _check_lease(self, outgoing: Outgoing) -> None:
        """Before the first await: here no freeze can have come between the time that was left and the call."""
        record = self._records.find((outgoing.notification_id, self._channel))
        if record and record.lease_until and (record.claim or "").startswith(self._process.name + "#"):
            left = max(0.0, (record.lease_until - self._process.now()).total_seconds())
            if outgoing.timeout > left + 0.001:
                self._broken(
                    Violation(Invariant.LEASE, f"{outgoing.timeout:.1f} s for a call, {left:.1f} s of the lease")
                )
