"""Values of which every tick makes new ones: frozen for the checker, not at run time.

``dataclass(frozen=True)`` has to set each field past its own guard, ten times slower than a plain
assignment, and a tick of one session sets about a hundred: a fifth of all its time. mypy reads
the decorator below as the standard one and refuses every assignment to a field just the same.
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
