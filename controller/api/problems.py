"""RFC 9457 problems: one registry of stable codes, one way to write them.

A problem's ``type`` is ``/problems/<code>``, a page of this server. ``code`` repeats it, and
``field`` names the request field (camel case) a refusal is about. Commands refused by the domain
arrive with their own code; a code the registry does not know is a conflict (409).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from controller.api.problem_table import PROBLEMS, ProblemKind

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
MAX_FIELD_ERRORS: Final = 20


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that could not be accepted: its path in the request and the reason in words."""

    field: str
    message: str


class Noting(Enum):
    """Whether the edge has to note a refused change in the audit."""

    BY_STATUS = "by-status"
    DONE = "done"
    """It was decided and kept with its key, and the audit has it."""
    DUE = "due"
    """Nothing of it was kept, whatever its status says."""


class ProblemError(HTTPException):
    """A request that ends in a problem. ``code`` is a key of the registry."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        field: str | None = None,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
        noting: Noting = Noting.BY_STATUS,
    ) -> None:
        self.noting = noting
        self.kind = problem_kind(code)
        self.field = field
        self.errors = errors
        super().__init__(self.kind.status, detail or self.kind.meaning, headers)


def problem_kind(code: str) -> ProblemKind:
    """The registered kind; an unknown domain code is a conflict under its own name."""
    known = PROBLEMS.get(code)
    if known is not None:
        return known
    return ProblemKind(code, 409, code.replace("-", " ").capitalize(), "The command was refused.")


def problem_response(error: ProblemError, *, instance: str | None = None) -> Response:
    """The problem as ``application/problem+json``, with Retry-After where waiting helps."""
    kind = error.kind
    document: dict[str, object] = {
        "type": f"/problems/{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": error.detail,
        "code": kind.code,
    }
    if instance is not None:
        document["instance"] = instance
    if error.field is not None:
        document["field"] = error.field
    if error.errors:
        document["errors"] = [
            {"field": each.field, "message": each.message}
            for each in error.errors[:MAX_FIELD_ERRORS]
        ]
    headers = dict(error.headers or {})
    if kind.retry_after_seconds is not None:
        headers.setdefault("Retry-After", str(kind.retry_after_seconds))
    return Response(
        orjson.dumps(document),
        status_code=kind.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=headers,
    )
