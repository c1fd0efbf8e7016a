"""A typed client of the API: every operation by its name, with retries that happen once.

    async with open_http("https://club.example", key) as http:
        club = ClubctlClient(http)
        session = await club.create_session("north", key="order-17", pc_id="pc-3", ...)

Each command takes ``key``, an Idempotency-Key of the caller's own. Lists come in pages, and
:func:`every_page` turns them. A change leaves what is None alone and empties what is ``CLEAR``.
Refusals are raised as :class:`ProblemError` with their stable code.
"""

from controller.client.every_call import ClubctlClient
from controller.client.pages import every_page
from controller.client.stream import HallEvent
from controller.client.transport import (
    CLEAR,
    ClubctlError,
    NoAnswerError,
    ProblemError,
    open_http,
)

__all__ = [
    "CLEAR",
    "ClubctlClient",
    "ClubctlError",
    "HallEvent",
    "NoAnswerError",
    "ProblemError",
    "every_page",
    "open_http",
]
