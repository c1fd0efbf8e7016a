"""Players of a chain, found by name, phone or group."""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from actors.clock import Clock
from actors.store import ReadModels, StoredEntity
from controller.api.phones import normalised
from controller.api.set_aside import player_in
from controller.archive.listing import PageAsk, SortValue
from controller.lists.cursors import cursor_after
from controller.readable import readable
from controller.shared_reads import SharedReads
from schemas.catalogue import PlayerDocument

FRESH_FOR_MS: Final = 1_000
TURNED_FOR_MS: Final = 30_000
"""So long pages after the first are turned in what was read before."""
DECODED_AT_ONCE: Final = 100
"""Between so many the process answers others."""
_KEY_PREFIX: Final = "player:"

Place = tuple[SortValue, str]


@dataclass(frozen=True, slots=True)
class PlayerFilter:
    """Which players; what is empty or None asks for any. ``phone`` is a whole number."""

    query: str = ""
    phone: str | None = None
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A player as stored, with what they are found by worked out once."""

    stored: StoredEntity
    player: PlayerDocument
    folded: str
    digits: str

    @property
    def row_id(self) -> str:
        """See :class:`controller.lists.cursors.Listed`."""
        return self.player.player_id

    def value(self, sort: str) -> SortValue:
        """See :class:`controller.lists.cursors.Listed`."""
        return self.digits if sort == "phone" else self.folded


@dataclass(frozen=True, slots=True)
class _Held:
    """A chain's players as of one read, and the orders they were asked for in so far."""

    known: Mapping[str, Known]
    read_at_ms: int
    orders: dict[str, tuple[Sequence[Place], Sequence[Known]]]

    def order(self, sort: str) -> tuple[Sequence[Place], Sequence[Known]]:
        """(places, players) in the order of ``sort``, ascending."""
        if sort not in self.orders:
            pairs = sorted(((one.value(sort), one.row_id), one) for one in self.known.values())
            self.orders[sort] = [place for place, _ in pairs], [one for _, one in pairs]
        return self.orders[sort]

    def after(self, ask: PageAsk) -> Iterator[Known]:
        """Players from where the page begins, in its order."""
        places, players = self.order(ask.sort)
        if ask.descending:
            end = len(places) if ask.after is None else bisect_left(places, ask.after)
            return (players[at] for at in range(end - 1, -1, -1))
        begin = 0 if ask.after is None else bisect_right(places, ask.after)
        return (players[at] for at in range(begin, len(places)))


class Players:
    """The chains' players; a search reads a chain's at most once a second."""

    def __init__(self, store: ReadModels, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._reads = SharedReads(self._read)
        self._forgotten_at_ms: dict[str, int] = {}

    async def exists(self, chain_id: str, player_id: str) -> bool:
        """Whether the chain has this player."""
        key = _KEY_PREFIX + player_id
        return key in await self._store.documents(chain_id, [key])

    async def one(self, chain_id: str, player_id: str) -> PlayerDocument | None:
        """The chain's player of this id, as of now. Raises ProblemError ``quarantined``."""
        key = _KEY_PREFIX + player_id
        found = (await self._store.documents(chain_id, [key])).get(key)
        return None if found is None else player_in(found)

    async def labels(self, chain_id: str, player_ids: Iterable[str]) -> Mapping[str, str]:
        """What these players are called; whoever is unknown or cannot be read is left out."""
        players = await self.known(chain_id, player_ids)
        return {player_id: player.label for player_id, player in players.items()}

    async def known(self, chain_id: str, player_ids: Iterable[str]) -> Mapping[str, PlayerDocument]:
        """These players by id, as of now; whoever is unknown or cannot be read is left out."""
        keys = [_KEY_PREFIX + player_id for player_id in player_ids]
        found = await self._store.documents(chain_id, keys) if keys else {}
        return {one.player_id: one for _, one in readable(found.values(), _player_of)}

    async def holder_of_phone(self, chain_id: str, phone: str) -> str | None:
        """The player whose number this is, however it was written down, as of a second ago."""
        for one in (await self._of(chain_id)).known.values():
            if one.player.phone is not None and normalised(one.player.phone) == phone:
                return one.row_id
        return None

    def forget(self, chain_id: str) -> None:
        """A player was edited here: whoever asks next reads them again."""
        self._forgotten_at_ms[chain_id] = self._clock.mono_ms()

    async def matching(self, chain_id: str, query: str) -> tuple[str, ...]:
        """Ids of every player whose label or phone contains the query."""
        known = (await self._of(chain_id)).known.values()
        return tuple(one.row_id for one in found(known, PlayerFilter(query)))

    async def page(
        self, chain_id: str, wanted: PlayerFilter, *, ask: PageAsk
    ) -> tuple[list[PlayerDocument], str | None]:
        """(players, cursor of the next page), sorted by ``name`` or ``phone``.

        A first page is as of a second ago at most; those after it may be as of half a minute ago.
        """
        held = await self._of(chain_id, TURNED_FOR_MS if ask.after else FRESH_FOR_MS)
        page: list[Known] = []
        for one in found(held.after(ask), wanted):
            if len(page) == ask.count:
                return [each.player for each in page], cursor_after(ask, page[-1])
            page.append(one)
        return [each.player for each in page], None

    async def _of(self, chain_id: str, fresh_for_ms: int = FRESH_FOR_MS) -> _Held:
        held = self._held.get(chain_id)
        if held is not None:
            is_young = self._clock.mono_ms() - held.read_at_ms < fresh_for_ms
            if is_young and held.read_at_ms > self._forgotten_at_ms.get(chain_id, -1):
                return held
        return await self._reads.answer(chain_id)

    async def _read(self, chain_id: str) -> _Held:
        now_ms = self._clock.mono_ms()
        before = self._held.get(chain_id) or _Held({}, now_ms, {})
        stored = await self._store.documents_by_prefix(chain_id, _KEY_PREFIX)
        known = await _decoded(stored, before.known)
        is_same = known == before.known
        held = _Held(known, now_ms, before.orders if is_same else {})
        self._held[chain_id] = held
        return held


def found(players: Iterable[Known], wanted: PlayerFilter) -> Iterator[Known]:
    """Those of the players who pass the filter."""
    folded = wanted.query.strip().casefold()
    digits = "".join(character for character in folded if character.isdigit())
    phone = None if wanted.phone is None else _digits(wanted.phone)
    for one in players:
        by_name = folded in one.folded or folded == one.row_id.casefold()
        if not by_name and not (digits and digits in one.digits):
            continue
        if phone is not None and (not phone or one.digits != phone):
            continue
        if wanted.group_id is None or wanted.group_id in one.player.groups:
            yield one


async def _decoded(stored: Iterable[StoredEntity], before: Mapping[str, Known]) -> dict[str, Known]:
    """Players by key; one that has not changed is not decoded again."""
    known: dict[str, Known] = {}
    decoded = 0
    for one in stored:
        same = before.get(one.key)
        if same is None or same.stored != one:
            same = next((_known(*pair) for pair in readable([one], _player_of)), None)
            decoded += 1
            if decoded % DECODED_AT_ONCE == 0:
                await asyncio.sleep(0)
        if same is not None:
            known[one.key] = same
    return known


def _known(stored: StoredEntity, player: PlayerDocument) -> Known:
    return Known(stored, player, player.label.casefold(), _digits(player.phone or ""))


def _digits(phone: str) -> str:
    """A number as it is compared: its one form where it has one, without the plus."""
    return "".join(each for each in normalised(phone) or phone if each.isdigit())


def _player_of(stored: StoredEntity) -> PlayerDocument:
    return PlayerDocument.model_validate_json(stored.blob)
