"""What an import would do to a chain: faults first, then every change, then one edit of it all."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

import orjson

from actors.store import EntityWrite, Scope, StoredEntity
from billing_core.plain import tariff_to_dict
from billing_core.tariff import Tariff, TariffStatus
from billing_core.tariff_check import Severity
from controller.api.directory import ChainDirectory
from controller.catalogue_terms import club_terms
from controller.club_file import ClubFile, ClubFileError, FileFault
from controller.notation import written
from controller.tariff_review import review
from schemas.catalogue import (
    ClubDocument,
    PcAdministrativeState,
    PcDocument,
    PlayerGroupDocument,
    StaffDocument,
    ZoneDocument,
)

STAFF_PREFIX: Final = "staff:"


CatalogueDocument: TypeAlias = ClubDocument | PlayerGroupDocument | ZoneDocument | PcDocument


class Action(StrEnum):
    """What happens to one thing."""

    ADD = "add"
    CHANGE = "change"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changes: its kind and id, and the fields that differ."""

    action: Action
    kind: str
    id: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainNow:
    """What an import is decided on: the catalogue, staff by key, PCs that sessions name."""

    directory: ChainDirectory
    staff: Mapping[str, StoredEntity] = field(default_factory=dict)
    occupied_pcs: frozenset[str] = frozenset()


@dataclass(slots=True)
class Plan:
    """Changes in the order of the file, and what they write; ``warnings`` forbid nothing."""

    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    fields: dict[str, bytes] = field(default_factory=dict)
    documents: list[EntityWrite] = field(default_factory=list)


def plan_import(wanted: ClubFile, now: ChainNow, *, prune: bool, from_ms: int) -> Plan:
    """What has to change so that the chain has what the file says. Raises ClubFileError.

    Nothing the file does not name is touched, unless ``prune``: then the club's other zones are
    archived, its other PCs retired, tariffs that no other club sells archived, and people who
    work nowhere else switched off.
    """
    wanted = replace(wanted, staff=tuple(_merged(one, wanted, now) for one in wanted.staff))
    faults = list(_faults(wanted, now))
    if faults:
        raise ClubFileError(faults)
    plan = Plan()
    raw = now.directory.raw
    _put(plan, raw, wanted.club)
    for group in wanted.groups:
        _put(plan, raw, group)
    for tariff in wanted.tariffs:
        _put_tariff(plan, now.directory, tariff)
    for zone in wanted.zones:
        _put(plan, raw, zone)
    for pc in wanted.pcs:
        _put(plan, raw, pc)
    for person in wanted.staff:
        _put_person(plan, now, person)
    if prune:
        _prune(plan, wanted, now)
    _check_occupied(plan, now)
    _check_tariffs(plan, wanted, now, from_ms=from_ms)
    return plan


_KINDS: Final[Mapping[type[CatalogueDocument], tuple[str, str]]] = {
    ClubDocument: ("club", "club_id"),
    PlayerGroupDocument: ("group", "group_id"),
    ZoneDocument: ("zone", "zone_id"),
    PcDocument: ("pc", "pc_id"),
}
"""Catalogue document -> its kind, and the field with its id."""


def _put(plan: Plan, raw: Mapping[str, bytes], document: CatalogueDocument) -> None:
    kind, id_field = _KINDS[type(document)]
    one_id = getattr(document, id_field)
    name = f"{kind}:{one_id}"
    # What is stored may be older and lack fields that are as usual now.
    stored = type(document).model_validate_json(raw[name]) if name in raw else None
    before = None if stored is None else stored.model_dump(mode="json")
    after = document.model_dump(mode="json")
    _note(plan, (kind, one_id), (before, after))
    if before != after:
        plan.fields[name] = document.stored()


def _note(
    plan: Plan, name: tuple[str, str], pair: tuple[dict[str, Any] | None, dict[str, Any]]
) -> None:
    before, after = pair
    if before is None:
        plan.changes.append(Change(Action.ADD, *name))
    elif before != after:
        names = sorted(before.keys() | after.keys())
        differing = tuple(one for one in names if before.get(one) != after.get(one))
        archives = after.get("archived") or after.get("state") == PcAdministrativeState.RETIRED
        moved = {"archived", "state"} & set(differing)
        action = Action.ARCHIVE if archives and moved else Action.CHANGE
        plan.changes.append(Change(action, *name, differing))


def _put_tariff(plan: Plan, directory: ChainDirectory, tariff: Tariff) -> None:
    newest = directory.tariffs.get(tariff.id)
    version = 1 if newest is None else newest.version + 1
    before = None if newest is None else written(newest)
    _note(plan, ("tariff", tariff.id), (before, written(tariff)))
    if before != written(tariff):
        added = replace(tariff, version=version)
        plan.fields[f"tariff:{tariff.id}:{version}"] = orjson.dumps(tariff_to_dict(added))


def _put_person(plan: Plan, now: ChainNow, person: StaffDocument) -> None:
    key = STAFF_PREFIX + person.staff_id
    stored = now.staff.get(key)
    before = None if stored is None else StaffDocument.model_validate_json(stored.blob)
    plain = None if before is None else before.model_dump(mode="json")
    _note(plan, ("staff", person.staff_id), (plain, person.model_dump(mode="json")))
    if before != person:
        version = 0 if stored is None else stored.version
        blob = person.model_dump_json().encode()
        plan.documents.append(EntityWrite(key, version, blob, Scope.CHAIN))


def _merged(person: StaffDocument, wanted: ClubFile, now: ChainNow) -> StaffDocument:
    """The person with the roles in other clubs that the file does not speak of."""
    stored = now.staff.get(STAFF_PREFIX + person.staff_id)
    if stored is None:
        return person
    before = StaffDocument.model_validate_json(stored.blob)
    ours = {wanted.club.club_id, None}
    kept = [role for role in before.roles if role.club_id not in ours]
    after = person.model_copy(update={"roles": (*person.roles, *kept)})
    same = set(after.roles) == set(before.roles)
    return after.model_copy(update={"roles": before.roles}) if same else after


def _prune(plan: Plan, wanted: ClubFile, now: ChainNow) -> None:
    directory, club_id = now.directory, wanted.club.club_id
    named = {zone.zone_id for zone in wanted.zones} | {pc.pc_id for pc in wanted.pcs}
    retired = PcAdministrativeState.RETIRED
    used = {pc.zone_id for pc in wanted.pcs if pc.state is not retired}
    for pc in directory.every_pc.values():
        if pc.club_id == club_id and pc.pc_id not in named:
            _put(plan, directory.raw, pc.model_copy(update={"state": retired}))
    for zone in directory.every_zone.values():
        if zone.club_id == club_id and zone.zone_id not in named:
            if zone.zone_id in used:
                raise ClubFileError([FileFault("", f"PCs of the file are in zone {zone.zone_id}")])
            _put(plan, directory.raw, zone.model_copy(update={"archived": True}))
    sold = {tariff.id for tariff in wanted.tariffs}
    for tariff in sold_in_club(directory, club_id):
        if tariff.id not in sold and not _sold_elsewhere(directory, tariff, club_id):
            _put_tariff(plan, directory, replace(tariff, status=TariffStatus.ARCHIVED))
    people = {person.staff_id for person in wanted.staff}
    for stored in now.staff.values():
        person = StaffDocument.model_validate_json(stored.blob)
        works_here = {role.club_id for role in person.roles} == {club_id}
        if works_here and person.staff_id not in people:
            _put_person(plan, now, person.model_copy(update={"enabled": False}))


def sold_in_club(directory: ChainDirectory, club_id: str) -> tuple[Tariff, ...]:
    """The newest versions of the tariffs a club's zones name or sell, by id."""
    zones = [zone for zone in directory.every_zone.values() if zone.club_id == club_id]
    names: set[str | None] = {zone.default_tariff_id for zone in zones}
    names |= {tariff_id for zone in zones for tariff_id in zone.tariff_ids}
    club = directory.clubs[club_id]
    if any(not zone.tariff_ids and not zone.archived for zone in zones):
        names |= {one.id for one in directory.tariffs.values() if one.currency == club.currency}
    return tuple(directory.tariffs[one] for one in sorted(directory.tariffs) if one in names)


def _sold_elsewhere(directory: ChainDirectory, tariff: Tariff, club_id: str) -> bool:
    others = (zone for zone in directory.every_zone.values() if zone.club_id != club_id)
    return any(
        (not zone.tariff_ids or tariff.id in zone.tariff_ids) and not zone.archived
        for zone in others
    )


# ---- faults --------------------------------------------------------------------------------------


def _faults(wanted: ClubFile, now: ChainNow) -> Iterator[FileFault]:
    directory, club = now.directory, wanted.club
    known = directory.clubs.get(club.club_id)
    if known is not None and known.currency != club.currency:
        yield FileFault("currency", f"the club trades in {known.currency}; that is fixed")
    yield from _zone_faults(wanted, directory)
    yield from _pc_faults(wanted, directory)


def _zone_faults(wanted: ClubFile, directory: ChainDirectory) -> Iterator[FileFault]:
    tariffs = {**directory.tariffs, **{tariff.id: tariff for tariff in wanted.tariffs}}
    for index, zone in enumerate(wanted.zones):
        there = directory.every_zone.get(zone.zone_id)
        if there is not None and there.club_id != zone.club_id:
            yield FileFault(f"zones[{index}].zone_id", f"{zone.zone_id} is another club's")
        named = [(one, "tariff_ids") for one in zone.tariff_ids]
        if zone.default_tariff_id is not None:
            named.append((zone.default_tariff_id, "default_tariff_id"))
            if zone.tariff_ids and zone.default_tariff_id not in zone.tariff_ids:
                yield FileFault(f"zones[{index}].default_tariff_id", "the zone does not sell it")
        for tariff_id, name in named:
            tariff = tariffs.get(tariff_id)
            if tariff is None:
                yield FileFault(f"zones[{index}].{name}", f"no tariff {tariff_id}")
            elif tariff.currency != wanted.club.currency:
                yield FileFault(f"zones[{index}].{name}", f"{tariff_id} has another currency")


def _pc_faults(wanted: ClubFile, directory: ChainDirectory) -> Iterator[FileFault]:
    club_id = wanted.club.club_id
    zones = {one.zone_id: one for one in directory.every_zone.values() if one.club_id == club_id}
    zones |= {zone.zone_id: zone for zone in wanted.zones}
    pcs = {one.pc_id: one for one in directory.every_pc.values() if one.club_id == club_id}
    for index, pc in enumerate(wanted.pcs):
        there = directory.every_pc.get(pc.pc_id)
        if there is not None and there.club_id != club_id:
            yield FileFault(f"pcs[{index}].pc_id", f"{pc.pc_id} is another club's")
        if pc.zone_id not in zones:
            yield FileFault(f"pcs[{index}].zone_id", f"no zone {pc.zone_id} in this club")
    pcs |= {pc.pc_id: pc for pc in wanted.pcs}
    yield from _archived_in_use(wanted.zones, pcs.values())


def _archived_in_use(
    zones: Iterable[ZoneDocument], pcs: Iterable[PcDocument]
) -> Iterator[FileFault]:
    in_use = {pc.zone_id for pc in pcs if pc.state is PcAdministrativeState.IN_SERVICE}
    for index, zone in enumerate(zones):
        if zone.archived and zone.zone_id in in_use:
            yield FileFault(f"zones[{index}].archived", "PCs in service are in it")


def _check_occupied(plan: Plan, now: ChainNow) -> None:
    retires = [one for one in plan.changes if one.kind == "pc" and one.action is Action.ARCHIVE]
    busy = [one.id for one in retires if one.id in now.occupied_pcs]
    if busy:
        problem = "a session is on it, or booked: end, move or cancel it first"
        raise ClubFileError(
            [FileFault("", f"PC {pc_id} cannot be retired: {problem}") for pc_id in busy]
        )


def _check_tariffs(plan: Plan, wanted: ClubFile, now: ChainNow, *, from_ms: int) -> None:
    """Tariffs that change, in this club as it will be. Raises ClubFileError."""
    changed = {one.id for one in plan.changes if one.kind == "tariff"}
    zones = {**now.directory.every_zone, **{zone.zone_id: zone for zone in wanted.zones}}
    faults = []
    for index, tariff in enumerate(wanted.tariffs):
        if tariff.id not in changed or tariff.status is TariffStatus.ARCHIVED:
            continue
        for found in review(tariff, [club_terms(wanted.club)], zones, from_ms=from_ms):
            finding = found.finding
            # Zones of a club that is imported later are not there yet.
            if finding.severity is Severity.ERROR and finding.code != "unknown-zone":
                faults.append(FileFault(f"tariffs[{index}].{finding.field}", finding.message))
            else:
                plan.warnings.append(f"{tariff.id}: {finding.field}: {finding.message}")
    if faults:
        raise ClubFileError(faults)
