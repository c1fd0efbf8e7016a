"""Values that are made anew all the time: frozen for the checker, not at run time.

The same decorator as ``billing_core/hot_value.py``, for both ends of the wire: neither room may
know the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as hot_value
else:

    def hot_value(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        """``@hot_value(frozen=True, slots=True)`` compares and hashes as the standard one does."""
        assert frozen
        return dataclass(slots=slots, unsafe_hash=True)


__all__ = ["hot_value"]
