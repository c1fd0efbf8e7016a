"""What the API says of itself: problem responses, security, and the document as committed."""

from typing import Any, Final

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from controller.api import models

TITLE: Final = "clubctl API"
VERSION: Final = "1"
API_PREFIX: Final = "/api/v1"
OPENAPI_PATH: Final = f"{API_PREFIX}/openapi.json"
_DESCRIPTION: Final = """\
Sessions, halls, players and wallets of one chain of computer clubs.

* **Keys.** `Authorization: Bearer <key>`. A key belongs to one chain and sees nothing else.
* **Retries.** Every change needs an `Idempotency-Key`. The same key with the same content gives \
the first answer again for two days, a refusal that was decided included; with other content it is \
refused (422). An equal request that arrives while the first is being decided waits for the same \
answer; only when too many wait is it told 409. What could not be decided (400, 401, 403 at the \
door, 404 of the path, 422 `invalid-request`, 428, 429, 503) leaves the key free. `If-Match` is no \
part of the content. One thing is never told again: the secret of a new API key.
* **Money** is an integer in minor units beside its ISO 4217 currency.
* **Lists** come in pages: at most `limit` rows (50 unless told, 200 at most) in the order of \
`sort` (`-` in front: descending), and `nextCursor`, which as `cursor` asks for the next page; \
null: there are no more. A cursor is good for its list, order and filters. Whatever comes or goes \
between pages, what stays is on exactly one of them. Names sort by code point.
* **Instants** are RFC 3339 in UTC with milliseconds.
* **Problems** are RFC 9457; `code` is stable, and `/problems` lists every one.
* **Live.** `/clubs/{clubId}/hall/stream` sends the hall as server-sent events.
"""

Responses = dict[int | str, dict[str, Any]]


def _problems(**by_status: str) -> Responses:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status.removeprefix("s"): {"description": words, "content": content}
        for status, words in by_status.items()
    }


QUERY_PROBLEMS: Final = _problems(
    s401="No key, or a key nobody knows",
    s403="Not allowed",
    s404="Nothing by this id in the chain",
    s413="The body is too large",
    s422="The request does not fit; `errors` names the fields",
    s429="Too much is asked at once; `Retry-After` says when to try again",
    s503="The store does not answer; try again",
)
COMMAND_PROBLEMS: Final = QUERY_PROBLEMS | _problems(
    s402="The wallet does not cover it",
    s400="Idempotency-Key is missing or cannot be one, or the body cannot be read",
    s403="Refused: not allowed, or sent by another site",
    s409="The state of things does not allow it; `code` says why",
    s412="The session has changed since the version `If-Match` names",
    s413="The body is too large",
    s429="Too many commands of this key at once",
)
EDIT_PROBLEMS: Final = COMMAND_PROBLEMS | _problems(
    s412="It has changed since the version `If-Match` names",
    s428="`If-Match` is missing",
)


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the application, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=TITLE, version=VERSION, description=_DESCRIPTION, routes=app.routes
        )
        schemas = document["components"]["schemas"]
        problem = models.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs", {})
        schemas["Problem"] = problem
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "A key of the chain."}
        }
        document["security"] = [{"key": []}]
        for operations in document["paths"].values():
            for operation in operations.values():
                _require_headers(operation)
        app.openapi_schema = document
    return app.openapi_schema


def _require_headers(operation: dict[str, Any]) -> None:
    """They are optional to the framework, so that their absence is our problem and not a 422."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "Idempotency-Key":
            parameter["required"] = True
            parameter["schema"] = {"type": "string", "minLength": 1, "maxLength": 128}
        elif parameter["name"] == "If-Match" and "428" in operation["responses"]:
            parameter["required"] = True
            parameter["schema"] = {"type": "string", "minLength": 1}


def committed_form(app: FastAPI) -> bytes:
    """The document as it is committed: sorted and indented, one line end at the end."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(describe(app), option=options)
