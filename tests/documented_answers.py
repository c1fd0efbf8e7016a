"""Holds every answer of the API against the document: its status must be one of its operation."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx

_DOCUMENT = Path(__file__).parents[1] / "docs" / "openapi.json"


@cache
def _operations() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    paths: dict[str, dict[str, Any]] = json.loads(_DOCUMENT.read_text())["paths"]
    # Fixed names before placeholders: ``/clubs/{clubId}/pcs/unknown`` is no PC called "unknown".
    templates = sorted(paths, key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), paths[path]) for path in templates]


async def documented(answer: httpx.Response) -> None:
    """A hook of a client. 405 and what has no operation are the framework's own."""
    request = answer.request
    for pattern, operations in _operations():
        if pattern.fullmatch(request.url.path):
            operation = operations.get(request.method.lower())
            if operation is not None:
                told = f"{operation['operationId']} answered {answer.status_code}"
                assert str(answer.status_code) in operation["responses"], told
            return
