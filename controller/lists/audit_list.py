"""The audit by who, what, about whom and when, newest first, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from actors.store import ReadModels, StreamEntry, place_of
from controller.archive.audit_operations import operation_id
from controller.archive.audit_rows import AuditFilter, audit_page
from controller.archive.listing import PageAsk, SortValue
from controller.lists.cursors import CursorError, cursor_after
from controller.lists.sources import Archived
from schemas.views import AuditEntryView

ENTRIES_PER_READ: Final = 500
ENTRIES_PER_PAGE_MAX: Final = 5_000
"""So many are looked through for a page; then it is short, or empty, and its cursor leads on."""
DEPTH_MAX: Final = 3
_DIGITS_MAX: Final = 18


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """An entry of the audit where it stands; its operation is an id, however it is stored."""

    entry_id: str
    view: AuditEntryView


class AuditList:
    """Pages of one chain's audit: from the store, and from the archive what has left it."""

    def __init__(self, store: ReadModels, archived: Archived | None) -> None:
        self._store = store
        self._archived = archived

    async def page(
        self, chain_id: str, wanted: AuditFilter, *, ask: PageAsk
    ) -> tuple[list[ListedEntry], str | None]:
        """(entries, cursor of the next page); a page may be short and lead on. Raises CursorError.

        The order is that of the audit, whatever ``ask`` is sorted by.
        """
        before = None if ask.after is None else _place_in(ask.after)
        found: list[ListedEntry] = []
        looked = 0
        while looked < ENTRIES_PER_PAGE_MAX:
            read = await self._read(chain_id, wanted, before=before)
            for entry in read:
                one = _wanted(entry, wanted)
                if one is not None and len(found) == ask.count:
                    return found, cursor_after(ask, _Place(found[-1].entry_id))
                found += [] if one is None else [one]
            if len(read) < ENTRIES_PER_READ:
                return found, None
            before = read[-1].entry_id
            looked += len(read)
        return found, cursor_after(ask, _Place(read[-1].entry_id))

    async def _read(
        self, chain_id: str, wanted: AuditFilter, *, before: str | None
    ) -> Sequence[StreamEntry]:
        read = await self._store.audit(chain_id, before=before, count=ENTRIES_PER_READ)
        if len(read) == ENTRIES_PER_READ or self._archived is None:
            return read
        older = await self._archived.look(
            audit_page,
            chain_id,
            wanted,
            before=read[-1].entry_id if read else before,
            count=ENTRIES_PER_READ - len(read),
        )
        return [*read, *older]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page ended, on an entry that is shown or not."""

    row_id: str

    def value(self, sort: str) -> SortValue:  # noqa: ARG002 - there is one order
        return place_of(self.row_id)[0]


def _place_in(after: tuple[SortValue, str]) -> str:
    at, entry_id = after
    numbers = entry_id.split("-")
    if len(numbers) != 2 or not all(_is_number(one) for one in numbers) or int(numbers[0]) != at:
        raise CursorError("not a cursor")
    return entry_id


def _is_number(text: str) -> bool:
    """One the store and every database take."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX


def _wanted(entry: StreamEntry, wanted: AuditFilter) -> ListedEntry | None:
    """The entry, if it passes the filter as the archive's query has it, and names the target."""
    told: dict[str, Any] = orjson.loads(entry.payload)
    told["operation"] = operation_id(told)
    for name, value in (
        ("club_id", wanted.club_id),
        ("principal", wanted.principal),
        ("result", wanted.result),
    ):
        if value is not None and told[name] != value:
            return None
    if wanted.operations is not None and told["operation"] not in wanted.operations:
        return None
    if wanted.from_ms is not None and told["at_ms"] < wanted.from_ms:
        return None
    if wanted.until_ms is not None and told["at_ms"] >= wanted.until_ms:
        return None
    if wanted.target is not None and not _names(orjson.loads(told["asked"]), wanted.target):
        return None
    return ListedEntry(entry.entry_id, AuditEntryView.model_validate(told))


def _names(asked: object, target: str, depth: int = DEPTH_MAX) -> bool:
    """Whether a value in what was asked for is this id."""
    if isinstance(asked, str):
        return asked == target
    if depth == 0 or not isinstance(asked, dict | list):
        return False
    inner = asked.values() if isinstance(asked, dict) else asked
    return any(_names(one, target, depth - 1) for one in inner)
