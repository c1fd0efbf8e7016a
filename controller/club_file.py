"""A whole club as one TOML file: read with every fault named, written the same way every time.

``timezone``, ``currency``, ``[club]``, ``[[zones]]`` and ``[[tariffs]]`` are as in a tariff file;
``chain``, ``[[pcs]]``, ``[[groups]]`` and ``[[staff]]`` are beside them. Versions of tariffs are
not written: the chain numbers them. Secrets are never in it.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import orjson
import tomli_w
from pydantic import BaseModel, ValidationError

from billing_core.grid import TariffGrid, grid_from_plain
from billing_core.stored import StoredValueError
from billing_core.tariff import Tariff
from billing_core.terms import ZoneTerms
from billing_core.window import UnknownTimezoneError, zone_of
from controller.catalogue_terms import (
    club_terms,
    stored_club_terms,
    stored_zone_terms,
    zone_limits,
)
from controller.club_file_lines import line_of
from controller.notation import written
from schemas.access import Role
from schemas.catalogue import (
    ClubDocument,
    PcAdministrativeState,
    PcDocument,
    PlayerGroupDocument,
    StaffDocument,
    StaffRole,
    ZoneDocument,
)

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
_ZONE_OWN: Final = ("name", "position", "archived")
_TOP: Final = (
    "chain",
    "timezone",
    "currency",
    "club",
    "zones",
    "pcs",
    "groups",
    "tariffs",
    "staff",
)
_STAFF: Final = ("staff_id", "name", "role", "chain_role", "enabled")

D = TypeVar("D", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class FileFault:
    """What is wrong: where in the file (``zones[1].name``), on which line if that is known."""

    path: str
    problem: str
    line: int | None = None

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        return f"{place}{self.path}: {self.problem}" if self.path else f"{place}{self.problem}"


class ClubFileError(Exception):
    """A file that cannot be taken; ``faults`` names everything that is wrong with it."""

    def __init__(self, faults: Iterable[FileFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class ClubFile:
    """A club with what it needs of its chain. Tariffs are at version 1, whatever the chain has.

    Of staff, the roles in this club and those in the whole chain.
    """

    chain_id: str
    club: ClubDocument
    zones: tuple[ZoneDocument, ...] = ()
    pcs: tuple[PcDocument, ...] = ()
    tariffs: tuple[Tariff, ...] = ()
    groups: tuple[PlayerGroupDocument, ...] = ()
    staff: tuple[StaffDocument, ...] = ()


def parse_club_file(text: str) -> ClubFile:
    """The club in a file. Raises ClubFileError."""
    if len(text.encode()) > MAX_FILE_BYTES:
        raise ClubFileError([FileFault("", f"larger than {MAX_FILE_BYTES} bytes")])
    try:
        data = tomllib.loads(text)
        # Whatever is stored of it must be JSON, whose whole numbers have 64 bits.
        orjson.dumps(data, default=str)
    except (tomllib.TOMLDecodeError, RecursionError, TypeError) as error:
        raise ClubFileError([FileFault("", str(error))]) from error
    reading = _Reading(data)
    found = reading.club_file()
    if found is None or reading.faults:
        faults = [replace(fault, line=line_of(text, fault.path)) for fault in reading.faults]
        raise ClubFileError(faults)
    return found


class _Reading:
    """Reads a file's tables and remembers everything that is wrong."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.faults: list[FileFault] = []
        self._data = data

    def club_file(self) -> ClubFile | None:
        """The file's club; None when too little of it can be read."""
        for name in self._data.keys() - set(_TOP):
            self._fault(name, "unknown field")
        chain_id = self._data.get("chain")
        if not isinstance(chain_id, str) or not chain_id:
            self._fault("chain", "missing")
        club = self._table("club")
        grid = self._grid(club)
        if grid is None or self.faults:
            return None
        document = self._document(
            ClubDocument,
            "club",
            {
                "club_id": club.get("club_id"),
                "name": club.get("name"),
                "timezone": grid.club.timezone,
                "currency": grid.club.currency,
                "terms": stored_club_terms(grid.club),
            },
        )
        if document is None:
            return None
        found = ClubFile(
            chain_id=str(chain_id),
            club=document,
            zones=self._zones(document.club_id, grid.zones),
            pcs=self._each("pcs", lambda item, at: self._pc(document.club_id, item, at)),
            tariffs=grid.tariffs,
            groups=self._each(
                "groups", lambda item, at: self._document(PlayerGroupDocument, at, item)
            ),
            staff=self._each("staff", lambda item, at: self._person(document.club_id, item, at)),
        )
        self._check_ids(found)
        return found

    def _grid(self, club: Mapping[str, Any]) -> TariffGrid | None:
        """The parts that a tariff file has too, read as there."""
        zones = self._tables("zones")
        tariffs = self._tables("tariffs")
        for index, tariff in enumerate(tariffs):
            if "version" in tariff:
                self._fault(f"tariffs[{index}].version", "the chain numbers versions itself")
        shared = {name: self._data[name] for name in ("timezone", "currency") if name in self._data}
        try:
            grid = grid_from_plain(
                {
                    **shared,
                    "club": {k: v for k, v in club.items() if k not in ("name", "club_id")},
                    "zones": [_without(zone, _ZONE_OWN) for zone in zones],
                    "tariffs": tariffs,
                }
            )
            zone_of(grid.club.timezone)
        except StoredValueError as error:
            self._fault(error.path, error.problem)
            return None
        except UnknownTimezoneError as error:
            self._fault("timezone", str(error))
            return None
        return grid

    def _zones(self, club_id: str, limits: tuple[ZoneTerms, ...]) -> tuple[ZoneDocument, ...]:
        found = []
        for index, (table, terms) in enumerate(zip(self._tables("zones"), limits, strict=True)):
            own = {name: table[name] for name in _ZONE_OWN if name in table}
            named = {
                "zone_id": terms.zone_id,
                "club_id": club_id,
                "tariff_ids": terms.tariff_ids,
                "default_tariff_id": terms.default_tariff_id,
                "terms": stored_zone_terms(terms),
            }
            zone = self._document(ZoneDocument, f"zones[{index}]", {**own, **named})
            if zone is not None:
                found.append(zone)
        return tuple(found)

    def _pc(self, club_id: str, table: Mapping[str, Any], at: str) -> PcDocument | None:
        if "club_id" in table:
            self._fault(f"{at}.club_id", "unknown field")
        return self._document(PcDocument, at, {**table, "club_id": club_id})

    def _person(self, club_id: str, table: Mapping[str, Any], at: str) -> StaffDocument | None:
        for name in table.keys() - set(_STAFF):
            self._fault(f"{at}.{name}", "unknown field")
        roles = []
        for name, place in (("role", club_id), ("chain_role", None)):
            if name in table:
                role = self._document(StaffRole, at, {"role": table[name], "club_id": place})
                roles += [] if role is None else [role]
        own = {name: table[name] for name in ("staff_id", "name", "enabled") if name in table}
        return self._document(StaffDocument, at, {**own, "roles": tuple(roles)})

    def _document(self, model: type[D], at: str, values: Mapping[str, Any]) -> D | None:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            for each in error.errors(include_url=False, include_context=False):
                inner = ".".join(str(part) for part in each["loc"])
                self._fault(f"{at}.{inner}", each["msg"])
            return None

    def _each(self, name: str, read: Callable[[Mapping[str, Any], str], D | None]) -> tuple[D, ...]:
        tables = enumerate(self._tables(name))
        found = (read(table, f"{name}[{index}]") for index, table in tables)
        return tuple(one for one in found if one is not None)

    def _table(self, name: str) -> Mapping[str, Any]:
        found = self._data.get(name, {})
        if isinstance(found, Mapping):
            return found
        self._fault(name, "expected a table")
        return {}

    def _tables(self, name: str) -> list[Mapping[str, Any]]:
        found = self._data.get(name, [])
        if isinstance(found, list) and all(isinstance(one, Mapping) for one in found):
            return found
        self._fault(name, "expected tables")
        return []

    def _check_ids(self, found: ClubFile) -> None:
        """Nothing is there twice."""
        named: tuple[tuple[str, str, list[str]], ...] = (
            ("zones", "zone_id", [zone.zone_id for zone in found.zones]),
            ("pcs", "pc_id", [pc.pc_id for pc in found.pcs]),
            ("tariffs", "id", [tariff.id for tariff in found.tariffs]),
            ("groups", "group_id", [group.group_id for group in found.groups]),
            ("staff", "staff_id", [person.staff_id for person in found.staff]),
        )
        for table, field, ids in named:
            for index, one in enumerate(ids):
                if one in ids[:index]:
                    self._fault(f"{table}[{index}].{field}", f"{one} is there twice")

    def _fault(self, path: str, problem: str) -> None:
        self.faults.append(FileFault(path, problem))


def club_file_text(club: ClubFile) -> str:
    """The file, the same for the same club."""
    document = club.club
    data: dict[str, Any] = {
        "chain": club.chain_id,
        "timezone": document.timezone,
        "currency": document.currency,
        "club": {
            "club_id": document.club_id,
            "name": document.name,
            **written(club_terms(document)),
        },
        "zones": [_zone_table(zone) for zone in club.zones],
        "pcs": [_pc_table(pc) for pc in club.pcs],
        "groups": [{"group_id": one.group_id, "name": one.name} for one in club.groups],
        "tariffs": [_tariff_table(one, document.currency) for one in club.tariffs],
        "staff": [_staff_table(one) for one in club.staff],
    }
    return tomli_w.dumps({name: value for name, value in data.items() if value != []})


def _zone_table(zone: ZoneDocument) -> dict[str, Any]:
    limits = written(zone_limits(zone))
    table: dict[str, Any] = {"zone_id": zone.zone_id, "name": zone.name, "position": zone.position}
    if zone.tariff_ids:
        table["tariff_ids"] = list(zone.tariff_ids)
    if zone.default_tariff_id is not None:
        table["default_tariff_id"] = zone.default_tariff_id
    table |= _without(limits, ("zone_id",))
    return {**table, "archived": True} if zone.archived else table


def _pc_table(pc: PcDocument) -> dict[str, Any]:
    table = {"pc_id": pc.pc_id, "zone_id": pc.zone_id, "name": pc.name, "position": pc.position}
    retired = pc.state is PcAdministrativeState.RETIRED
    return {**table, "state": pc.state.value} if retired else table


def _tariff_table(tariff: Tariff, currency: str) -> dict[str, Any]:
    table = written(tariff)
    return _without(table, ("currency",)) if tariff.currency == currency else table


def _staff_table(person: StaffDocument) -> dict[str, Any]:
    table: dict[str, Any] = {"staff_id": person.staff_id, "name": person.name}
    held = {role.club_id is None: Role(role.role).value for role in person.roles}
    for name, is_chain in (("role", False), ("chain_role", True)):
        if is_chain in held:
            table[name] = held[is_chain]
    return table if person.enabled else {**table, "enabled": False}


def _without(table: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in set(names)}
