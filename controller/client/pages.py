"""Lists of the API from their first page to their last."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import ParamSpec, Protocol, TypeVar, cast


class Paged(Protocol):
    """A page of a list."""

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins; None: there are no more."""


P = ParamSpec("P")
Page = TypeVar("Page", bound=Paged)


async def every_page(
    call: Callable[P, Awaitable[Page]], *args: P.args, **kwargs: P.kwargs
) -> AsyncIterator[Page]:
    """The pages that a call of the client lists, in order; an empty page may lead on.

    ``async for page in every_page(club.list_pcs, "north", sort="name")``. Raises what the call
    raises; a page that was given stays good.
    """
    turned = cast("Callable[..., Awaitable[Page]]", call)
    page = await call(*args, **kwargs)
    yield page
    while page.next_cursor is not None:
        page = await turned(*args, **{**kwargs, "cursor": page.next_cursor})
        yield page
