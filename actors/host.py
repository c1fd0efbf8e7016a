"""A shard host without its process model: beats, takes what it is assigned, feeds the loops.

The same class runs inside a Ray actor, in a test and in one process with everything else.
Nothing here decides anything about a club; it moves inputs in and effects out.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog

from actors.canary import Canary
from actors.clock import Clock
from actors.club_routes import ClubRoutes
from actors.device_inputs import pc_input
from actors.device_signing import DeviceSigner, Unsigned
from actors.dozing import doze
from actors.flood_gate import FloodGate
from actors.machine_board import MachineBoard
from actors.news import News
from actors.placement import shard_of_club
from actors.population import population_of
from actors.publisher import DevicePublisher
from actors.quarantine import QUARANTINE_SNAPSHOT, QUARANTINE_TTL_MS, snapshot_of
from actors.reception import Reception
from actors.renewals import Renewals
from actors.shard_loop import ShardLoop, ShardPorts
from actors.store import HostRecord, ShardId, Store, StoreUnavailableError
from actors.strangers import Strangers
from actors.telemetry import Telemetry
from actors.turn import Answer, CommandInput, DeviceEffect, LinkEvent, LinkInput
from actors.waking import NOWHERE, Waker
from schemas.codec import MalformedMessage, UpMessage, decode
from schemas.commands import CommandEnvelope, CommandReply, ReplyStatus
from schemas.link_port import MqttLink
from schemas.topics import UpLeaf, club_up_filter, parse_pc_topic

BEAT_EVERY_S: Final = 0.5
BEAT_TTL_MS: Final = 2_500
SELF_STOP_AFTER_MS: Final = 10_000
"""A host that could not say it lives for this long stops writing of its own accord."""
ASSIGNMENTS_EVERY_S: Final = 0.5
METRICS_EVERY_S: Final = 2.0
METRICS_TTL_MS: Final = 15_000
RETRY_S: Final = 0.5
KEYS_EVERY_S: Final = 2.0
STRANDED_EVERY_S: Final = 0.25
HANDOVER_LOOK_S: Final = 0.05
LEASES_EVERY_S: Final = 5.0
HANDOVER_MAX_MS: Final = 5_000
"""A live host that does not give an assigned shard up within this time is fenced out of it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """``name`` is kept over restarts, ``incarnation`` is drawn by each process.

    Of two processes under one name the one that began last works. The other gives its shards up
    and stands by; it works again only if the name is free, because the newer one is gone.
    """

    name: str
    incarnation: str
    pid: int
    release: str

    @classmethod
    def of_process(cls, name: str, *, pid: int, release: str) -> "HostIdentity":
        """The identity of this process under ``name``."""
        return cls(name, secrets.token_hex(8), pid, release)


class Host:
    """Owns the loops of its shards, one broker link and one store."""

    def __init__(
        self,
        identity: HostIdentity,
        *,
        store: Store,
        clock: Clock,
        connect: Callable[["Host"], MqttLink],
        signer: DeviceSigner | None = None,
        waker: Waker = NOWHERE,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.identity = identity
        self.telemetry = telemetry or Telemetry()
        self._store = store
        self._clock = clock
        self._link = connect(self)
        signer = signer or Unsigned()
        self._publisher = DevicePublisher(
            self._link, clock=clock, telemetry=self.telemetry, signer=signer
        )
        self._reception = Reception(self._link, clock, signer)
        self._canary = Canary(
            self._link, clock, self.telemetry, link_id=identity.incarnation, tell=self._tell_link
        )
        self._machines = MachineBoard(clock)
        self._loops: dict[ShardId, ShardLoop] = {}
        self._news = News(store, self._loops)
        self._renewals = Renewals(store, self._loops, clock, tell=self._publish)
        self._tasks: dict[ShardId, asyncio.Task[None]] = {}
        self._routes = ClubRoutes[ShardLoop](
            self.telemetry,
            opened=lambda club_id: self._link.subscribe(club_up_filter(club_id)),
            closed=lambda club_id: self._link.unsubscribe(club_up_filter(club_id)),
        )
        self._waiting: dict[int, tuple[ShardLoop, asyncio.Future[CommandReply]]] = {}
        self._next_ticket = 0
        self._beaten_at_ms = clock.mono_ms()
        self._has_begun = self._has_name = False
        self._strangers = Strangers()
        self._flood_gate = FloodGate()
        self._draining = False
        self._wanted_since_ms: dict[ShardId, int] = {}
        self._new_map = asyncio.Event()
        self._new_map.set()
        self._ports = ShardPorts(
            store=store,
            clock=clock,
            telemetry=self.telemetry,
            publish=self._publisher.publish,
            answer=self._answer,
            may_write=self._may_write,
            clubs_changed=self._clubs_changed,
            link_is_up=lambda: self._link.connected and not self._canary.missing,
            wallets_moved=self._news.wallets_moved,
            waker=waker,
        )

    async def run(self) -> None:
        """Work until cancelled or drained, then give every shard back."""
        self._link.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._canary.run())
                group.create_task(self._every(BEAT_EVERY_S, self._beat))
                group.create_task(self._every(0, self._follow_map))
                group.create_task(self._every(LEASES_EVERY_S, self._compare_leases))
                group.create_task(self._every(STRANDED_EVERY_S, self._answer_stranded))
                group.create_task(self._every(METRICS_EVERY_S, self._publish_metrics))
                group.create_task(self._every(KEYS_EVERY_S, self._follow_keys))
                group.create_task(self._every(0, self._renewals.look))
                for follow in (*self._news.feeds, self._renewals.follow):
                    group.create_task(self._every(RETRY_S, follow))
        finally:
            await self._retire()

    async def execute(self, envelope: CommandEnvelope) -> CommandReply:
        """Decide one command and answer when the answer is durable."""
        loop = self._loops.get(shard_of_club(envelope.chain_id, envelope.club_id))
        if loop is None:
            return CommandReply(status=ReplyStatus.NOT_OWNER)
        ticket = self._next_ticket = self._next_ticket + 1
        if not loop.ready:
            return CommandReply(status=ReplyStatus.BUSY)
        asked = CommandInput(ticket, envelope, self._clock.mono_ms())
        if not loop.inbox.put_command(asked):
            self.telemetry.commands.labels(envelope.command.kind, "overloaded").inc()
            return CommandReply(status=ReplyStatus.OVERLOADED)
        future: asyncio.Future[CommandReply] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = (loop, future)
        loop.wake()
        try:
            reply = await future
        finally:
            self._waiting.pop(ticket, None)
        code = reply.code or reply.status.value
        self.telemetry.commands.labels(envelope.command.kind, code).inc()
        return reply

    def drain(self) -> None:
        """Ask the coordinator to move everything away; until then it is served as ever."""
        self._draining = True

    def look(self) -> None:
        """Look at the coordinator's map now: it has changed."""
        self._new_map.set()

    @property
    def owned(self) -> tuple[ShardId, ...]:
        """Shards with a loop here."""
        return tuple(self._loops)

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:  # noqa: FBT001
        """Take one message off the broker: check, decode, queue."""
        if topic == self._canary.topic:
            self._canary.heard(payload)
            return
        address = parse_pc_topic(topic)
        if address is None or not isinstance(address.leaf, UpLeaf):
            self.telemetry.device_messages.labels("unknown", "foreign-topic").inc()
            return
        leaf = address.leaf.value
        loop = self._routes.owner(address.club_id)
        if loop is None or loop.runtime is None:
            self.telemetry.device_messages.labels(leaf, "not-owned").inc()
            return
        place, mono_ms, wall_ms = address.place, self._clock.mono_ms(), self._clock.wall_ms()
        if not loop.runtime.knows_pc(*place):
            self.telemetry.device_messages.labels(leaf, "unknown-pc").inc()
            self._strangers.heard(*place, wall_ms)
            return
        if not self._flood_gate.admits(place, mono_ms):
            self.telemetry.device_messages.labels(leaf, "flooding").inc()
            return
        try:
            message = decode(address.leaf, payload)
        except MalformedMessage as error:
            self.telemetry.device_messages.labels(leaf, error.code.value).inc()
            return
        self.telemetry.device_messages.labels(leaf, "ok").inc()
        assert isinstance(message, UpMessage)
        if not retain:
            newest = loop.runtime.newest_version(address.pc_id)
            self._reception.answer(address, message, newest)
            self._machines.hear(address, message)
            self._renewals.heard(address, message)
        heard = pc_input(address, message, retained=retain, mono_ms=mono_ms, wall_ms=wall_ms)
        if heard is not None:
            self._publisher.heard(heard)
            loop.inbox.put_pc(heard)
            loop.wake()

    def on_connected(self) -> None:
        """The broker is back: whoever was silent gets a fresh grace."""
        self._canary.connected()
        self._tell_link(LinkEvent.REGAINED)

    def on_disconnected(self, reason: str) -> None:
        """Without the broker no silence means anything."""
        log.warning("broker_lost", reason=reason)
        self.telemetry.outages.labels("broker").inc()
        self._tell_link(LinkEvent.LOST)

    async def _follow_keys(self) -> None:
        self._reception.refresh()

    def _tell_link(self, event: LinkEvent) -> None:
        for loop in self._loops.values():
            loop.inbox.put_link(LinkInput(event))
            loop.wake()

    def _answer(self, effect: Answer) -> None:
        _, future = self._waiting.get(effect.ticket, (None, None))
        if future is not None and not future.done():
            future.set_result(effect.reply)

    async def _answer_stranded(self) -> None:
        """Answer for loops that lost their shard in the middle of a turn, and what was in it.

        Whether the command was done shows when the caller asks again, with the same key.
        """
        for loop in dict.fromkeys(loop for loop, _ in self._waiting.values()):
            if self._loops.get(loop.shard) is not loop:
                self._give_up(loop, ReplyStatus.NOT_OWNER)
            elif not loop.ready:
                self._give_up(loop, ReplyStatus.BUSY)

    def _give_up(self, unready: ShardLoop, status: ReplyStatus) -> None:
        for loop, future in self._waiting.values():
            if loop is unready and not future.done():
                future.set_result(CommandReply(status=status))

    def _may_write(self) -> bool:
        return self._has_name and self._clock.mono_ms() - self._beaten_at_ms < SELF_STOP_AFTER_MS

    def _clubs_changed(self, loop: ShardLoop, club_ids: frozenset[str]) -> None:
        self._routes.change(loop.shard, loop, club_ids)

    def _publish(self, shard: ShardId, effect: DeviceEffect) -> None:
        if self._routes.may_speak(shard, effect.club_id):
            self._publisher.publish(effect, shard.chain_id)

    async def _every(self, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except StoreUnavailableError as error:
                log.warning("store_unavailable", step=step.__name__, reason=repr(error))
            await asyncio.sleep(seconds)

    async def _beat(self) -> None:
        started_at_ms, identity = self._clock.mono_ms(), self.identity
        record = HostRecord(
            name=identity.name,
            incarnation=identity.incarnation,
            shards_owned=len(self._loops),
            draining=self._draining,
            details={"pid": str(identity.pid), "release": identity.release},
        )
        holder = await self._store.beat(record, ttl_ms=BEAT_TTL_MS, first=not self._has_begun)
        self._has_begun = True
        self._note_holder(holder)
        if self._has_name:
            self._beaten_at_ms = started_at_ms

    def _note_holder(self, holder: str) -> None:
        had_name, self._has_name = self._has_name, holder == self.identity.incarnation
        if had_name and not self._has_name:
            log.error("host_name_taken", host=self.identity.name, by=holder)
            self.telemetry.names_lost.inc()
            for loop in self._loops.values():
                loop.stop()

    async def _follow_map(self) -> None:
        """When told to look, soon if a shard is being handed over, or after a while."""
        wait_s = HANDOVER_LOOK_S if self._wanted_since_ms else ASSIGNMENTS_EVERY_S
        await doze(self._new_map, wait_s)
        await self._follow_assignments()

    async def _follow_assignments(self) -> None:
        self._forget_finished()
        assignments = await self._store.assignments()
        mine = {shard for shard, name in assignments.items() if name == self.identity.name}
        for shard in sorted(set(self._loops) - mine):
            self._loops[shard].stop()
        missing = mine - set(self._loops)
        if missing:
            # A shard lost to a newer process of this name is not to be taken back from it.
            await self._beat()
        for shard in set(self._wanted_since_ms) - missing:
            del self._wanted_since_ms[shard]
        for shard in sorted(missing):
            if self._has_name and await self._may_take(shard):
                self._wanted_since_ms.pop(shard, None)
                self._open(shard)

    async def _compare_leases(self) -> None:
        """A quiet shard writes nothing, so no refusal tells it that the store went back in time."""
        held = {shard: loop.runtime for shard, loop in self._loops.items() if loop.runtime}
        owners = await self._store.owners(list(held))
        for shard, runtime in held.items():
            loop = self._loops.get(shard)
            if loop is None or loop.runtime is not runtime:
                continue
            if owners.get(shard) != runtime.ownership:
                loop.stop()

    async def _may_take(self, shard: ShardId) -> bool:
        """A live owner that is asked to give a shard up gets the time to finish its turn."""
        owner = (await self._store.owners([shard])).get(shard)
        if owner is None or owner.host == self.identity.name:
            return True
        if owner.host not in {record.name for record in await self._store.hosts()}:
            return True
        now_ms = self._clock.mono_ms()
        since_ms = self._wanted_since_ms.setdefault(shard, now_ms)
        return now_ms - since_ms > HANDOVER_MAX_MS

    def _open(self, shard: ShardId) -> None:
        ports = replace(self._ports, publish=partial(self._publish, shard))
        loop = ShardLoop(shard, self.identity.name, ports)
        self._loops[shard] = loop
        self._tasks[shard] = asyncio.create_task(loop.run())

    def _forget_finished(self) -> None:
        for shard, task in [(shard, task) for shard, task in self._tasks.items() if task.done()]:
            del self._tasks[shard], self._loops[shard]
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("shard_loop_failed", shard=str(shard), exc_info=error)
                self.telemetry.loop_failures.inc()

    async def _publish_metrics(self) -> None:
        runtimes = [loop.runtime for loop in self._loops.values() if loop.runtime is not None]
        population = population_of((one.memory, one.clubs) for one in runtimes)
        self.telemetry.set_population(*population)
        self.telemetry.shards.set(len(runtimes))
        self.telemetry.inbox.set(sum(len(loop.inbox) for loop in self._loops.values()))
        self.telemetry.quarantined.set(sum(len(runtime.quarantine.parked) for runtime in runtimes))
        if not self._has_name:
            return
        host, put = self.identity.name, self._store.put_snapshot
        await put(f"metrics:{host}", self.telemetry.exposition(), ttl_ms=METRICS_TTL_MS)
        parked = snapshot_of((one.ownership.shard, one.quarantine) for one in runtimes)
        await put(f"{QUARANTINE_SNAPSHOT}{host}", parked, ttl_ms=QUARANTINE_TTL_MS)
        await self._machines.publish(self._store)
        await self._strangers.publish(self._store, host)

    async def _retire(self) -> None:
        for loop in self._loops.values():
            loop.stop()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=5)
        for task in self._tasks.values():
            task.cancel()
        for loop in list(self._loops.values()):
            self._give_up(loop, ReplyStatus.NOT_OWNER)
        await self._store.retire(self.identity.name, self.identity.incarnation)
        await self._link.close()
