"""A club as configured: decoded from the chain's catalogue once, read by every decision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

import orjson

from actors.placement import shard_of_club
from actors.store import ShardId
from billing_core.stored import club_terms_from_dict, tariff_from_dict, zone_terms_from_dict
from billing_core.tariff import Tariff, TariffRef
from billing_core.terms import ClubTerms, ZoneTerms
from schemas.catalogue import ClubDocument, PcAdministrativeState, PcDocument, ZoneDocument

D = TypeVar("D", ZoneDocument, PcDocument, ClubDocument)

MAX_TARIFFS_KNOWN: Final = 4_096
"""A host reads the same versions for each of its shards: it holds each of them once."""
NO_ZONE: Final = ZoneDocument(zone_id="none", club_id="none", name="?")


@dataclass(frozen=True, slots=True)
class ClubSetup:
    """One club with its zones, PCs and the chain's tariffs; all by id."""

    club: ClubDocument
    terms: ClubTerms
    zones: Mapping[str, ZoneDocument]
    pcs: Mapping[str, PcDocument]
    tariffs: Mapping[TariffRef, Tariff]
    newest: Mapping[str, TariffRef]
    terms_by_pc: Mapping[str, ZoneTerms]
    """By PC id: every decision needs it, and it changes only with the catalogue."""

    def zone_of_pc(self, pc_id: str) -> ZoneDocument:
        """The PC's zone; a PC or a zone that was taken away has a placeholder for one."""
        pc = self.pcs.get(pc_id)
        return NO_ZONE if pc is None else self.zones.get(pc.zone_id, NO_ZONE)

    def is_retired(self, pc_id: str) -> bool:
        """Whether the PC is there and out of service for good."""
        pc = self.pcs.get(pc_id)
        return pc is not None and pc.state is PcAdministrativeState.RETIRED

    def zone_terms_of(self, pc_id: str) -> ZoneTerms:
        """The same, as the billing core knows it."""
        return self.terms_by_pc.get(pc_id) or zone_terms(NO_ZONE)

    def name_of(self, ref: TariffRef) -> str:
        """A tariff version's name; its id if the version is not in the catalogue any more."""
        tariff = self.tariffs.get(ref)
        return ref.id if tariff is None else tariff.name

    def names_of(self, refs: Iterable[TariffRef]) -> dict[str, str]:
        """Names of tariff versions, keyed ``<id>:<version>``, for documents that outlive them."""
        return {f"{ref.id}:{ref.version}": self.name_of(ref) for ref in refs}


def club_setups(
    catalogue: Mapping[str, bytes], shard: ShardId | None = None
) -> dict[str, ClubSetup]:
    """Clubs of ``shard`` (all clubs without one) by id.

    Raises ValueError naming the document that does not decode: a controller must not run on
    half a catalogue.
    """
    tariffs = _tariffs(catalogue)
    newest: dict[str, TariffRef] = {}
    for ref in sorted(tariffs, key=lambda ref: ref.version):
        newest[ref.id] = ref
    zones = [_decode(ZoneDocument, name, raw) for name, raw in _kind(catalogue, "zone:")]
    pcs = [_decode(PcDocument, name, raw) for name, raw in _kind(catalogue, "pc:")]
    setups = {}
    for name, raw in _kind(catalogue, "club:"):
        club = _decode(ClubDocument, name, raw)
        if shard is not None and shard_of_club(shard.chain_id, club.club_id) != shard:
            continue
        own_zones = {zone.zone_id: zone for zone in zones if zone.club_id == club.club_id}
        own_pcs = {pc.pc_id: pc for pc in pcs if pc.club_id == club.club_id}
        setups[club.club_id] = ClubSetup(
            club=club,
            terms=_terms(club),
            zones=own_zones,
            pcs=own_pcs,
            tariffs=tariffs,
            newest=newest,
            terms_by_pc=_zone_terms_by_pc(own_zones, own_pcs),
        )
    return setups


def zone_terms(zone: ZoneDocument) -> ZoneTerms:
    """A zone as the billing core knows it. Raises ValueError naming the zone."""
    named = {
        "zone_id": zone.zone_id,
        "tariff_ids": zone.tariff_ids,
        "default_tariff_id": zone.default_tariff_id,
    }
    try:
        return zone_terms_from_dict({**zone.terms, **named})
    except ValueError as error:
        raise ValueError(f"catalogue zone:{zone.zone_id}: {error}") from error


def _zone_terms_by_pc(
    zones: Mapping[str, ZoneDocument], pcs: Mapping[str, PcDocument]
) -> dict[str, ZoneTerms]:
    by_zone = {zone.zone_id: zone_terms(zone) for zone in (NO_ZONE, *zones.values())}
    return {pc.pc_id: by_zone.get(pc.zone_id, by_zone[NO_ZONE.zone_id]) for pc in pcs.values()}


def _kind(catalogue: Mapping[str, bytes], prefix: str) -> list[tuple[str, bytes]]:
    return sorted((name, raw) for name, raw in catalogue.items() if name.startswith(prefix))


def _decode(model: type[D], name: str, raw: bytes) -> D:
    try:
        return model.model_validate_json(raw)
    except ValueError as error:
        raise ValueError(f"catalogue {name}: {error}") from error


def _terms(club: ClubDocument) -> ClubTerms:
    try:
        base = {"club_id": club.club_id, "timezone": club.timezone, "currency": club.currency}
        return club_terms_from_dict({**base, **club.terms})
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"catalogue club:{club.club_id}: {error}") from error


@lru_cache(MAX_TARIFFS_KNOWN)
def _tariff(raw: bytes) -> Tariff:
    return tariff_from_dict(orjson.loads(raw))


def _tariffs(catalogue: Mapping[str, bytes]) -> dict[TariffRef, Tariff]:
    tariffs = {}
    for name, raw in _kind(catalogue, "tariff:"):
        try:
            tariff = _tariff(raw)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"catalogue {name}: {error}") from error
        tariffs[tariff.ref] = tariff
    return tariffs
