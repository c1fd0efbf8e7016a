"""Problems of whoever turns pages of a list."""

from typing import Final

from controller.api.problem_kind import ProblemKind

LIST_PROBLEMS: Final = (
    ProblemKind(
        "cursor-invalid",
        422,
        "The cursor does not fit",
        "A cursor is the `nextCursor` of the same list in the same order with the same filters; "
        "begin without one.",
    ),
    ProblemKind(
        "search-too-broad",
        422,
        "Too many players match",
        "`search` matches more players than sessions can be looked for at once; say more of the "
        "name or the number.",
    ),
    ProblemKind(
        "query-too-broad",
        422,
        "Too much to look through",
        "Looking through history took too long; ask for a shorter period, for one club, or in the "
        "order that is usual.",
    ),
    ProblemKind(
        "archive-behind",
        503,
        "History is not complete",
        "The archive is far behind the store, and a list would have gaps. Try again later.",
        retry_after_seconds=30,
    ),
)
