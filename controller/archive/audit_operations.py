"""What the audit's operations are called: by the API's operation ids, however they were stored.

Hosts store a command's kind and the enrolment office words of its own, all in snake case; the
edge and edits store operation ids.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson

_RESOLVED: Final = "resolve_outage"
_STORED_AS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "approveOutage": _RESOLVED,
        "rejectOutage": _RESOLVED,
        "revokePc": "revoked_pc",
        "quarantinePc": "quarantined_pc",
    }
)
"""Operation -> what is stored where that is not its id in snake case."""
_ID_OF: Final = {stored: one for one, stored in _STORED_AS.items() if stored != _RESOLVED}


def operation_id(told: Mapping[str, Any]) -> str:
    """The operation id of a stored entry."""
    stored = str(told["operation"])
    if stored == _RESOLVED:
        return "approveOutage" if orjson.loads(told["asked"])["approve"] else "rejectOutage"
    first, *rest = stored.split("_")
    return _ID_OF.get(stored) or first + "".join(word.capitalize() for word in rest)


def stored_spellings(operations: Iterable[str]) -> frozenset[str]:
    """Everything entries of these operations may be stored under; for outages of others too."""
    asked = frozenset(operations)
    special = {_STORED_AS[one] for one in asked if one in _STORED_AS}
    return asked | special | {_snake_case(one) for one in asked}


def _snake_case(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)
