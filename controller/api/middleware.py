"""What every request passes: the body limit, the security headers, the measuring.

Pure ASGI on purpose: a live stream must pass through unbuffered.
"""

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.clock import Clock
from controller.api.problems import ProblemError, problem_response
from controller.metrics import HttpMetrics

MAX_BODY_BYTES: Final = 16 * 1024
STATIC_PREFIX: Final = "/static/"
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS: Final = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
)


class BodyLimit:
    """Refuses bodies over the limit: at once by Content-Length, else as soon as they exceed it."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a counting ``receive``."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _declared_bytes(scope) > self._max_bytes:
            response = problem_response(ProblemError("body-too-large"), instance=scope["path"])
            response.headers["connection"] = "close"
            await response(scope, receive, send)
            return
        await self._app(scope, _counted(receive, self._max_bytes), send)


def _declared_bytes(scope: Scope) -> int:
    declared = Headers(scope=scope).get("content-length", "0")
    return int(declared) if declared.isdecimal() else 0


def _counted(receive: Receive, max_bytes: int) -> Receive:
    taken_bytes = 0

    async def counted() -> Message:
        nonlocal taken_bytes
        message = await receive()
        if message["type"] == "http.request":
            taken_bytes += len(message.get("body", b""))
            if taken_bytes > max_bytes:
                raise ProblemError("body-too-large", headers={"Connection": "close"})
        return message

    return counted


class SecurityHeaders:
    """Adds the headers that keep a browser from doing more than the page needs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers when its response starts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS:
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Measured:
    """Counts requests by route template and status, and times the ones that are not streams."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics, clock: Clock) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count how it ended; a response never begun is a 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_at_ms = self._clock.mono_ms()
        status = 500
        streams = False

        async def send_observed(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                kind = Headers(raw=message["headers"]).get("content-type", "")
                streams = kind.startswith("text/event-stream")
            await send(message)

        try:
            await self._app(scope, receive, send_observed)
        finally:
            took_ms = None if streams else self._clock.mono_ms() - began_at_ms
            self._metrics.observe(
                method=scope["method"],
                route=_route_template(scope),
                status=status,
                took_ms=took_ms,
            )


def _route_template(scope: Scope) -> str:
    if scope["path"].startswith(STATIC_PREFIX):
        return STATIC_PREFIX
    route = scope.get("route")
    template = getattr(route, "path", None)
    return template if isinstance(template, str) else "unmatched"
