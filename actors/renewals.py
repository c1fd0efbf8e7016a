"""Tells PCs that staff want a new secret of them, as soon as that is written down.

The wish stands in the club's enrolment book until the PC has drawn its secret, so whoever owns the
club's shard finds it there. An order that is lost is made up for: the PC is told again when it
introduces itself and once a minute, and asks by itself now and then.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final

import orjson
import structlog

from actors.clock import Clock
from actors.pc import OBEYED_WITHIN_MS
from actors.shard_loop import ShardLoop
from actors.store import ShardId
from actors.store_enrolment import EnrolmentBooks
from actors.turn import CommandDevice
from schemas.codec import UpMessage
from schemas.device import Birth, DeviceCommand, DeviceCommandKind
from schemas.enrolment import CREDENTIAL_FIELD, PcCredential
from schemas.topics import PcTopic
from schemas.views import LinkState

LOOK_EVERY_S: Final = 2.0
GATHER_S: Final = 0.05
"""Changes of a book that come together are read together."""
AGAIN_MS: Final = 60_000
_HEARD: Final = frozenset({LinkState.ONLINE, LinkState.SUSPECT})

log = structlog.get_logger(__name__)

Place = tuple[str, str]
"""(chain, club)."""


class Renewals:
    """One for a host. ``loops`` is the host's own; ``tell`` sends an order for a shard."""

    def __init__(
        self,
        books: EnrolmentBooks,
        loops: Mapping[ShardId, ShardLoop],
        clock: Clock,
        *,
        tell: Callable[[ShardId, CommandDevice], None],
    ) -> None:
        self._books = books
        self._loops = loops
        self._clock = clock
        self._tell = tell
        self._wanted: dict[Place, tuple[str, ...]] = {}
        self._told_at_ms: dict[tuple[str, str], int] = {}
        self._news = asyncio.Event()

    async def follow(self) -> None:
        """Note which books change, until the store is lost."""
        async for place in self._books.enrolment_changes(self._reread):
            self._note(place)

    async def look(self) -> None:
        """When a book has changed, or after a while: read what is not known, tell who is due."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._news.wait()
                await asyncio.sleep(GATHER_S)
        self._news.clear()
        owned = {
            (shard.chain_id, club_id): (shard, loop)
            for shard, loop in list(self._loops.items())
            if loop.runtime is not None
            for club_id in loop.runtime.club_ids
        }
        for place in self._wanted.keys() - owned.keys():
            del self._wanted[place]
        for place, (shard, loop) in owned.items():
            if place not in self._wanted:
                await self._read(place)
            for pc_id in self._wanted.get(place, ()):
                self._remind(shard, loop, (place[1], pc_id))

    def heard(self, address: PcTopic, message: UpMessage) -> None:
        """A PC that introduces itself may have missed what it was told."""
        if isinstance(message, Birth) and self._told_at_ms.pop(address.place, None) is not None:
            self._news.set()

    async def _reread(self) -> None:
        self._wanted.clear()
        self._news.set()

    def _note(self, place: Place) -> None:
        if self._wanted.pop(place, None) is not None:
            self._news.set()

    async def _read(self, place: Place) -> None:
        book = await self._books.enrolment(*place)
        wanted = tuple(sorted(_wanted_in(book, self._clock.wall_ms())))
        self._wanted[place] = wanted
        for club_id, pc_id in list(self._told_at_ms):
            if club_id == place[1] and pc_id not in wanted:
                del self._told_at_ms[club_id, pc_id]

    def _remind(self, shard: ShardId, loop: ShardLoop, pc: tuple[str, str]) -> None:
        club_id, pc_id = pc
        now_ms, told_at_ms = self._clock.mono_ms(), self._told_at_ms.get(pc)
        if told_at_ms is not None and now_ms - told_at_ms < AGAIN_MS:
            return
        club = None if loop.runtime is None else loop.runtime.clubs.get(club_id)
        if club is None or pc_id not in club.pcs or club.link_of(pc_id) not in _HEARD:
            return
        self._told_at_ms[pc] = now_ms
        wall_ms = self._clock.wall_ms()
        order = DeviceCommand(
            cmd_id=f"renew-{wall_ms}",
            kind=DeviceCommandKind.RENEW,
            not_after_ms=wall_ms + OBEYED_WITHIN_MS,
        )
        log.info("pc_told_to_renew", club_id=club_id, pc_id=pc_id)
        self._tell(shard, CommandDevice(club_id, pc_id, order))


def _wanted_in(book: Mapping[str, bytes], now_ms: int) -> Iterable[str]:
    """The PCs of a book whose secret is to be replaced. What does not read is nobody's."""
    for name, document in book.items():
        # A hall's book is large and wishes are rare: only who has one is looked at in full.
        if not name.startswith(CREDENTIAL_FIELD) or b"renew_wanted" not in document:
            continue
        with suppress(ValueError):
            if not orjson.loads(document).get("renew_wanted"):
                continue
            known = PcCredential.model_validate_json(document)
            if known.is_active and not known.is_overdue(now_ms):
                yield known.pc_id
