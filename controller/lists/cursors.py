"""Where a page ended, as text that only means something to the list that gave it."""

import heapq
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from operator import itemgetter
from typing import Final, Protocol, TypeVar

import orjson

from controller.archive.listing import PageAsk, SortValue

CURSOR_CHARACTERS_MAX: Final = 2_048
"""A club's name in capitals that fold to three letters each fits."""
IDS_SORTED: Final = frozenset({"status", "zoneId", "pcId", "tariffId"})
TEXT_SORTS: Final = IDS_SORTED | {"name", "phone", "position"}
"""What sorts by text; everything else sorts by a whole number."""
NUMBER_MAX: Final = 2**53
NUL: Final = "\0"
"""Text that a database would refuse to look for. A name may have it: none sorts names."""
QUERY_DIGITS: Final = 16


class CursorError(ValueError):
    """Not a cursor of this list in this order with these filters."""


class Listed(Protocol):
    """A row of a list."""

    @property
    def row_id(self) -> str:
        """What tells rows of one sort value apart."""

    def value(self, sort: str) -> SortValue:
        """What it is sorted by."""


T = TypeVar("T", bound=Listed)


def query_of(where: str, wanted: Mapping[str, object]) -> str:
    """What stands for one list with one set of filters; several values of one come in any order."""
    plain = {
        name: sorted(set(one)) if isinstance(one, list | frozenset) else one
        for name, one in wanted.items()
    }
    told = orjson.dumps([where, plain], option=orjson.OPT_SORT_KEYS)
    return sha256(told).hexdigest()[:QUERY_DIGITS]


def page_asked(sort: str, cursor: str | None, limit: int, *, query: str) -> PageAsk:
    """The page after ``cursor`` of the list ``query`` sorted by ``sort`` (``-`` in front:
    descending).

    Raises CursorError.
    """
    name = sort.removeprefix("-")
    after = None if cursor is None else _place(sort, cursor, query)
    return PageAsk(name, sort.startswith("-"), after, limit, query)


def _place(sort: str, cursor: str, query: str) -> tuple[SortValue, str]:
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        said, value, row_id, asked = orjson.loads(raw)
    except (ValueError, TypeError) as error:
        raise CursorError("not a cursor") from error
    name = sort.removeprefix("-")
    kind = str if name in TEXT_SORTS else int
    if (said, asked) != (sort, query) or type(value) is not kind or not isinstance(row_id, str):
        raise CursorError("a cursor of another list")
    if NUL in row_id or (name in IDS_SORTED and NUL in str(value)):
        raise CursorError("not a cursor")
    if isinstance(value, int) and abs(value) > NUMBER_MAX:
        raise CursorError("not a cursor")
    return value, row_id


def cursor_after(ask: PageAsk, last: Listed) -> str:
    """The cursor of the page that follows ``last``."""
    sort = f"-{ask.sort}" if ask.descending else ask.sort
    raw = orjson.dumps([sort, last.value(ask.sort), last.row_id, ask.query])
    return urlsafe_b64encode(raw).decode().rstrip("=")


def merged(rows: Iterable[T], ask: PageAsk) -> list[T]:
    """Those of ``rows`` that come after the page before, in order, at most a page of them."""
    keyed = (((one.value(ask.sort), one.row_id), one) for one in rows)
    if ask.after is not None:
        after = ask.after
        keyed = (
            pair
            for pair in keyed
            if (_less(pair[0], after) if ask.descending else _less(after, pair[0]))
        )
    first = heapq.nlargest if ask.descending else heapq.nsmallest
    return [one for _, one in first(ask.count, keyed, key=itemgetter(0))]


def _less(one: tuple[SortValue, str], other: tuple[SortValue, str]) -> bool:
    if type(one[0]) is not type(other[0]):
        raise CursorError("a cursor of another list")
    return one < other
