"""Real time as the hosts of an installation agree on it, whatever happens to calendars.

A host bills by a :class:`SteadyClock`: counted on the boot clock, from an instant that all hosts
of one boot of a machine share through the store. So a calendar that jumps bills nothing, not
even when a host is restarted after it. A machine that has just booted has nothing but its
calendar; hosts begin there only if the other machines, or without any the store's server, agree
with it, and if it is not behind what was lived already.

Snapshots, JSON with ``v`` 1: ``time:<boot id>`` is :class:`MachineRecord`, left by hosts every
few seconds; ``time-adopted:<boot id>`` is :class:`Adopted`, left by an operator who says that the
calendar is right after all. All times are real milliseconds, UTC where they are instants.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median_low
from typing import Any, Final, Protocol, TypeVar
from uuid import uuid4

import orjson
import structlog

from actors.clock import FOLLOWED_MAX_MS, MachineTime, Reckoning, SteadyClock
from actors.store import Snapshots, StoreUnavailableError
from actors.telemetry import Telemetry

OBSERVE_EVERY_S: Final = 1.0
RECORD_EVERY_MS: Final = 5_000
RECORD_FRESH_MS: Final = 30_000
"""A machine that has not said its time for this long is no witness to another's."""
RECORD_TTL_MS: Final = 30 * 24 * 3_600_000
BEGIN_RETRY_S: Final = 1.0
RECORD_PREFIX: Final = "time:"
ADOPTED_PREFIX: Final = "time-adopted:"
_PREFIX: Final = "time"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

log = structlog.get_logger(__name__)
T = TypeVar("T")


class TimeStore(Snapshots, Protocol):
    """The store as timekeeping needs it."""

    async def calendar_ms(self) -> int:
        """UTC by the server's own calendar."""


@dataclass(frozen=True, slots=True)
class MachineRecord:
    """Time on one boot of a machine, as its hosts go by it.

    ``ahead_ms`` is how far the calendar is ahead of ``utc_ms``, ``store_ms`` the server's calendar
    at that moment. ``waiting`` is why no host begins there; then ``utc_ms`` is the calendar.
    ``revision`` counts what operators adopted.
    """

    boot_id: str
    utc_ms: int
    boot_ms: int
    store_ms: int
    ahead_ms: int = 0
    revision: int = 0
    waiting: str | None = None
    v: int = 1


@dataclass(frozen=True, slots=True)
class Adopted:
    """An operator's word: at ``boot_ms`` of this boot it was ``utc_ms``."""

    boot_id: str
    utc_ms: int
    boot_ms: int
    revision: int
    v: int = 1


@dataclass(frozen=True, slots=True)
class KnownTime:
    """What the store knows of time: its own, each machine's, and what operators adopted."""

    store_ms: int
    records: Mapping[str, MachineRecord]
    adopted: Mapping[str, Adopted]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why hosts do not begin on a machine, and by how much its calendar is ahead of the witness."""

    reason: str
    ahead_ms: int


async def known_time(store: TimeStore) -> KnownTime:
    """Read everything about time."""
    stored = await store.snapshots(_PREFIX)
    return KnownTime(
        store_ms=await store.calendar_ms(),
        records=_read(MachineRecord, stored, RECORD_PREFIX),
        adopted=_read(Adopted, stored, ADOPTED_PREFIX),
    )


def _read(kind: type[T], stored: Mapping[str, bytes], prefix: str) -> dict[str, T]:
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # both are dataclasses
    found = {}
    for name, raw in stored.items():
        if name.startswith(prefix):
            document: dict[str, Any] = orjson.loads(raw)
            # A later release may say more.
            known = {key: value for key, value in document.items() if key in names}
            found[name.removeprefix(prefix)] = kind(**known)
    return found


def first_reckoning(
    boot_id: str, calendar: Reckoning, known: KnownTime
) -> tuple[Reckoning, int] | Refusal:
    """What a host of this boot begins with, and the revision of it; or why it does not begin."""
    record, adopted = known.records.get(boot_id), known.adopted.get(boot_id)
    if adopted is not None and (record is None or record.revision < adopted.revision):
        return _since(adopted.utc_ms, adopted.boot_ms, calendar), adopted.revision
    if record is not None and record.waiting is None:
        return _since(record.utc_ms, record.boot_ms, calendar), record.revision
    refusal = _refusal(calendar.utc_ms, known)
    return (calendar, 0) if refusal is None else refusal


def _since(utc_ms: int, boot_ms: int, now: Reckoning) -> Reckoning:
    return Reckoning(utc_ms + now.boot_ms - boot_ms, now.boot_ms)


def _refusal(calendar_ms: int, known: KnownTime) -> Refusal | None:
    ours = [record for record in known.records.values() if record.waiting is None]
    peers = [
        record.utc_ms + known.store_ms - record.store_ms
        for record in ours
        if abs(known.store_ms - record.store_ms) <= RECORD_FRESH_MS
    ]
    witness_ms = median_low(peers) if peers else known.store_ms
    ahead_ms = calendar_ms - witness_ms
    if abs(ahead_ms) > FOLLOWED_MAX_MS:
        return Refusal("differs from other machines" if peers else "differs from store", ahead_ms)
    lived_ms = max((record.utc_ms for record in ours), default=0)
    if not peers and calendar_ms < lived_ms - FOLLOWED_MAX_MS:
        return Refusal("behind what was lived", calendar_ms - lived_ms)
    return None


def boot_id() -> str:
    """A name for this boot of this machine; where there is none, one of this process alone."""
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else uuid4().hex


class Timekeeper:
    """Sets a host process's clock, keeps it right and tells when the calendar is not."""

    def __init__(self, store: TimeStore, machine: MachineTime, boot: str) -> None:
        self._store = store
        self._machine = machine
        self._boot_id = boot
        self._revision = 0
        self._recorded_boot_ms: int | None = None
        self._jumped = False

    async def begin(self, clock: SteadyClock) -> None:
        """Set the clock; waits until the calendar of a fresh machine can be believed."""
        while True:
            try:
                if await self._try_to_begin(clock):
                    return
            except StoreUnavailableError as error:
                log.warning("store_unavailable", reason=repr(error))
            await asyncio.sleep(BEGIN_RETRY_S)

    async def run(self, clock: SteadyClock, telemetry: Telemetry) -> None:
        """Observe until cancelled."""
        while True:
            self._tell(clock.observe(), telemetry)
            try:
                await self._share(clock)
            except StoreUnavailableError as error:
                log.warning("store_unavailable", reason=repr(error))
            await asyncio.sleep(OBSERVE_EVERY_S)

    async def _try_to_begin(self, clock: SteadyClock) -> bool:
        known = await known_time(self._store)
        calendar = Reckoning(self._machine.utc_ms(), self._machine.boot_ms())
        first = first_reckoning(self._boot_id, calendar, known)
        if isinstance(first, Refusal):
            log.error("clock_refused", reason=first.reason, ahead_ms=first.ahead_ms)
            await self._record(
                calendar, known.store_ms, ahead_ms=first.ahead_ms, waiting=first.reason
            )
            return False
        reckoning, self._revision = first
        clock.reset(reckoning)
        ahead_ms = calendar.utc_ms - reckoning.utc_ms
        await self._record(clock.reckoning(), known.store_ms, ahead_ms=ahead_ms)
        return True

    def _tell(self, ahead_ms: int, telemetry: Telemetry) -> None:
        telemetry.clock_ahead.set(ahead_ms / 1_000)
        jumped = abs(ahead_ms) > FOLLOWED_MAX_MS
        if jumped and not self._jumped:
            log.error("clock_jumped", ahead_ms=ahead_ms)
            telemetry.clock_jumps.inc()
        elif self._jumped and not jumped:
            log.warning("clock_agrees_again", ahead_ms=ahead_ms)
        self._jumped = jumped

    async def _share(self, clock: SteadyClock) -> None:
        last_ms = self._recorded_boot_ms
        if last_ms is not None and self._machine.boot_ms() - last_ms < RECORD_EVERY_MS:
            return
        known = await known_time(self._store)
        adopted = known.adopted.get(self._boot_id)
        if adopted is not None and adopted.revision > self._revision:
            self._revision = adopted.revision
            clock.reset(Reckoning(adopted.utc_ms, adopted.boot_ms))
            log.warning("clock_adopted", revision=adopted.revision)
        now = clock.reckoning()
        ahead_ms = self._machine.utc_ms() - now.utc_ms
        await self._record(now, known.store_ms, ahead_ms=ahead_ms)

    async def _record(
        self, now: Reckoning, store_ms: int, *, ahead_ms: int = 0, waiting: str | None = None
    ) -> None:
        record = MachineRecord(
            self._boot_id,
            now.utc_ms,
            now.boot_ms,
            store_ms,
            ahead_ms=ahead_ms,
            revision=self._revision,
            waiting=waiting,
        )
        name = f"{RECORD_PREFIX}{self._boot_id}"
        await self._store.put_snapshot(name, orjson.dumps(record), ttl_ms=RECORD_TTL_MS)
        self._recorded_boot_ms = now.boot_ms


async def adopt_calendar(store: TimeStore, boot: str) -> Adopted | None:
    """Make the hosts of this boot go by its calendar; None if nothing is known of it."""
    known = await known_time(store)
    record = known.records.get(boot)
    if record is None:
        return None
    # The calendar of a machine that waits is what its record holds.
    ahead_ms = 0 if record.waiting is not None else record.ahead_ms
    before = known.adopted.get(boot)
    revision = 1 + max(record.revision, 0 if before is None else before.revision)
    adopted = Adopted(boot, record.utc_ms + ahead_ms, record.boot_ms, revision)
    name = f"{ADOPTED_PREFIX}{boot}"
    await store.put_snapshot(name, orjson.dumps(asdict(adopted)), ttl_ms=RECORD_TTL_MS)
    return adopted


async def follow_hosts(store: TimeStore, clock: SteadyClock, boot: str) -> None:
    """Keep the clock of a process beside hosts as theirs is, until cancelled.

    On a machine without hosts it goes by the calendar it began with.
    """
    while True:
        try:
            record = (await known_time(store)).records.get(boot)
            if record is not None and record.waiting is None:
                clock.reset(Reckoning(record.utc_ms, record.boot_ms))
        except StoreUnavailableError as error:
            log.warning("store_unavailable", reason=repr(error))
        await asyncio.sleep(RECORD_EVERY_MS / 1_000)
        clock.observe()


def signed_seconds(ms: int) -> str:
    """How far a calendar is ahead (+) or behind (-), for people: ``+3600.0 s``."""
    return f"{ms / 1_000:+z.1f} s"
