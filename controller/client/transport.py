"""How the client asks: the key of the chain, retries that repeat the same request, and problems.

A request whose answer was lost is sent again with the same Idempotency-Key, so that it happens
once however often it was sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter

ATTEMPTS_MAX: Final = 8
RETRY_FIRST_S: Final = 0.2
RETRY_MAX_S: Final = 5.0
REQUEST_TIMEOUT_S: Final = 15.0
RETRIED_CODES: Final = frozenset(
    {"busy", "overloaded", "store-unavailable", "idempotency-key-in-flight", "too-many-requests"}
)
RETRIED_STATUSES: Final = frozenset({429, 502, 503, 504})

M = TypeVar("M", bound=BaseModel)


class ClubctlError(Exception):
    """Base of what the client raises: ClubctlError > ProblemError | NoAnswerError."""


class ProblemError(ClubctlError):
    """The server refused. ``code`` is stable, ``status`` the HTTP status."""

    def __init__(self, code: str, status: int, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.status = status
        self.detail = detail

    @property
    def is_passing(self) -> bool:
        """The same request may be answered in a moment."""
        return self.code in RETRIED_CODES or self.status in RETRIED_STATUSES


class NoAnswerError(ClubctlError):
    """No attempt was answered. Whether a command happened is not known: send it once more with
    the same key."""


class Transport:
    """Sends requests for the operations, up to ``attempts`` times; ``sleep`` waits in between."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        attempts: int = ATTEMPTS_MAX,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = http
        self._attempts = attempts
        self._sleep = sleep

    async def send(
        self,
        answer: type[M],
        method: str,
        path: str,
        *,
        key: str | None = None,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> M:
        """The parsed answer. Raises ProblemError and NoAnswerError."""
        said = {"Idempotency-Key": key, **(headers or {})}
        sent = {name: value for name, value in said.items() if value is not None}
        pause_s, problem = RETRY_FIRST_S, None
        for attempt in range(self._attempts):
            if attempt:
                await self._sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_MAX_S)
            try:
                response = await self._http.request(
                    method, path, json=body, params=query, headers=sent
                )
            except httpx.TransportError:
                response = None
            if response is not None:
                if response.is_success:
                    return TypeAdapter(answer).validate_json(response.content)
                problem = problem_of(response)
                if not problem.is_passing:
                    raise problem
        raise problem or NoAnswerError(f"{method} {path} was not answered")


class Clear(Enum):
    """What a change may set a field to, where None already leaves it alone."""

    CLEAR = "clear"


CLEAR: Final = Clear.CLEAR
"""Empties the field: it is sent as null."""


def given(**fields: object) -> dict[str, object]:
    """The fields that were given; None leaves one out, CLEAR empties it."""
    return {
        name: None if value is CLEAR else value
        for name, value in fields.items()
        if value is not None
    }


def part(name: str) -> str:
    """An id as one part of an address."""
    return quote(name, safe="")


def open_http(base_url: str, api_key: str) -> httpx.AsyncClient:
    """A connection for one key of a chain. The caller closes it."""
    return httpx.AsyncClient(
        base_url=f"{base_url}/api/v1",
        headers={"Authorization": f"Bearer {api_key}"},
        timeout=REQUEST_TIMEOUT_S,
        trust_env=False,
    )


def problem_of(response: httpx.Response) -> ProblemError:
    """The problem an answer tells of."""
    try:
        document = response.json()
    except ValueError:
        document = {}
    known = document if isinstance(document, dict) else {}
    code = str(known.get("code", f"http-{response.status_code}"))
    return ProblemError(code, response.status_code, str(known.get("detail", "")))
