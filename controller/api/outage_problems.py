"""Problems of whoever decides over time in which a PC did not serve."""

from typing import Final

from controller.api.problem_kind import ProblemKind

OUTAGE_PROBLEMS: Final = (
    ProblemKind(
        "outage-not-found",
        404,
        "No such outage",
        "Nothing of that session waits for a decision under that number.",
    ),
    ProblemKind(
        "outage-decided",
        409,
        "The outage is decided",
        "It was given back, rejected, or never proposed.",
    ),
)
