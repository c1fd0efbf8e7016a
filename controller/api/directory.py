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
from billing_core.tariff import Tariff
from controller.api.problems import ProblemError
from schemas.catalogue import ClubDocument, PcDocument, ZoneDocument

FRESH_FOR_MS: Final = 1_000

log = structlog.get_logger(__name__)

Placed = TypeVar("Placed", ZoneDocument, PcDocument)


@dataclass(frozen=True, slots=True)
class ChainDirectory:
    """One chain's catalogue, parsed. Zones and PCs come in the order of the hall.

    ``tariffs`` are the newest versions by id; ``tariff_names`` has every version, by
    ``<id>:<version>``.
    """

    clubs: Mapping[str, ClubDocument]
    zones: Mapping[str, tuple[ZoneDocument, ...]]
    pcs: Mapping[str, tuple[PcDocument, ...]]
    tariffs: Mapping[str, Tariff]
    tariff_names: Mapping[str, str]

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
        """The tariffs the zones sell, each once, by name."""
        sold = {tariff_id for zone in zones for tariff_id in self.sold_in(zone)}
        known = (self.tariffs[tariff_id] for tariff_id in sold if tariff_id in self.tariffs)
        return tuple(sorted(known, key=lambda tariff: (tariff.name, tariff.id)))


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

    async def chain(self, chain_id: str) -> ChainDirectory:
        """The chain's catalogue; empty for a chain nobody has configured."""
        held = self._held.get(chain_id)
        if held is None:
            held = _Held({}, parse_directory({}), self._clock.mono_ms() - FRESH_FOR_MS)
            self._held[chain_id] = held
        async with held.reading:
            if self._clock.mono_ms() - held.read_at_ms >= FRESH_FOR_MS:
                await self._refresh(chain_id, held)
        return held.parsed

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
    clubs: dict[str, ClubDocument] = {}
    zones: dict[str, list[ZoneDocument]] = {}
    pcs: dict[str, list[PcDocument]] = {}
    tariffs: list[Tariff] = []
    for name, document in raw.items():
        kind = name.partition(":")[0]
        if kind == "club":
            club = ClubDocument.model_validate_json(document)
            clubs[club.club_id] = club
        elif kind == "zone":
            zone = ZoneDocument.model_validate_json(document)
            zones.setdefault(zone.club_id, []).append(zone)
        elif kind == "pc":
            pc = PcDocument.model_validate_json(document)
            pcs.setdefault(pc.club_id, []).append(pc)
        elif kind == "tariff":
            tariffs.append(tariff_from_dict(orjson.loads(document)))
    return ChainDirectory(
        clubs=clubs,
        zones={club_id: _by_position(found) for club_id, found in zones.items()},
        pcs={club_id: _by_position(found) for club_id, found in pcs.items()},
        tariffs=_newest(tariffs),
        tariff_names={f"{each.id}:{each.version}": each.name for each in tariffs},
    )


def _by_position(found: list[Placed]) -> tuple[Placed, ...]:
    return tuple(sorted(found, key=lambda document: (document.position, document.name)))


def _newest(tariffs: Iterable[Tariff]) -> dict[str, Tariff]:
    return {tariff.id: tariff for tariff in sorted(tariffs, key=lambda tariff: tariff.version)}
