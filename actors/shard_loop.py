"""One owned shard at work: take it, load it, then turn after turn until it is lost.

``inputs -> turn (pure) -> commit -> settle -> effects``. One batch is in flight at a time, so
batches of a shard are totally ordered. Starting and recovering are the same code: whenever an
answer of the store is lost, the shard is taken again under a new epoch and read again.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import structlog

from actors.clock import Clock
from actors.club_events import ClubState
from actors.dozing import doze
from actors.draft import Draft
from actors.expiry import LOOK_EVERY_MS, LOOK_ON_MS, holders_with_expired
from actors.inbox import Inbox
from actors.learning import learn_for, read_holders
from actors.presence import Presence
from actors.runtime import ShardRuntime
from actors.shard_contents import read_shard
from actors.store import (
    MAX_UNITS_PER_COMMIT,
    Ownership,
    ShardId,
    Store,
    StoreUnavailableError,
    UnitOutcome,
    UnitStatus,
)
from actors.telemetry import Telemetry
from actors.turn import (
    Answer,
    CarriedOut,
    CommandInput,
    DeviceAnswer,
    DeviceEffect,
    Effect,
    Input,
    LinkEvent,
    LinkInput,
    Now,
    PcInput,
    PlayerInput,
    WakePc,
    WalletInput,
)
from actors.waking import NOWHERE, Waker
from actors.wallets import WalletKey
from actors.workspace import BOUGHT_KEY_PREFIX
from billing_core.wallet import Wallet
from schemas.commands import CommandReply, ReplyStatus
from schemas.device import CommandOutcome

IDLE_WAIT_MS: Final = 1_000
STALL_MS: Final = 2_000
"""A turn later than this was held up by the host itself; silence meanwhile proves nothing."""
RETRY_FIRST_S: Final = 0.1
RETRY_MAX_S: Final = 2.0
DEFECT_PAUSE_S: Final = 5.0
DETAIL_CHARACTERS: Final = 200

log = structlog.get_logger(__name__)


class FencedError(Exception):
    """Another host owns the shard now; everything held in memory is worthless."""


class CorruptShardError(Exception):
    """Memory and store disagree about a version; the shard is read again."""


@dataclass(frozen=True, slots=True)
class ShardPorts:
    """What a shard loop works with. ``may_write`` is the host's own word on its liveness."""

    store: Store
    clock: Clock
    telemetry: Telemetry
    publish: Callable[[DeviceEffect], None]
    answer: Callable[[Answer], None]
    may_write: Callable[[], bool]
    link_is_up: Callable[[], bool]
    clubs_changed: Callable[["ShardLoop", frozenset[str]], None]
    wallets_moved: Callable[["ShardLoop", Mapping[WalletKey, Wallet]], None]
    waker: Waker = NOWHERE


class ShardLoop:
    """Runs one shard for one host until stopped or fenced."""

    def __init__(self, shard: ShardId, host: str, ports: ShardPorts) -> None:
        self.shard = shard
        self.inbox = Inbox()
        self.runtime: ShardRuntime | None = None
        self._host = host
        self._ports = ports
        self._wake = asyncio.Event()
        self._stopping = False
        self._seq = 0
        self._unanswered: dict[int, CommandInput] = {}
        """Commands of the turn under way that are neither answered nor back in the inbox."""
        self._heard: dict[str, Presence] = {}
        self._reload_catalogue = False
        self._look_at_ms = 0
        self._looked_until: str | None = None

    @property
    def ready(self) -> bool:
        """Whether commands can be decided now."""
        return self.runtime is not None

    def wake(self) -> None:
        """Look at the inbox now."""
        self._wake.set()

    def catalogue_changed(self) -> None:
        """Read the catalogue again before the next turn."""
        self._reload_catalogue = True
        self._wake.set()

    def stop(self) -> None:
        """Finish the turn under way, give the lease back and return from :meth:`run`."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Own the shard. Returns when stopped or fenced; whatever else goes wrong is retried."""
        try:
            await self._own()
        finally:
            self._leave()

    async def _own(self) -> None:
        delay_s = RETRY_FIRST_S
        while not self._stopping:
            try:
                ownership = await self._take()
                delay_s = RETRY_FIRST_S
                await self._serve(ownership)
                await self._ports.store.release(ownership)
            except FencedError:
                self._ports.telemetry.fenced.inc()
                log.warning("shard_fenced", shard=str(self.shard))
                break
            except (StoreUnavailableError, CorruptShardError) as error:
                log.warning("shard_retry", shard=str(self.shard), reason=repr(error))
                self._remember_heard()
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_MAX_S)
            except Exception:
                # A defect, or a stored document nobody here can read: loud, and not for ever hot.
                log.exception("shard_failed", shard=str(self.shard))
                self._ports.telemetry.loop_failures.inc()
                self._remember_heard()
                await asyncio.sleep(DEFECT_PAUSE_S)

    def _remember_heard(self) -> None:
        """The store was away, not the PCs: what was heard of them stays true."""
        if self.runtime is not None:
            self._heard = self.runtime.presence_by_pc
        self.runtime = None

    def _leave(self) -> None:
        self.runtime = None
        self._ports.clubs_changed(self, frozenset())
        for command in self.inbox.drain_commands():
            reply = CommandReply(status=ReplyStatus.NOT_OWNER)
            self._ports.answer(Answer(command.ticket, reply))

    async def _take(self) -> Ownership:
        store, chain_id = self._ports.store, self.shard.chain_id
        nonce = secrets.token_hex(12)
        ownership = await store.acquire(self.shard, host=self._host, nonce=nonce)
        contents = await store.load(ownership)
        if contents is None:
            raise FencedError
        catalogue = await store.catalogue(chain_id)
        self._seq = contents.seq
        entities = read_shard(contents.entities)
        runtime = ShardRuntime(
            ownership,
            entities.readable,
            catalogue,
            now=self._now(),
            heard=self._heard,
            unreadable=entities.unreadable,
            wakeable=self._ports.waker.club_ids,
        )
        runtime.learn(*await read_holders(store, chain_id, runtime.open_wallets()))
        self.runtime = runtime
        self._ports.telemetry.recoveries.inc()
        self._ports.clubs_changed(self, runtime.club_ids)
        if not self._ports.link_is_up():
            self.inbox.put_link(LinkInput(LinkEvent.LOST))
        self._release_effects(runtime.desired_now())
        log.info("shard_taken", shard=str(self.shard), epoch=ownership.epoch)
        return ownership

    async def _serve(self, ownership: Ownership) -> None:
        runtime = self.runtime
        assert runtime is not None
        expected_ms = self._ports.clock.mono_ms()
        while not self._stopping:
            if self._reload_catalogue:
                self._reload_catalogue = False
                await self._refresh_catalogue(runtime)
            now = self._now()
            late_ms = now.mono_ms - expected_ms
            if late_ms > STALL_MS:
                runtime.postpone_silence(late_ms)
                await self._check_lease(ownership)
            if not self._ports.may_write():
                # What is due stays due, so waiting for it would not wait at all.
                await asyncio.sleep(RETRY_FIRST_S)
                expected_ms = self._ports.clock.mono_ms()
                continue
            await self._look_for_expired(runtime, now)
            await self._turn(runtime, ownership, now)
            expected_ms = await self._wait(runtime)

    async def _look_for_expired(self, runtime: ShardRuntime, now: Now) -> None:
        """Have this turn look at some holders whose purchases have expired; at all, once a day."""
        if now.wall_ms < self._look_at_ms or not runtime.clubs:
            return
        if self._look_at_ms == 0:
            # Clubs have an hour of their own, whoever takes their shard and when.
            own_ms = crc32(min(runtime.clubs).encode()) % LOOK_EVERY_MS
            self._look_at_ms = now.wall_ms + (own_ms - now.wall_ms) % LOOK_EVERY_MS
            return
        page = await self._ports.store.documents_page(
            self.shard.chain_id, BOUGHT_KEY_PREFIX, self._looked_until
        )
        for holder_id in holders_with_expired(page.documents, runtime.clubs, now_ms=now.wall_ms):
            self.inbox.put_player(PlayerInput(holder_id))
        self._looked_until = page.after
        pause_ms = LOOK_EVERY_MS if page.after is None else LOOK_ON_MS
        self._look_at_ms = now.wall_ms + pause_ms

    async def _check_lease(self, ownership: Ownership) -> None:
        """Whoever stood still may have been replaced: before that is known nothing may leave, not
        even what needs no commit."""
        owner = (await self._ports.store.owners([self.shard])).get(self.shard)
        if owner is None or (owner.epoch, owner.nonce) != (ownership.epoch, ownership.nonce):
            raise FencedError

    async def _refresh_catalogue(self, runtime: ShardRuntime) -> None:
        catalogue = await self._ports.store.catalogue(self.shard.chain_id)
        try:
            runtime.replace_catalogue(catalogue, self._now())
        except ValueError as error:
            log.exception("catalogue_refused", shard=str(self.shard), reason=str(error))
            self._ports.telemetry.catalogue_refusals.inc()
            return
        self._ports.clubs_changed(self, runtime.club_ids)
        self._release_effects(runtime.desired_now())

    def _now(self) -> Now:
        return Now(self._ports.clock.wall_ms(), self._ports.clock.mono_ms())

    async def _wait(self, runtime: ShardRuntime) -> int:
        """Sleep until something is due or waiting; the monotonic instant we meant to wake at."""
        now = self._now()
        wait_ms = min(IDLE_WAIT_MS, runtime.wait_ms(now, self._ports.clock.speed))
        if len(self.inbox) == 0 and wait_ms > 0 and not self._stopping:
            await doze(self._wake, wait_ms / 1_000)
        else:
            await asyncio.sleep(0)
            self._wake.clear()
        return now.mono_ms + max(0, wait_ms)

    async def _turn(self, runtime: ShardRuntime, ownership: Ownership, now: Now) -> None:
        inputs = self.inbox.drain()
        self._unanswered = {one.ticket: one for one in inputs if isinstance(one, CommandInput)}
        try:
            await learn_for(runtime, self._ports.store, inputs)
            with self._ports.telemetry.turn_duration.time():
                turn = runtime.turn(inputs, now)
            self._release_effects(turn.immediate)
            drafts = turn.drafts
            for start in range(0, len(drafts), MAX_UNITS_PER_COMMIT):
                batch = drafts[start : start + MAX_UNITS_PER_COMMIT]
                await self._commit(runtime, ownership, batch)
            self._count_failures(runtime)
        except (StoreUnavailableError, CorruptShardError, FencedError):
            self._put_back(list(self._unanswered.values()))
            raise
        except Exception:
            # Whether they were done shows when they are asked again, with the same key.
            busy = CommandReply(status=ReplyStatus.BUSY)
            self._release_effects([Answer(ticket, busy) for ticket in self._unanswered])
            raise

    async def _commit(
        self, runtime: ShardRuntime, ownership: Ownership, drafts: Sequence[Draft]
    ) -> None:
        with self._ports.telemetry.commit_latency.time():
            outcomes = await self._written(ownership, drafts)
        settled = runtime.settle(drafts, outcomes, self._now())
        self._put_back(settled.retries)
        self._release_effects(settled.effects)
        self._count(settled.applied)
        if settled.moved:
            self._ports.wallets_moved(self, settled.moved)
        if settled.corrupt is not None:
            raise CorruptShardError(settled.corrupt)

    async def _written(
        self, ownership: Ownership, drafts: Sequence[Draft]
    ) -> Sequence[UnitOutcome]:
        """The store's word on every unit. A batch it cannot take is halved until the unit to
        blame stands alone; if it does not take an empty one either, it is the store that fails."""
        units = [draft.unit for draft in drafts]
        try:
            result = await self._ports.store.commit(ownership, self._seq + 1, units)
        except StoreUnavailableError:
            raise
        except Exception as error:
            if not drafts:
                raise
            if len(drafts) == 1:
                await self._written(ownership, ())
                return (UnitOutcome(UnitStatus.FAILED, name=repr(error)),)
            half = len(drafts) // 2
            first = await self._written(ownership, drafts[:half])
            return (*first, *await self._written(ownership, drafts[half:]))
        if result.fenced:
            raise FencedError
        self._seq += 1
        return result.outcomes

    def _put_back(self, inputs: Iterable[Input]) -> None:
        commands = []
        for one in inputs:
            if isinstance(one, CommandInput):
                self._unanswered.pop(one.ticket, None)
                commands.append(one)
            elif isinstance(one, PcInput):
                self.inbox.put_pc(one)
            elif isinstance(one, WalletInput):
                self.inbox.put_wallet(one)
            elif isinstance(one, PlayerInput):
                self.inbox.put_player(one)
            elif isinstance(one, CarriedOut):
                self.inbox.put_carried_out(one)
        self.inbox.put_back(commands)

    def _count(self, drafts: Sequence[Draft]) -> None:
        telemetry, speed = self._ports.telemetry, self._ports.clock.speed
        for draft in drafts:
            if draft.tick is not None:
                telemetry.ticks.labels(draft.tick.result.value).inc()
                telemetry.steps.labels(draft.tick.club_id).inc(draft.tick.steps)
                telemetry.tick_lateness.observe(max(0, draft.tick.lateness_ms) / speed / 1_000)
            for entity in draft.installs.values():
                if isinstance(entity.state, ClubState) and entity.state.is_silent:
                    telemetry.outages.labels("club").inc()

    def _count_failures(self, runtime: ShardRuntime) -> None:
        for kind, count in runtime.failures.items():
            self._ports.telemetry.failures.labels(kind).inc(count)
        runtime.failures.clear()

    def _release_effects(self, effects: Sequence[Effect]) -> None:
        """Let effects out. One that fails costs only itself: a PC that misses its document is
        sent it again."""
        for effect in effects:
            try:
                if isinstance(effect, Answer):
                    self._unanswered.pop(effect.ticket, None)
                    self._ports.answer(effect)
                elif isinstance(effect, WakePc):
                    self._wake_pc(effect)
                else:
                    self._ports.publish(effect)
            except Exception:
                log.exception("effect_failed", shard=str(self.shard), effect=type(effect).__name__)
                self._ports.telemetry.effects_failed.inc()

    def _wake_pc(self, effect: WakePc) -> None:
        """Send the packet, and have the next turn write down what came of it."""
        outcome, detail = CommandOutcome.DONE, ""
        try:
            self._ports.waker.wake(effect.club_id, effect.mac)
        except OSError as error:
            log.warning("pc_not_woken", club_id=effect.club_id, mac=effect.mac, reason=repr(error))
            outcome, detail = CommandOutcome.FAILED, repr(error)[:DETAIL_CHARACTERS]
        self._ports.telemetry.pc_commands.labels(outcome.value.lower()).inc()
        answer = DeviceAnswer(effect.command_id, outcome, detail)
        self.inbox.put_carried_out(CarriedOut(effect.club_id, answer))
        self._wake.set()
