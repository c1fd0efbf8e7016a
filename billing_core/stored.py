"""From plain dicts (as any JSON reader gives them) to the values of this room.

Writers serialise the dataclasses as they are, tariffs and transactions with their version before
the rest; this is the way back. Unknown keys are refused and missing ones take their defaults, so a
reader accepts what the version before wrote. What cannot be
read as it is says another version, and :class:`StoredKind` has the steps between them.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from sys import intern
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from billing_core.player_tariff import PlayerTariff
from billing_core.sale import Order
from billing_core.session import STATE_VERSION, SessionState
from billing_core.tariff import Tariff
from billing_core.terms import ClubTerms, ZoneTerms

_Value = TypeVar("_Value")
_Reader = Callable[[Any, str], Any]
_PLAIN: Final = (str, int, bool)
ORDER_VERSION: Final = 1
TARIFF_VERSION: Final = 1
TRANSACTION_VERSION: Final = 1


class StoredValueError(ValueError):
    """A value of the wrong shape. ``path`` names the field: ``prices[0].tiers[1].from_minutes``."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


def from_plain(kind: type[_Value], data: object) -> _Value:
    """Build a dataclass of this room from plain data. Raises StoredValueError."""
    wanted: Any = kind
    return cast("_Value", _reader(wanted)(data, ""))


Plain = Mapping[str, Any]
Upgrade = Callable[[Plain], Plain]
"""A document of one version as the next one would have written it."""


@dataclass(frozen=True, slots=True)
class StoredKind:
    """A kind of document: the version this release writes, and the way there from older ones.

    ``upgrades`` maps a version to the step that leads from it to the next. A document without
    ``v`` is of version 0. One that is newer is refused: whoever wrote it knows more than we do.
    """

    version: int
    upgrades: Mapping[int, Upgrade] = field(default_factory=dict)

    def upgraded(self, document: Plain) -> Plain:
        """The document as this release writes it. Raises StoredValueError."""
        if not isinstance(document, Mapping):
            raise StoredValueError("", f"expected a table of fields, found {_found(document)}")
        version = document.get("v", 0)
        if type(version) is not int:
            raise StoredValueError("v", f"unknown version {version!r}, this is {self.version}")
        while version in self.upgrades and version != self.version:
            document = {**self.upgrades[version](document), "v": version + 1}
            version += 1
        if version != self.version:
            raise StoredValueError("v", f"unknown version {version!r}, this is {self.version}")
        return document


def unchanged(document: Plain) -> Plain:
    """The step between versions whose documents are alike but for ``v``."""
    return document


SESSION: Final = StoredKind(STATE_VERSION, {1: unchanged})
"""The first version did not say what was forfeited and handed back; it reads as nothing."""
ORDER: Final = StoredKind(ORDER_VERSION, {0: unchanged})
"""Before orders had a version they were as those of the first are."""
TARIFF: Final = StoredKind(TARIFF_VERSION, {0: unchanged})
TRANSACTION: Final = StoredKind(TRANSACTION_VERSION, {0: unchanged})
"""Tariffs and entries of the ledger had no version at first; they were as the first is."""


def session_from_dict(data: Plain) -> SessionState:
    """A stored session of this version or an older one. Raises StoredValueError."""
    return from_plain(SessionState, SESSION.upgraded(data))


def tariff_from_dict(data: Mapping[str, Any]) -> Tariff:
    """A stored tariff of this version or an older one. Raises StoredValueError."""
    document = TARIFF.upgraded(data)
    return from_plain(Tariff, {name: document[name] for name in document if name != "v"})


def player_tariff_from_dict(data: Mapping[str, Any]) -> PlayerTariff:
    """A stored player tariff."""
    return from_plain(PlayerTariff, data)


def order_from_dict(data: Mapping[str, Any]) -> Order:
    """A stored order of this version or an older one. Raises StoredValueError."""
    return from_plain(Order, ORDER.upgraded(data))


def club_terms_from_dict(data: Mapping[str, Any]) -> ClubTerms:
    """A club's stored settings."""
    return from_plain(ClubTerms, data)


def zone_terms_from_dict(data: Mapping[str, Any]) -> ZoneTerms:
    """A zone's stored settings."""
    return from_plain(ZoneTerms, data)


@cache
def _reader(kind: Any) -> _Reader:  # noqa: ANN401 - a type expression has no type of its own
    origin = get_origin(kind)
    if origin in (UnionType, Union):
        return _optional_reader(kind)
    if origin is tuple:
        return _tuple_reader(get_args(kind)[0])
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass_reader(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_reader(kind)
    if kind is date:
        return _read_date
    assert kind in _PLAIN, f"no reader for {kind!r}"
    return _read_text if kind is str else _plain_reader(kind)


def _read_text(data: Any, path: str) -> str:  # noqa: ANN401
    """Text, each kept once: sessions of a club share most of theirs, and name their own often."""
    if type(data) is not str:
        raise StoredValueError(path, f"expected {_NAMES[str]}, found {_found(data)}")
    return intern(data)


def _plain_reader(kind: type) -> _Reader:
    def read(data: Any, path: str) -> Any:  # noqa: ANN401
        if type(data) is not kind:
            raise StoredValueError(path, f"expected {_NAMES[kind]}, found {_found(data)}")
        return data

    return read


_NAMES: Final = {str: "text", int: "a whole number", bool: "true or false"}


def _found(data: object) -> str:
    return "nothing" if data is None else repr(data)


def _read_date(data: Any, path: str) -> date:  # noqa: ANN401
    if isinstance(data, date):
        return data
    try:
        return date.fromisoformat(data)
    except (TypeError, ValueError) as error:
        raise StoredValueError(path, f"expected a date like 2026-05-01, found {data!r}") from error


def _enum_reader(kind: type[Enum]) -> _Reader:
    members: dict[Any, Enum] = {member.value: member for member in kind}

    def read(data: Any, path: str) -> Enum:  # noqa: ANN401
        try:
            return members[data]
        except (KeyError, TypeError) as error:
            choices = ", ".join(str(value) for value in members)
            raise StoredValueError(path, f"{data!r} is not one of {choices}") from error

    return read


def _optional_reader(kind: Any) -> _Reader:  # noqa: ANN401
    (inner,) = (option for option in get_args(kind) if option is not NoneType)
    read_inner = _reader(inner)

    def read(data: Any, path: str) -> Any:  # noqa: ANN401
        return None if data is None else read_inner(data, path)

    return read


def _tuple_reader(item: Any) -> _Reader:  # noqa: ANN401
    read_item = _reader(item)

    def read(data: Any, path: str) -> tuple[Any, ...]:  # noqa: ANN401
        if not isinstance(data, list | tuple):
            raise StoredValueError(path, f"expected a list, found {_found(data)}")
        return tuple([read_item(value, f"{path}[{index}]") for index, value in enumerate(data)])

    return read


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _dataclass_reader(kind: type) -> _Reader:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}
    required = [field.name for field in fields(kind) if _required(field)]

    def read(data: Any, path: str) -> Any:  # noqa: ANN401
        if not isinstance(data, Mapping):
            raise StoredValueError(path, f"expected a table of fields, found {_found(data)}")
        prefix = f"{path}." if path else ""
        values = {}
        for name, value in data.items():
            read_field = readers.get(name)
            if read_field is None:
                raise StoredValueError(f"{prefix}{name}", "unknown field")
            values[name] = read_field(value, f"{prefix}{name}")
        for name in required:
            if name not in values:
                raise StoredValueError(f"{prefix}{name}", "missing")
        return kind(**values)

    return read
