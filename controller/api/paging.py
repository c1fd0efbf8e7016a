"""What every list is asked with: how long a page is, where it begins, in which order."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeVar

from fastapi import Depends, Query, Request

from controller.api.dependencies import AsPrincipal
from controller.api.instants import parse_instant
from controller.api.problems import ProblemError
from controller.archive.listing import PageAsk
from controller.lists.cursors import CURSOR_CHARACTERS_MAX, CursorError, page_asked, query_of
from controller.lists.sources import ArchiveBehindError
from schemas.commands import EntityId

PAGE_MAX: Final = 200
PAGE_USUAL: Final = 50

T = TypeVar("T")
Cursor = Annotated[
    str | None,
    Query(
        max_length=CURSOR_CHARACTERS_MAX,
        description="`nextCursor` of the page before: of this list, in this order, with these "
        "filters. Another one is `cursor-invalid`.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="Rows of a page.")]
Id = Annotated[EntityId | None, Query()]
Ids = Annotated[list[EntityId] | None, Query(max_length=PAGE_MAX)]
InstantAsked = Annotated[
    str | None,
    Query(max_length=40, description="RFC 3339", json_schema_extra={"format": "date-time"}),
]
NameSort = Literal["name", "-name"]
PlaceSort = Literal["position", "-position", "name", "-name"]


@dataclass(frozen=True, slots=True)
class Turning:
    """The page somebody turns to."""

    request: Request
    principal: AsPrincipal
    cursor: Cursor = None
    limit: Limit = PAGE_USUAL

    @property
    def is_first(self) -> bool:
        """Whether the list is begun: what is shown then is as of now."""
        return self.cursor is None

    def asked(self, sort: str, **wanted: object) -> PageAsk:
        """The page in this order; ``wanted`` are all filters of the list, by name.

        Raises ProblemError ``cursor-invalid``.
        """
        query = query_of(f"{self.principal.chain_id}\n{self.request.url.path}", wanted)
        try:
            return page_asked(sort, self.cursor, self.limit, query=query)
        except CursorError as error:
            raise cursor_invalid() from error


InTurning = Annotated[Turning, Depends()]


def cursor_invalid() -> ProblemError:
    """What whoever turns pages with another list's cursor is told."""
    return ProblemError("cursor-invalid", field="cursor")


async def listed(page: Awaitable[T]) -> T:
    """The page. Raises ProblemError ``cursor-invalid``, ``archive-behind``."""
    try:
        return await page
    except CursorError as error:
        raise cursor_invalid() from error
    except ArchiveBehindError as error:
        raise ProblemError("archive-behind") from error


def at_ms(name: str, text: str | None) -> int | None:
    """An instant of the query. Raises ProblemError ``invalid-request``."""
    try:
        return None if text is None else parse_instant(text)
    except ValueError as error:
        raise ProblemError("invalid-request", f"{name}: {error}", field=name) from error
