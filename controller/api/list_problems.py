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
        "archive-behind",
        503,
        "History is not complete",
        "The archive is far behind the store, and a list would have gaps. Try again later.",
        retry_after_seconds=30,
    ),
)
