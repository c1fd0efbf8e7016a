"""Pages of what is in memory whole: a chain's catalogue, or what one read has brought."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from controller.archive.listing import PageAsk, SortValue
from controller.lists.cursors import cursor_after, merged

T = TypeVar("T")
POSITION_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """What the rows of a list are told apart by and may be sorted by.

    A row has one value of each sort. Text compares by code point, whatever the language.
    """

    row_id: Callable[[T], str]
    sorts: Mapping[str, Callable[[T], SortValue]]

    def page(self, rows: Iterable[T], ask: PageAsk) -> tuple[list[T], str | None]:
        """(rows of the page, cursor of the next page, None when there are no more).

        Whatever comes or goes between two pages, a row that stays is on exactly one of them.
        """
        known = (_Row(one, self) for one in rows)
        found = merged(known, replace(ask, count=ask.count + 1))
        page = [one.row for one in found[: ask.count]]
        more = cursor_after(ask, found[ask.count - 1]) if len(found) > ask.count else None
        return page, more


@dataclass(frozen=True, slots=True)
class _Row(Generic[T]):
    row: T
    listing: Listing[T]

    @property
    def row_id(self) -> str:
        return self.listing.row_id(self.row)

    def value(self, sort: str) -> SortValue:
        return self.listing.sorts[sort](self.row)


def in_hall(position: int, name: str) -> str:
    """Where something stands in the hall, as text: by position, then by name."""
    return f"{position:0{POSITION_DIGITS}} {name}"
