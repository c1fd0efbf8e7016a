"""Routes that know whom they serve before they read a byte of the body."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from controller.api.access import check_access, needed_for
from controller.api.auth import unauthorized
from controller.api.dependencies import rooms_of
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from controller.api.tokens import IssuerUnavailableError, TokenRefusedError

JWT_DOTS: Final = 2
MAX_ORIGIN: Final = 64

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route that answers 401 or 403 first, and everything else only to a known principal."""

    def get_route_handler(self) -> Handler:
        """The framework's handler behind the gate."""
        handle = super().get_route_handler()
        permission = needed_for(self.operation_id)

        async def guarded(request: Request) -> Response:
            principal = await _principal(request)
            check_access(principal, permission, request.path_params)
            origin = "" if request.client is None else request.client.host[:MAX_ORIGIN]
            request.state.principal = replace(principal, origin=origin)
            return await handle(request)

        return guarded


async def _principal(request: Request) -> Principal:
    """By a token of the configured issuer, else by a key or the page's cookie."""
    given = rooms_of(request).given
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    is_token = scheme.lower() == "bearer" and token.count(".") == JWT_DOTS
    if given.tokens is None or not is_token:
        return given.gate.principal(request, given.real_clock.wall_ms())
    try:
        return await given.tokens.principal(token.strip())
    except TokenRefusedError as error:
        raise unauthorized() from error
    except IssuerUnavailableError as error:
        raise ProblemError("issuer-unavailable") from error
