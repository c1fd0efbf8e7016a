"""The shape of every stored kind: all fields it may have, by path, and the version it states."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from stored_shapes import GOLDEN

from actors.bought import BOUGHT
from actors.club_events import ClubState
from actors.ended import EndedSession
from actors.pc import PcState
from actors.shard_contents import CLUB, ENDED, PC
from billing_core.ledger import Transaction
from billing_core.player_tariff import PlayerTariff
from billing_core.sale import Order
from billing_core.session import SessionState
from billing_core.stored import ORDER, SESSION, TARIFF, TRANSACTION, StoredKind
from billing_core.tariff import Tariff

KINDS: Final[Mapping[str, tuple[type, StoredKind]]] = {
    "session": (SessionState, SESSION),
    "pc": (PcState, PC),
    "club": (ClubState, CLUB),
    "ended": (EndedSession, ENDED),
    "order": (Order, ORDER),
    "bought": (PlayerTariff, BOUGHT),
    "tariff": (Tariff, TARIFF),
    "transaction": (Transaction, TRANSACTION),
}
FILE: Final = GOLDEN / "shapes.json"


def paths(kind: Any, path: str = "") -> Iterator[str]:
    """Every field below a type, with ``[]`` for lists."""
    origin = get_origin(kind)
    if origin in (UnionType, Union):
        for option in get_args(kind):
            if option is not NoneType:
                yield from paths(option, path)
    elif origin is tuple:
        yield from paths(get_args(kind)[0], f"{path}[]")
    elif isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        for field in fields(kind):
            yield f"{path}.{field.name}"
            yield from paths(hints[field.name], f"{path}.{field.name}")


def shapes() -> dict[str, dict[str, Any]]:
    """What this release writes."""
    return {
        name: {"v": kind.version, "fields": sorted(set(paths(model)))}
        for name, (model, kind) in KINDS.items()
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(shapes(), indent=1) + "\n")
