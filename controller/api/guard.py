"""Routes that know whom they serve before they read a byte of the body."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from controller.api.dependencies import rooms_of

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route that answers 401 or 403 first, and everything else only to a known principal."""

    def get_route_handler(self) -> Handler:
        """The framework's handler behind the gate."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            given = rooms_of(request).given
            request.state.principal = given.gate.principal(request, given.real_clock.wall_ms())
            return await handle(request)

        return guarded
