"""Every way a request can go wrong, turned into a problem in one place."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from actors.store import StoreUnavailableError
from controller.api.problems import FieldError, ProblemError, problem_response
from controller.archive import ArchiveError, ArchiveSlowError

log = structlog.get_logger(__name__)

METHOD_NOT_ALLOWED: Final = 405
_NOT_AN_OBJECT: Final = frozenset({"model_attributes_type", "model_type"})
_CODE_BY_STATUS: Final = {
    400: "malformed-body",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
}


def install_problems(app: FastAPI) -> None:
    """Make every error response of the application a problem."""
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(StoreUnavailableError, _on_store_lost)
    app.add_exception_handler(ArchiveSlowError, _on_too_broad)
    app.add_exception_handler(ArchiveError, _on_store_lost)
    app.add_exception_handler(Exception, _on_fault)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        assert isinstance(error, HTTPException)
        code = _CODE_BY_STATUS.get(error.status_code, "request-refused")
        headers = error.headers
        if error.status_code == METHOD_NOT_ALLOWED and (methods := _methods_of(request)):
            headers = {"Allow": ", ".join(methods)}
        error = ProblemError(code, headers=headers)
    return problem_response(error, instance=request.url.path)


def _methods_of(request: Request) -> list[str]:
    """Every method of an address of the document: the framework names its first route's alone."""
    paths: Mapping[str, Mapping[str, object]] = request.app.openapi()["paths"]
    found = (paths[one] for one in paths if _pattern(one).fullmatch(request.url.path))
    return sorted({method.upper() for methods in found for method in methods})


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", template))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    reasons = error.errors()
    if any(each["type"] == "json_invalid" for each in reasons):
        problem = ProblemError("malformed-body")
    elif any(each["type"] in _NOT_AN_OBJECT and each["loc"] == ("body",) for each in reasons):
        problem = ProblemError("malformed-body", "Send one JSON object as application/json.")
    else:
        errors = tuple(FieldError(_path(each["loc"]), _words(each["msg"])) for each in reasons)
        first = errors[0]
        detail = f"{first.field}: {first.message}" if first.field else first.message
        problem = ProblemError("invalid-request", detail, field=first.field or None, errors=errors)
    return problem_response(problem, instance=request.url.path)


async def _on_store_lost(request: Request, error: Exception) -> Response:
    log.warning("store_unavailable", path=request.url.path, error=str(error))
    return problem_response(ProblemError("store-unavailable"), instance=request.url.path)


async def _on_too_broad(request: Request, _error: Exception) -> Response:
    log.warning("query_too_broad", path=request.url.path)
    return problem_response(ProblemError("query-too-broad"), instance=request.url.path)


async def _on_fault(request: Request, error: Exception) -> Response:
    log.error("request_failed", path=request.url.path, error=type(error).__name__)
    return problem_response(ProblemError("internal-error"), instance=request.url.path)


def _path(location: tuple[int | str, ...]) -> str:
    """Where in the request: ``amountMinor``, not ``body.amountMinor``."""
    return ".".join(str(part) for part in location[1:])


def _words(message: str) -> str:
    return message.removeprefix("Value error, ")
