"""Writes what the API says of itself: ``python -m controller.api.export docs/openapi.json``."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from controller.api.openapi import committed_form
from controller.api.problem_table import PROBLEMS
from controller.api.routers import API_ROUTERS


def openapi_document() -> str:
    """The OpenAPI document as committed."""
    app = FastAPI()
    for router in API_ROUTERS:
        app.include_router(router)
    return committed_form(app).decode()


def problems_markdown() -> str:
    """Every problem type, by status and code."""
    lines = [
        "# Problems",
        "",
        "Errors are `application/problem+json` (RFC 9457). `code` is stable; `type` is",
        "`/problems/<code>` on the server itself.",
        "",
        "| status | code | what it means |",
        "|---|---|---|",
    ]
    kinds = sorted(PROBLEMS.values(), key=lambda kind: (kind.status, kind.code))
    lines += [f"| {kind.status} | `{kind.code}` | {kind.title}. {kind.meaning} |" for kind in kinds]
    return "\n".join(lines) + "\n"


_WRITERS: Final[Mapping[str, Callable[[], str]]] = {
    "openapi.json": openapi_document,
    "problems.md": problems_markdown,
}

if __name__ == "__main__":
    for argument in sys.argv[1:]:
        path = Path(argument)
        path.write_text(_WRITERS[path.name]())
