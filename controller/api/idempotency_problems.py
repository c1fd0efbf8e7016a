"""Problems with the key that makes a request safe to repeat."""

from typing import Final

from controller.api.problem_kind import ProblemKind

IDEMPOTENCY_PROBLEMS: Final = (
    ProblemKind(
        "idempotency-key-missing",
        400,
        "Idempotency-Key is missing",
        "Everything that changes state needs an `Idempotency-Key` header of its own, so that a "
        "retry is safe: 1 to 128 visible ASCII characters.",
    ),
    ProblemKind(
        "idempotency-key-invalid",
        400,
        "Idempotency-Key cannot be one",
        "It is too long, or has other characters in it than visible ASCII.",
    ),
    ProblemKind(
        "idempotency-key-reused",
        422,
        "Idempotency-Key was used for something else",
        "The key belongs to an earlier request with other content. A new request needs a new key.",
    ),
    ProblemKind(
        "idempotency-key-in-flight",
        409,
        "The same request is still being decided",
        "An equal request with this key has no answer yet. Send it again after a moment.",
        retry_after_seconds=1,
    ),
)
