"""The JSON Schema of a tariff file, derived from the billing room's types so it cannot lag."""

from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from billing_core.tariff import PriceRule, Tariff
from billing_core.terms import ClubTerms, ZoneTerms
from billing_core.window import Schedule, TimeWindow

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final = {str: "string", int: "integer", bool: "boolean"}
_WINDOW_TEXT: Final = {
    "type": "string",
    "description": (
        "Days (mon-fri, sat,sun, daily), hours (HH:MM-HH:MM) and dates (from..until, or single "
        "dates that beat weekdays), in any order."
    ),
    "examples": ["fri,sat 23:00-07:00", "mon-fri", "2026-05-01 10:00-02:00"],
}
_DEFAULTED_IN_FILES: Final = {Tariff: {"version", "name", "currency"}, PriceRule: {"name"}}


def tariff_schema() -> dict[str, Any]:
    """Schema of a grid: ``timezone``, ``currency``, ``club``, ``zones``, ``tariffs``."""
    club = _object_schema(ClubTerms)
    club["required"] = []
    return {
        "$schema": SCHEMA_DIALECT,
        "title": "clubctl tariff file",
        "description": "Amounts are integer minor units; windows are local to the time zone.",
        "type": "object",
        "additionalProperties": False,
        "required": ["timezone", "currency", "tariffs"],
        "properties": {
            "timezone": {"type": "string", "examples": ["Europe/Berlin"]},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "club": club,
            "zones": {"type": "array", "items": _object_schema(ZoneTerms)},
            "tariffs": {"type": "array", "items": _object_schema(Tariff)},
        },
    }


@cache
def _schema_of(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a type expression has no type
    origin = get_origin(kind)
    if origin in (UnionType, Union):
        (inner,) = (option for option in get_args(kind) if option is not NoneType)
        return {"anyOf": [_schema_of(inner), {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _schema_of(get_args(kind)[0])}
    return _schema_of_class(kind)


def _schema_of_class(kind: type) -> dict[str, Any]:
    if kind is Schedule:
        schema = _schedule_schema()
    elif kind is TimeWindow:
        schema = {"anyOf": [_WINDOW_TEXT, _object_schema(TimeWindow)]}
    elif is_dataclass(kind):
        schema = _object_schema(kind)
    elif issubclass(kind, Enum):
        schema = {"enum": [member.value for member in kind]}
    elif kind is date:
        schema = {"type": "string", "format": "date"}
    else:
        schema = {"type": _PLAIN[kind]}
    return schema


def _schedule_schema() -> dict[str, Any]:
    windows = _schema_of(TimeWindow)
    return {
        "description": "Nothing means always.",
        "anyOf": [
            _WINDOW_TEXT,
            {"type": "array", "items": windows},
            _object_schema(Schedule),
        ],
    }


def _object_schema(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    properties = {field.name: _schema_of(hints[field.name]) for field in fields(kind)}
    optional = _DEFAULTED_IN_FILES.get(kind, set())
    required = [
        field.name for field in fields(kind) if _is_required(field) and field.name not in optional
    ]
    if kind is PriceRule:
        properties["price_per_hour_minor"] = {
            "type": "integer",
            "description": "One price for all minutes, in place of tiers.",
        }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
