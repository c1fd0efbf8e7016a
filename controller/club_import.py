"""A club in and out of the store: exported as one file, imported as one edit."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import orjson

from actors.clock import Clock
from actors.club_setup import club_setups
from actors.store import CatalogueEdit, Store, UnitStatus
from controller.api.directory import ChainDirectory, parse_directory
from controller.club_file import ClubFile, ClubFileError, FileFault
from controller.club_ids import named_after_another
from controller.club_plan import STAFF_PREFIX, ChainNow, Plan, plan_import, sold_in_club
from controller.terminal_audit import Terminal
from schemas.catalogue import StaffDocument

ATTEMPTS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Importing:
    """How an import goes about it: ``prune`` lays to rest what the file does not name."""

    prune: bool = False
    dry_run: bool = False


async def export_club(store: Store, chain_id: str, club_id: str) -> ClubFile:
    """The club as a file has it. Raises ClubFileError without such a club."""
    directory = parse_directory(await store.catalogue(chain_id))
    club = directory.clubs.get(club_id)
    if club is None:
        raise ClubFileError([FileFault("", f"the chain {chain_id} has no club {club_id}")])
    stored = await store.documents_by_prefix(chain_id, STAFF_PREFIX)
    return ClubFile(
        chain_id=chain_id,
        club=club,
        zones=tuple(
            sorted(
                (zone for zone in directory.every_zone.values() if zone.club_id == club_id),
                key=lambda zone: (zone.position, zone.zone_id),
            )
        ),
        pcs=tuple(
            sorted(
                (pc for pc in directory.every_pc.values() if pc.club_id == club_id),
                key=lambda pc: (pc.position, pc.pc_id),
            )
        ),
        tariffs=sold_in_club(directory, club_id),
        groups=tuple(directory.groups[group_id] for group_id in sorted(directory.groups)),
        staff=_staff_of((StaffDocument.model_validate_json(one.blob) for one in stored), club_id),
    )


async def import_club(
    store: Store, wanted: ClubFile, how: Importing, *, clock: Clock, by: Terminal
) -> Plan:
    """Bring the chain to what the file says, in one edit; what was, or would be, changed.

    Raises ClubFileError, and ClubTakenError when another chain has the club.
    """
    chains = await store.chains()
    if wanted.chain_id not in chains:
        problem = f"no chain {wanted.chain_id}: `clubctl chain create` makes one"
        raise ClubFileError([FileFault("chain", problem)])
    other = named_after_another(wanted.chain_id, wanted.club.club_id, chains)
    if other is not None:
        raise ClubFileError([FileFault("club.club_id", f"clubs of the chain {other} begin so")])
    for _ in range(ATTEMPTS_MAX):
        image = await store.catalogue_image(wanted.chain_id)
        directory = parse_directory(image.fields)
        now = await _chain_now(store, wanted, directory)
        plan = plan_import(wanted, now, prune=how.prune, from_ms=clock.wall_ms())
        # Whatever the checks above miss, hosts must be able to read it.
        club_setups({**image.fields, **plan.fields})
        if how.dry_run or not plan.changes:
            return plan
        edit = CatalogueEdit(
            revision=image.revision,
            fields=plan.fields,
            documents=tuple(plan.documents),
            audit=(_audit_entry(wanted, plan, by=by, now_ms=clock.wall_ms()),),
        )
        outcome = await store.edit(wanted.chain_id, edit)
        if outcome.status is UnitStatus.APPLIED:
            return plan
        await asyncio.sleep(0)
    raise ClubFileError([FileFault("", "others edit the catalogue all the time; try again")])


async def _chain_now(store: Store, wanted: ClubFile, directory: ChainDirectory) -> ChainNow:
    stored = await store.documents_by_prefix(wanted.chain_id, STAFF_PREFIX)
    sessions = await store.sessions_of_club(wanted.chain_id, wanted.club.club_id)
    return ChainNow(
        directory=directory,
        staff={one.key: one for one in stored},
        occupied_pcs=frozenset(orjson.loads(one.blob)["pc_id"] for one in sessions),
    )


def _staff_of(people: Iterable[StaffDocument], club_id: str) -> tuple[StaffDocument, ...]:
    """Those who work in the club or in the whole chain, with no other club's roles."""
    found = []
    for person in people:
        roles = tuple(role for role in person.roles if role.club_id in (None, club_id))
        if roles:
            found.append(person.model_copy(update={"roles": roles}))
    return tuple(found)


def _audit_entry(wanted: ClubFile, plan: Plan, *, by: Terminal, now_ms: int) -> bytes:
    told = [f"{change.action} {change.kind} {change.id}" for change in plan.changes[:200]]
    asked = {"changes": told, "count": len(plan.changes)}
    return by.entry("importClub", asked, at_ms=now_ms, club_id=wanted.club.club_id)
