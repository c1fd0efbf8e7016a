"""The chain's catalogue as the edge reads it: clubs, zones, PCs, tariffs.

Read for each chain at most once a second; an unchanged answer keeps what was parsed.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import orjson
import structlog

from actors.clock import Clock
from actors.store import Catalogue
from billing_core.stored import tariff_from_dict
from billing_core.tariff import Tariff, TariffRef, TariffStatus
from controller.api.problems import ProblemError
from schemas.catalogue import (
    ClubDocument,
    PcAdministrativeState,
    PcDocument,
    PlayerGroupDocument,
    ZoneDocument,
)

FRESH_FOR_MS: Final = 1_000

log = structlog.get_logger(__name__)

Placed = TypeVar("Placed", ZoneDocument, PcDocument)
D = TypeVar("D", ClubDocument, ZoneDocument, PcDocument, PlayerGroupDocument)


@dataclass(frozen=True, slots=True)
class ChainDirectory:
    """One chain's catalogue, parsed. Zones and PCs come in the order of the hall.

    ``zones`` and ``pcs`` are those of the hall; ``every_zone`` and ``every_pc`` have archived and
    retired ones too, by id. ``tariffs`` are the newest versions by id, ``versions`` has all of
    them and ``drafts`` what is not published; ``tariff_names`` has every version's name, by
    ``<id>:<version>``. ``raw`` is what all of it was read from.
    """

    clubs: Mapping[str, ClubDocument]
    zones: Mapping[str, tuple[ZoneDocument, ...]]
    pcs: Mapping[str, tuple[PcDocument, ...]]
    tariffs: Mapping[str, Tariff]
    tariff_names: Mapping[str, str]
    every_zone: Mapping[str, ZoneDocument] = field(default_factory=dict)
    every_pc: Mapping[str, PcDocument] = field(default_factory=dict)
    versions: Mapping[TariffRef, Tariff] = field(default_factory=dict)
    drafts: Mapping[str, Tariff] = field(default_factory=dict)
    groups: Mapping[str, PlayerGroupDocument] = field(default_factory=dict)
    raw: Mapping[str, bytes] = field(default_factory=dict)

    def club(self, club_id: str) -> ClubDocument:
        """The club. Raises ProblemError ``club-not-found``."""
        club = self.clubs.get(club_id)
        if club is None:
            raise ProblemError("club-not-found")
        return club

    def currencies(self) -> tuple[str, ...]:
        """The currencies the chain's clubs trade in."""
        return tuple(sorted({club.currency for club in self.clubs.values()}))

    def sold_in(self, zone: ZoneDocument) -> tuple[str, ...]:
        """Ids of the tariffs a zone sells; one that lists none sells them all."""
        return zone.tariff_ids or tuple(sorted(self.tariffs))

    def tariffs_of(self, zones: Iterable[ZoneDocument]) -> tuple[Tariff, ...]:
        """The tariffs the zones sell, each once, by name; archived ones are not shown."""
        sold = {tariff_id for zone in zones for tariff_id in self.sold_in(zone)}
        known = (self.tariffs[tariff_id] for tariff_id in sold if tariff_id in self.tariffs)
        shown = (tariff for tariff in known if tariff.status is not TariffStatus.ARCHIVED)
        return tuple(sorted(shown, key=lambda tariff: (tariff.name, tariff.id)))

    def is_retired(self, pc_id: str) -> bool:
        """Whether the PC is there and out of service for good."""
        pc = self.every_pc.get(pc_id)
        return pc is not None and pc.state is PcAdministrativeState.RETIRED


@dataclass(slots=True)
class _Held:
    raw: Mapping[str, bytes]
    parsed: ChainDirectory
    read_at_ms: int
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Directory:
    """Chains' catalogues, as fresh as a second."""

    def __init__(self, store: Catalogue, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._held: dict[str, _Held] = {}

    async def chain(self, chain_id: str, *, fresh: bool = False) -> ChainDirectory:
        """The chain's catalogue, ``fresh`` as of now; empty for a chain nobody has configured."""
        held = self._held.get(chain_id)
        if held is None:
            held = _Held({}, parse_directory({}), self._clock.mono_ms() - FRESH_FOR_MS)
            self._held[chain_id] = held
        async with held.reading:
            if fresh or self._clock.mono_ms() - held.read_at_ms >= FRESH_FOR_MS:
                await self._refresh(chain_id, held)
        return held.parsed

    def forget(self, chain_id: str) -> None:
        """The catalogue was changed here: whoever asks next reads it again."""
        held = self._held.get(chain_id)
        if held is not None:
            held.read_at_ms = self._clock.mono_ms() - FRESH_FOR_MS

    async def _refresh(self, chain_id: str, held: _Held) -> None:
        raw = await self._store.catalogue(chain_id)
        if raw != held.raw:
            held.raw = raw
            try:
                held.parsed = parse_directory(raw)
            except ValueError as error:
                # The last catalogue that made sense serves operators better than none.
                log.error("catalogue_unreadable", chain=chain_id, error=str(error))  # noqa: TRY400
        held.read_at_ms = self._clock.mono_ms()


def parse_directory(raw: Mapping[str, bytes]) -> ChainDirectory:
    """A catalogue's fields as documents. Raises ValueError for a document that does not fit."""
    by_kind: dict[str, list[bytes]] = {}
    for name, document in raw.items():
        by_kind.setdefault(name.partition(":")[0], []).append(document)

    def documents(kind: str, model: type[D]) -> list[D]:
        return [model.model_validate_json(document) for document in by_kind.get(kind, ())]

    def tariffs(kind: str) -> list[Tariff]:
        return [tariff_from_dict(orjson.loads(document)) for document in by_kind.get(kind, ())]

    zones, pcs = documents("zone", ZoneDocument), documents("pc", PcDocument)
    versions = tariffs("tariff")
    in_service = [pc for pc in pcs if pc.state is PcAdministrativeState.IN_SERVICE]
    return ChainDirectory(
        clubs={club.club_id: club for club in documents("club", ClubDocument)},
        zones=_by_club([zone for zone in zones if not zone.archived]),
        pcs=_by_club(in_service),
        tariffs=_newest(versions),
        tariff_names={f"{each.id}:{each.version}": each.name for each in versions},
        every_zone={zone.zone_id: zone for zone in zones},
        every_pc={pc.pc_id: pc for pc in pcs},
        versions={tariff.ref: tariff for tariff in versions},
        drafts={draft.id: draft for draft in tariffs("draft")},
        groups={group.group_id: group for group in documents("group", PlayerGroupDocument)},
        raw=raw,
    )


def _by_club(found: Iterable[Placed]) -> dict[str, tuple[Placed, ...]]:
    by_club: dict[str, list[Placed]] = {}
    for document in found:
        by_club.setdefault(document.club_id, []).append(document)
    return {club_id: _by_position(those) for club_id, those in by_club.items()}


def _by_position(found: list[Placed]) -> tuple[Placed, ...]:
    return tuple(sorted(found, key=lambda document: (document.position, document.name)))


def _newest(tariffs: Iterable[Tariff]) -> dict[str, Tariff]:
    return {tariff.id: tariff for tariff in sorted(tariffs, key=lambda tariff: tariff.version)}
