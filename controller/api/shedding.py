"""What an overloaded process refuses first: reads, then changes. Ticks are none of its business.

Hosts bill whatever happens here. The limits keep this process answering: a read can be asked
again, and while many changes wait it would only make them wait longer.
"""

from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api.problems import ProblemError, problem_response
from schemas.enrolment import ENROLMENT_PATH, REFRESH_PATH

MAX_READS_IN_FLIGHT: Final = 256
MAX_CHANGES_IN_FLIGHT: Final = 2_048
"""Equal requests that wait for one answer included."""
CHANGES_BEFORE_READS: Final = 512
"""With so many changes in flight no read is begun."""
MAX_AT_DOORS: Final = 64
"""Requests of callers nobody knows yet. They send their body before anyone can ask who they are,
as slowly as they like, so they are counted apart: they may fill up the doors and nothing else."""
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_DOORS: Final = frozenset({ENROLMENT_PATH, REFRESH_PATH, "/login", "/logout"})
_ALWAYS_SERVED: Final = ("/static/", "/livez", "/readyz", "/metrics")
"""Whoever watches the process has to see it when it is busy."""


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """How much of each kind one process works on at once."""

    reads: int = MAX_READS_IN_FLIGHT
    changes: int = MAX_CHANGES_IN_FLIGHT
    changes_before_reads: int = CHANGES_BEFORE_READS
    doors: int = MAX_AT_DOORS


class Shedding:
    """Answers ``overloaded`` (429, Retry-After) to what is over the limits, before any work."""

    def __init__(self, app: ASGIApp, limits: LoadLimits) -> None:
        self._app = app
        self._limits = limits
        self._reads = 0
        self._changes = 0
        self._at_doors = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count it until it is answered; a stream until it begins."""
        if scope["type"] != "http" or scope["path"].startswith(_ALWAYS_SERVED):
            await self._app(scope, receive, send)
        elif scope["method"] in _READS:
            await self._read(scope, receive, send)
        elif scope["path"] in _DOORS:
            await self._at_a_door(scope, receive, send)
        elif self._changes >= self._limits.changes:
            await _refuse(scope, receive, send)
        else:
            self._changes += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._changes -= 1

    async def _at_a_door(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._at_doors >= self._limits.doors:
            await _refuse(scope, receive, send)
            return
        self._at_doors += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._at_doors -= 1

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits = self._limits
        if self._reads >= limits.reads or self._changes >= limits.changes_before_reads:
            await _refuse(scope, receive, send)
            return
        counted = True
        self._reads += 1

        def done() -> None:
            nonlocal counted
            if counted:
                counted = False
                self._reads -= 1

        async def send_observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                kind = Headers(raw=message["headers"]).get("content-type", "")
                if kind.startswith("text/event-stream"):
                    # Live streams have a limit of their own.
                    done()
            await send(message)

        try:
            await self._app(scope, receive, send_observed)
        finally:
            done()


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    response = problem_response(ProblemError("overloaded"), instance=scope["path"])
    await response(scope, receive, send)
