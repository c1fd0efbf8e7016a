"""Problems of whoever asks for too much at once, or while something is away: wait and repeat."""

from typing import Final

from controller.api.problem_kind import ProblemKind

LOAD_PROBLEMS: Final = (
    ProblemKind(
        "too-many-requests",
        429,
        "Too many requests at once",
        "This key has too many commands or live streams open. Wait, then send again.",
        retry_after_seconds=1,
    ),
    ProblemKind(
        "overloaded",
        429,
        "Too much at once",
        "More was asked of this server or of the club's host than they work on at a time. Reads "
        "are refused first. Nothing was done: send the same request again with the same key.",
        retry_after_seconds=2,
    ),
    ProblemKind(
        "busy",
        503,
        "Busy",
        "The club is being taken over by another host, or its store does not answer. Nothing is "
        "known to have changed: send the same request again with the same key.",
        retry_after_seconds=1,
    ),
    ProblemKind(
        "store-unavailable",
        503,
        "The store does not answer",
        "The state store cannot be reached. Send the same request again with the same key.",
        retry_after_seconds=2,
    ),
)
