"""What a kind of problem is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem: its stable code, HTTP status, title and what a caller can do."""

    code: str
    status: int
    title: str
    meaning: str
    retry_after_seconds: int | None = None
