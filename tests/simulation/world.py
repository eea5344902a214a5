"""One history: who asks for what, what carries it, what goes wrong, and how it is brought to its end."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

from functions.gateway.access.caller import Caller
from functions.gateway.batches.batch_acceptance import Batch, Taken
from functions.gateway.broadcasts.broadcasting import broadcast
from functions.gateway.callers.changes import Manager
from functions.gateway.callers.revocation import Revocation
from functions.gateway.channels.pausing import set_activity
from functions.gateway.notifications.acceptance import Accepted, accept
from functions.gateway.notifications.cancellation import cancel
from functions.gateway.notifications.schemas import EscalationStep, NotificationRequest, Verdict
from functions.gateway.services import Gateway
from functions.gateway.web.problem_details import Problem
from shared.delivery.model import Delivery, DeliveryStatus, Receipt, Recipient, SuppressionReason
from shared.delivery.state_machine import discarded, replayed
from shared.people.broadcast_plan import Plan
from shared.people.lists import added, removed
from shared.sending.channel_states import Activity, ChannelState
from shared.sending.messages import hint
from shared.sending.operations import OperationState
from shared.sending.receipts import take
from shared.sending.suppressing import change, suppress
from tests.fakes.clock import START
from tests.fakes.records import POLICY
from tests.simulation.events import Events
from tests.simulation.fate import Fate, Fault
from tests.simulation.functions import CALLERS, CHANNELS, Functions
from tests.simulation.invariants import Invariant, Violation
from tests.simulation.outages import ChannelRecords, Outage
from tests.simulation.people import CLASSES, ONE_A_DAY, PERSON, People, an_entry, another_preference
from tests.simulation.processes import Process, Tasks, current
from tests.simulation.providers import Providers, Says
from tests.simulation.pubsub import PubSub
from tests.simulation.records import Key, Pause, Records, WaitingReceipts

_DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Ask:
    request: NotificationRequest
    caller: Caller
    key: str | None


class World:
    """`answers`: what was answered with 202, and with which id; `verdicts`: what was said of cancels.

    `first`: the first violation.
    """

    def __init__(self, random: Random, possible: Collection[Fault]) -> None:
        self.random = random
        self.fate = Fate(random, possible)
        self.policy = replace(POLICY, max_attempts=random.choice((2, 3, 5)))
        self.trace: list[tuple[float, str, str, dict[str, object]]] = []
        self.first: Violation | None = None
        self.records = Records(self.policy, self.broken, self.tell)
        self.waiting = WaitingReceipts()
        self.wishes = random.random() < 0.4
        self.people = People(self.records, random, capped=self.wishes and random.random() < 0.5)
        self.providers = Providers(self.fate, self._report, self.tell)
        self.functions = Functions(
            self.policy, self.records, self.waiting, self.people, self.providers, random, self.broken
        )
        self.queue = PubSub(self.fate, self.records, self.process, self.functions.handle, self.broken)
        self.functions.queue = self.queue
        # One kind in a history: several notifications have to have it.
        self.key = random.choice((None, "collapse_key", "ordering_key", "ordering_key"))
        self.asks = self._draw_asks()
        self.answers: list[tuple[Ask, str]] = []
        self.audience: dict[str, frozenset[str]] = {}  # by the broadcast's operation
        self.verdicts: list[tuple[Key, Verdict]] = []
        # By dice of their own: the histories without them are what they were.
        self.pause_dice, self.outage_dice = (Random(sum(random.getstate()[1][n : n + 4])) for n in (1, 5))
        if Random(sum(random.getstate()[1][9:13])).random() < 0.25:
            self.records.events = Events()
        self.pauses, outages = self.pause_dice.random() < 0.2, self.outage_dice.random() < 0.3
        outages = outages and Fault.STRANGE in possible
        if self.pauses or outages:
            self.functions.channel_states = ChannelRecords(self.broken, self.fate)
            self.providers.channel_records = self.functions.channel_states
            self.records.may_be_down = self.functions.channel_states.may_be_down
        self.providers.askable = self.outage_dice.random() < 0.5
        if self.providers.askable and self.outage_dice.random() < 0.8 and self.key != "collapse_key":
            self.asks += self._twins()
        if outages:
            outage = Outage.drawn(self.outage_dice, list(CHANNELS))
            if self.outage_dice.random() < 0.5:
                self.providers.names = (Providers.name, Providers.second)
                down = self.outage_dice.choice((None, (Providers.name,), (Providers.name,), (Providers.second,)))
                outage = replace(outage, providers=down)
                # What one may have is what makes the choice hard.
                self.providers.strange = [Says.RESET, Says.LOST]
                self.providers.askable = self.providers.askable and self.outage_dice.random() < 0.5
                self.asks += [self._plain(outage.channel, n) for n in range(8)]
            self.providers.outage = outage
        self.processes: list[Process] = []
        self._pools: dict[str, list[Process]] = {}
        self._outside = Tasks()  # clients, receipts, the operator

    def tell(self, event: str, **fields: object) -> None:
        self.trace.append((asyncio.get_running_loop().time(), current.get(), event, fields))

    def broken(self, violation: Violation) -> None:
        self.tell("VIOLATION", what=str(violation))
        self.first = self.first or violation

    def process(self, kind: str) -> Process:
        """One of two of its kind; a new one in the place of one that has died."""
        pool = self._pools.setdefault(kind, [])
        place = self.random.randrange(2)
        if place < len(pool) and pool[place].alive:
            return pool[place]
        number = sum(process.name.startswith(kind) for process in self.processes) + 1
        process = Process(f"{kind}-{number}", self.fate, self.tell, self.broken)
        self.processes.append(process)
        pool[place : place + 1] = [process]
        return process

    async def live(self) -> None:
        """The whole history: its faults, and then what is left of it until all is quiet."""
        seconds = self.random.uniform(60, 900)
        alone, together = self._divided()
        for ask in alone:
            # Some at the same time: two that use one key are to meet.
            self._outside.spawn(self._client(ask, self.random.choice((1.0, self.random.uniform(0, seconds / 3)))))
        if together:
            self._outside.spawn(self._batch(together, self.random.choice((1.0, self.random.uniform(0, seconds / 3)))))
        for _ in range(self.random.randint(0, 4) if self.wishes else 0):
            self._outside.spawn(self._wish(self.random.choice((0.5, self.random.uniform(0, seconds)))))
        if self.random.random() < 0.15:
            self._outside.spawn(self._broadcast(self.random.uniform(0, seconds / 3)))
        if self.pauses:
            self._outside.spawn(self._pause(self.pause_dice.uniform(0, seconds / 3)))
        for _ in range(8):
            if self.fate.strikes(Fault.STOP):
                self._outside.spawn(self._stop(self.random.uniform(0, seconds / 2)))
        loop = asyncio.get_running_loop()
        while loop.time() < seconds and self.first is None:
            self._outside.spawn(self._sweep())
            if self.fate.strikes(Fault.OPERATOR):
                self._outside.spawn(self._operate(self.process("gateway")))
            await asyncio.sleep(60)
        if self.fate.strikes(Fault.DAY_AWAY):
            self.tell("PUB/SUB IS AWAY")
            self.queue.there.clear()
            until = loop.time() + _DAY * 1.1
            while loop.time() < until:
                await self._sweep()
                await asyncio.sleep(600)
        self.tell("ALL FAULTS OFF")
        self.fate.on = False
        self.queue.there.set()
        await self._drain(loop.time())

    async def _drain(self, since: float) -> None:
        loop = asyncio.get_running_loop()
        while self.first is None and not self._quiet():
            pending = [d for d in self.records.all() if d.pending]
            held = [(d.held_until - START).total_seconds() for d in self.records.all() if d.held_until]
            # Less than the day after which what nobody takes is dead: that would hide it. But what fails for its own
            # sake, and has nothing beside it that could show that its provider is there, is tried for that day.
            longest = _DAY * (1.1 if any(a.probe for d in pending for a in d.attempts[-1:]) else 0.8)
            if loop.time() > max(since, *held, 0) + (longest if pending else _DAY * 8):
                left = [f"{d.notification_id}/{d.channel} {d.status}" for d in pending]
                self.broken(
                    Violation(Invariant.QUIET, f"never quiet: {left}, {len(self.waiting.waiting)} receipts wait")
                )
                break
            now = START + timedelta(seconds=loop.time())
            tell_at = [d.tell_at for d in self.records.all() if d.tell_at]
            if tell_at and loop.time() > since + _DAY / 4 and min(tell_at) < now - timedelta(hours=1):
                self.broken(Violation(Invariant.EVENTS, "an event is on record, and told nobody"))
                break
            due = tell_at + [d.due_at for d in pending if d.due_at] + [w.due_at for w in self.waiting.waiting.values()]
            until = (min(due) - now).total_seconds() if due else 30.0
            await asyncio.sleep(min(max(5.0, until), 600.0 if pending or not due else _DAY))
            await self._sweep()

    def _quiet(self) -> bool:
        if any(o.state is OperationState.RUNNING for o in self.functions.operations.records.values()):
            return False
        at_work = any((process.alive and process.tasks) or process.late for process in self.processes)
        at_work = at_work or bool(self.queue.lives or self._outside or self.providers.late)
        left = any(d.pending or d.untold for d in self.records.all())
        return not at_work and not self.waiting.waiting and not left

    async def end(self) -> None:
        """No task outlives its history; what is cancelled here has no effect any more."""
        for process in self.processes:
            process.alive = False
        everybody = asyncio.all_tasks() - {asyncio.current_task()}
        for task in everybody:
            task.cancel()
        await asyncio.gather(*everybody, return_exceptions=True)

    async def _sweep(self) -> None:
        """As functions/relay/main.py does it: what goes wrong with receipts keeps no delivery back."""
        process = self.process("relay")
        self._outside.spawn(process.ask(self.functions.scheduled(process).sweep(), 600))
        worker = self.process("operations")
        self._outside.spawn(worker.ask(self.functions.worker(worker).sweep(50), 600))
        await process.ask(self.functions.waiting(process).sweep(), 600)
        if process.alive:
            await process.ask(self.functions.relay(process).sweep(), 600)
        untold = self.functions.untold(process)
        if untold is not None and process.alive:
            await process.ask(untold.sweep(), 600)

    def _draw_asks(self) -> list[Ask]:
        random = self.random
        asks = []
        for n in range(random.randint(3, 7) if self.key or self.people.is_capped else random.randint(1, 6)):
            wanted = random.sample(list(CHANNELS), random.choice((1, 1, 2)))
            to = {channel: f"{channel}-{n}" for channel in wanted}
            caller = CALLERS[random.random() < 0.1]
            key = f"key-{n}" if random.random() < 0.7 else None
            mood = random.choice((None,) * 8 + (Says.RETRYABLE, Says.PERMANENT, Says.REFUSED))
            if mood:
                self.providers.moods |= dict.fromkeys(to.values(), mood)
            how = self._draw_how(to) if random.random() < (0.9 if self.key else 0.3) else {}
            if self.wishes:
                how |= self._draw_person()
            ask = Ask(NotificationRequest(**{"to": to, "message": f"text {n}", **how}), caller, key)
            asks.append(ask)
            if key and random.random() < 0.4:
                text = f"text {n}" if random.random() < 0.7 else f"text {n}, changed"
                asks.append(replace(ask, request=ask.request.model_copy(update={"message": text})))
        return asks

    def _twins(self) -> list[Ask]:
        """Others that send the same text to the same address, which only their ids tell apart."""
        plain = [ask for ask in self.asks if ask.caller is CALLERS[0] and ask.key]
        return [replace(ask, key=f"{ask.key}-twin") for ask in plain if self.outage_dice.random() < 0.7]

    @staticmethod
    def _plain(channel: str, number: int) -> Ask:
        request = NotificationRequest(to={channel: f"{channel}-more-{number}"}, message=f"more {number}")
        return Ask(request, CALLERS[0], f"more-{number}")

    def _draw_how(self, to: dict[str, str]) -> dict[str, Any]:
        """When it goes, after which other, and over which channel first."""
        random = self.random
        how: dict[str, Any] = {}
        if random.random() < 0.4:
            how["send_at"] = START + timedelta(seconds=random.uniform(5, 600))
        if random.random() < 0.3:
            how["deliver_by"] = START + timedelta(seconds=random.uniform(60, 1500))
        if self.key is not None:
            how |= {self.key: "k", "to": {channel: f"{channel}-of-k" for channel in to}}
        if len(to) > 1 and random.random() < 0.6:
            first, second = to
            after = random.choice((None, 30, 300))
            unless = random.choice(("sent", "delivered")) if after else "sent"
            steps = [{"channel": first}, {"channel": second, "after": after, "unless": unless}]
            how["escalation"] = [EscalationStep.model_validate(step) for step in steps]
        return how

    def _draw_person(self) -> dict[str, Any]:
        """Of which kind it is, and to somebody whose records change."""
        how: dict[str, Any] = {}
        if self.random.random() < 0.8:
            how["category"] = ONE_A_DAY if self.people.is_capped else self.random.choice(list(CLASSES))
        if self.people.is_capped or self.random.random() < 0.6:
            how |= {"to": None, "recipient": PERSON}
        return how

    async def _broadcast(self, begins: float) -> None:
        """To a list that others come into and leave when it is planned."""
        await asyncio.sleep(begins)
        random, lists = self.random, self.functions.lists
        names = [f"r{n}" for n in range(random.randint(1, 9))]
        for name in names:
            addresses = {"email": f"email-{name}"}
            self.records.registered(Recipient(name, addresses, START, START, version=1))
        now = START + timedelta(seconds=asyncio.get_running_loop().time())
        await lists.put_members("l", [added(None, name, now) for name in names])
        planned_at, after = now + timedelta(seconds=1), now + timedelta(seconds=2)
        request = {"message": "to all"}
        plan = Plan("p", CALLERS[0].id, "l", "l", request, random.choice((1, 2, 5)), planned_at, planned_at)
        await self.functions.plans.create(plan)
        for name in names:
            if random.random() < 0.3:
                (member,) = [m for m in (await lists.members("l", limit=99, after=None)).items if m.recipient == name]
                await lists.put_members("l", [removed(member, after)])
        late = "late"
        self.records.registered(Recipient(late, {"email": f"email-{late}"}, START, START, version=1))
        await lists.put_members("l", [added(None, late, after)])
        operation = broadcast("b", plan, START + timedelta(seconds=asyncio.get_running_loop().time()))
        await self.functions.operations.create(operation)
        self.audience[operation.id] = frozenset(names)
        self.tell("BROADCAST", to=names)

    async def _wish(self, begins: float) -> None:
        """Somebody says what they want, until they have an answer."""
        await asyncio.sleep(begins)
        random = self.random
        asked = random.choice(self.asks).request
        to = asked.to or {channel: f"{channel}-{PERSON}" for channel in CHANNELS}
        channel, address = random.choice(list(to.items()))
        known_as = self.people.suppression_id(channel, address)
        reason = random.choice(list(SuppressionReason))
        wish = random.choice(("suppress", "suppress", "lift", "prefer"))
        preferred = another_preference(random)
        for _ in range(20):
            process = self.process("gateway")
            people, store = self.functions.people(process), self.functions.store(process)

            async def work(people: Any = people, store: Any = store, process: Process = process) -> bool:
                if wish == "prefer":
                    await store.replace_recipient(preferred(await store.recipient(PERSON)))
                elif wish == "suppress":
                    await suppress(people, channel, known_as, an_entry(reason, process.now()))
                    if reason is not SuppressionReason.STOP:
                        self.people.answered.add((known_as, reason))
                else:
                    await change(people, channel, known_as, lambda there: there.without(SuppressionReason.STOP))
                return True

            if await process.ask(work(), 30) is True:
                self.tell("SAID", wish=wish, address=address, reason=str(reason))
                return
            await asyncio.sleep(random.uniform(1, 30))

    async def _pause(self, begins: float) -> None:
        """An operator pauses a channel, and resumes it later; each until there is an answer."""
        await asyncio.sleep(begins)
        loop, channel = asyncio.get_running_loop(), self.pause_dice.choice(list(CHANNELS))
        pause = Pause(channel)
        self.records.pauses.append(pause)
        await self._set(channel, Activity.PAUSED)
        pause.since = loop.time()
        await asyncio.sleep(self.pause_dice.choice((20.0, self.pause_dice.uniform(10, 3000))))
        pause.until = loop.time()
        await self._set(channel, Activity.ACTIVE)

    async def _set(self, channel: str, activity: Activity) -> None:
        while True:
            process = self.process("gateway")
            setting = set_activity(self.functions.gateway(process), channel, activity, CALLERS[0], "a reason")
            if isinstance(await process.ask(setting, 30), ChannelState):
                self.tell("SET", channel=channel, activity=str(activity))
                return
            await asyncio.sleep(self.pause_dice.uniform(1, 30))

    async def _cancel(self, notification_id: str, begins: float) -> None:
        """The client asks until it has an answer."""
        await asyncio.sleep(begins)
        for _ in range(5):
            process = self.process("gateway")
            gateway = self.functions.gateway(process)

            async def work(gateway: Gateway = gateway) -> list[tuple[Delivery, Verdict]]:
                found = await gateway.store.notification(notification_id)
                assert found is not None
                return await cancel(gateway, found, "a caller")

            answer = await process.ask(work(), 30)
            if isinstance(answer, list):
                self.tell("CANCELLED", notification_id=notification_id, verdicts=[str(v) for _, v in answer])
                self.verdicts += [((d.notification_id, d.channel), verdict) for d, verdict in answer]
                self.records.cancelled.setdefault(notification_id, asyncio.get_running_loop().time())
                return
            await asyncio.sleep(self.random.uniform(1, 30))

    def _divided(self) -> tuple[list[Ask], list[Ask]]:
        """Those that are asked for alone, and those in one batch, which have a key and one caller."""
        if self.random.random() > 0.3:
            return self.asks, []
        together = [a for a in self.asks if a.key and a.caller is CALLERS[0] and self.random.random() < 0.8]
        return [ask for ask in self.asks if ask not in together], together

    async def _batch(self, asks: Sequence[Ask], begins: float) -> None:
        """The client sends the batch until each of its items has an answer, and sometimes once more."""
        await asyncio.sleep(begins)
        items = [{**a.request.model_dump(mode="json", exclude_unset=True), "key": a.key} for a in asks]
        while True:
            process = self.process("gateway")
            batch = Batch(self.functions.gateway(process), CALLERS[0])
            results = await process.ask(batch.accept(items), 30)
            if isinstance(results, list):
                for ask, result in zip(asks, results, strict=True):
                    if isinstance(result, Taken):
                        self.tell("202", notification_id=result.id, key=ask.key)
                        self._answered(ask, result.id)
            left = not isinstance(results, list) or any(isinstance(r, Problem) and r.status == 503 for r in results)
            if self.random.random() > (0.9 if left else 0.3):
                return
            await asyncio.sleep(self.random.uniform(1, 30))

    def _answered(self, ask: Ask, notification_id: str) -> None:
        self.answers.append((ask, notification_id))
        if self.random.random() < 0.15:
            begins = self.random.choice((0.0, self.random.uniform(0, 600)))
            self._outside.spawn(self._cancel(notification_id, begins))

    async def _client(self, ask: Ask, begins: float) -> None:
        await asyncio.sleep(begins)
        while True:
            process = self.process("gateway")
            answer = await process.ask(accept(self.functions.gateway(process), ask.request, ask.caller, ask.key), 30)
            if isinstance(answer, Accepted):
                self.tell("202", notification_id=answer.notification.id, key=ask.key)
                self._answered(ask, answer.notification.id)
            refused = isinstance(answer, Problem) and answer.status != 503
            again = 0.3 if isinstance(answer, Accepted) else 0.9
            if ask.key is None or refused or self.random.random() > again:
                return
            await asyncio.sleep(self.random.uniform(1, 30))

    async def _operate(self, process: Process) -> None:
        """Replays or discards what is dead and replays what failed, as the routes of dead letters do."""
        store, publisher = self.functions.store(process), self.functions.publisher(process)

        async def operate() -> None:
            page = await store.dead(caller=None, channel=None, limit=9, after=None)
            for dead in page.items:
                if self.random.random() < 0.2:
                    await store.update(discarded(dead, process.now()))
                else:
                    await store.update(replayed(dead, process.now(), self.policy))
                    await publisher.publish([hint(dead)])
            for failed in [delivery for delivery in self.records.all() if delivery.status is DeliveryStatus.FAILED]:
                if self.random.random() < 0.5:
                    await store.update(replayed(failed, process.now(), self.policy))
                    await publisher.publish([hint(failed)])

        await process.ask(operate(), 600)

    async def _stop(self, begins: float) -> None:
        """Cancels what a caller has queued, as functions/gateway/callers/routes.py does when it is asked to."""
        await asyncio.sleep(begins)
        process = self.process("gateway")

        async def again() -> Caller:
            raise AssertionError("no caller is written")

        manager = Manager(self.functions.gateway(process), CALLERS[0], again)
        await process.ask(Revocation(manager, {self.random.choice(CALLERS).id}).cancel_queued(), 600)

    def _report(self, receipt: Receipt) -> None:
        """The provider sends a receipt until it is taken."""

        async def report() -> None:
            await asyncio.sleep(self.random.choice((0.0, self.random.uniform(0, 5), self.random.uniform(0, 3000))))
            while True:
                process = self.process("gateway")
                store, waiting = self.functions.store(process), self.functions.receipts(process)
                people = self.functions.people(process)
                if await process.ask(take(store, waiting, people, receipt, process.now()), 30) is None:
                    return
                await asyncio.sleep(self.random.uniform(1, 60))

        self._outside.spawn(report())
