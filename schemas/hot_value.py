"""Values that are made anew all the time: frozen for the checker, not at run time.

The same decorator as ``billing_core/hot_value.py``, for both ends of the wire: neither room may
know the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as hot_value
    from dataclasses import replace
else:

    def hot_value(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        """``@hot_value(frozen=True, slots=True)`` compares and hashes as the standard one does."""
        assert frozen
        return dataclass(slots=slots, unsafe_hash=True)

    @cache
    def _fields_of(kind: type) -> Callable[[object], tuple[object, ...]]:
        names = kind.__match_args__
        if len(names) > 1:
            return attrgetter(*names)
        return lambda value: tuple(getattr(value, name) for name in names)

    def replace(value: object, /, **changes: object) -> object:
        """As the standard one, in a third of its time. For classes with slots and no
        ``__post_init__``, all of whose fields are arguments."""
        kind = value.__class__
        changed = kind(*_fields_of(kind)(value))
        for name, one in changes.items():
            object.__setattr__(changed, name, one)
        return changed


__all__ = ["hot_value", "replace"]
