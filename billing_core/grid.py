"""A tariff grid as an operator writes it: plain tables with windows in words, to values.

The plain forms of :mod:`billing_core.stored` are accepted everywhere; these are shorter ways to
say the same: a schedule is a list of window texts, a price rule with one price has
``price_per_hour_minor`` in place of ``tiers``, ``version`` defaults to 1 and ``currency`` to that
of the grid.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from billing_core.stored import StoredValueError, from_plain
from billing_core.tariff import Tariff, TariffRef
from billing_core.terms import ClubTerms, ZoneTerms
from billing_core.window_text import parse_window

_CLUB_FIELDS: Final = frozenset({"club", "timezone", "currency", "zones", "tariffs"})


@dataclass(frozen=True, slots=True)
class TariffGrid:
    """A club's settings, its zones and its tariffs. A zone not listed sells everything."""

    club: ClubTerms
    zones: tuple[ZoneTerms, ...]
    tariffs: tuple[Tariff, ...]

    def zone(self, zone_id: str) -> ZoneTerms:
        """The zone by id, without limits of its own if the grid does not list it."""
        for zone in self.zones:
            if zone.zone_id == zone_id:
                return zone
        return ZoneTerms(zone_id)

    @property
    def by_ref(self) -> dict[TariffRef, Tariff]:
        """Tariffs by version."""
        return {tariff.ref: tariff for tariff in self.tariffs}


def grid_from_plain(data: object) -> TariffGrid:
    """Read a grid, or a single tariff standing for a grid of one. Raises StoredValueError."""
    table = _table(data, "")
    if "type" in table and "tariffs" not in table:
        own = {key: value for key, value in table.items() if key not in {"timezone", "club"}}
        shared = {key: table[key] for key in ("timezone", "club", "currency") if key in table}
        table = {**shared, "tariffs": [own]}
    for name in table:
        if name not in _CLUB_FIELDS:
            raise StoredValueError(name, "unknown field")
    club = _club(table)
    zones = _items(table, "zones", _zone)
    tariffs = _items(table, "tariffs", lambda item, path: _tariff(item, path, club.currency))
    return TariffGrid(club, tuple(zones), tuple(tariffs))


def _table(data: object, path: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise StoredValueError(path, f"expected a table of fields, found {data!r}")
    return data


def _items(table: Mapping[str, Any], name: str, read: Callable[[Any, str], Any]) -> list[Any]:
    values = table.get(name, [])
    if not isinstance(values, list):
        raise StoredValueError(name, f"expected a list, found {values!r}")
    return [read(value, f"{name}[{index}]") for index, value in enumerate(values)]


def _at(path: str, kind: type[Any], data: Mapping[str, Any]) -> Any:  # noqa: ANN401
    try:
        return from_plain(kind, data)
    except StoredValueError as error:
        raise StoredValueError(_joined(path, error.path), error.problem) from error


def _joined(path: str, inner: str) -> str:
    return f"{path}.{inner}" if path and inner else path or inner


def _club(table: Mapping[str, Any]) -> ClubTerms:
    club = dict(_table(table.get("club", {}), "club"))
    for name in ("timezone", "currency"):
        if name in table:
            club.setdefault(name, table[name])
        if name not in club:
            raise StoredValueError(name, "missing")
    club.setdefault("club_id", "club")
    if "opening" in club:
        club["opening"] = _schedule(club["opening"], "club.opening")
    terms: ClubTerms = _at("club", ClubTerms, club)
    return terms


def _zone(data: object, path: str) -> ZoneTerms:
    zone = dict(_table(data, path))
    if "opening" in zone:
        zone["opening"] = _schedule(zone["opening"], f"{path}.opening")
    terms: ZoneTerms = _at(path, ZoneTerms, zone)
    return terms


def _tariff(data: object, path: str, currency: str) -> Tariff:
    plain = {"version": 1, "currency": currency, **_table(data, path)}
    plain.setdefault("name", plain.get("id"))
    for policy, schedule in (("sales", "when"), ("usage", "start")):
        if policy in plain:
            inner = dict(_table(plain[policy], f"{path}.{policy}"))
            if schedule in inner:
                inner[schedule] = _schedule(inner[schedule], f"{path}.{policy}.{schedule}")
            plain[policy] = inner
    if isinstance(plain.get("prices"), list):
        plain["prices"] = [
            _rule(rule, f"{path}.prices[{index}]", index)
            for index, rule in enumerate(plain["prices"])
        ]
    tariff: Tariff = _at(path, Tariff, plain)
    return tariff


def _rule(data: object, path: str, index: int) -> dict[str, Any]:
    rule = {"name": f"rule-{index + 1}", **_table(data, path)}
    if "when" in rule:
        rule["when"] = _schedule(rule["when"], f"{path}.when")
    if "price_per_hour_minor" in rule:
        if "tiers" in rule:
            problem = "give either one price or tiers"
            raise StoredValueError(f"{path}.price_per_hour_minor", problem)
        price = rule.pop("price_per_hour_minor")
        if type(price) is not int:
            problem = f"expected a whole number, found {price!r}"
            raise StoredValueError(f"{path}.price_per_hour_minor", problem)
        rule["tiers"] = [{"from_minutes": 0, "price_per_hour_minor": price}]
    return rule


def _schedule(data: object, path: str) -> object:
    """Window texts inside a schedule become tables; anything else is left to the reader."""
    if isinstance(data, str):
        data = [data]
    if isinstance(data, list):
        data = {"windows": data}
    if isinstance(data, Mapping) and isinstance(data.get("windows"), list):
        windows = [_window(item, f"{path}[{index}]") for index, item in enumerate(data["windows"])]
        return {**data, "windows": windows}
    return data


def _window(item: object, path: str) -> object:
    if not isinstance(item, str):
        return item
    try:
        window = parse_window(item)
    except ValueError as error:
        raise StoredValueError(path, str(error)) from error
    return {
        "start_minute": window.start_minute,
        "end_minute": window.end_minute,
        "weekdays": list(window.weekdays),
        "from_date": window.from_date,
        "until_date": window.until_date,
        "dates": list(window.dates),
    }
