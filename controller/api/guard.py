"""Routes that know whom they serve before they read a byte of the body."""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, get_args, get_origin

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from controller.api.access import check_access, needed_for, needed_of
from controller.api.auth import COOKIE_NAME, refuse_cross_site, unauthorized
from controller.api.concerned import club_concerned
from controller.api.dependencies import Rooms, rooms_of
from controller.api.principal import Principal
from controller.api.problems import Noting, ProblemError
from controller.api.refusals import AUDITED_STATUSES
from controller.api.stored_keys import KEY_PREFIX, is_stored
from controller.api.tokens import IssuerUnavailableError, TokenRefusedError
from schemas.access import PrincipalKind

JWT_DOTS: Final = 2
MAX_ORIGIN: Final = 64
UNREADABLE: Final = 400
MAX_NAME_SHOWN: Final = 64
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route that answers 401 or 403 first, and everything else only to a known principal."""

    def get_route_handler(self) -> Handler:
        """The framework's handler behind the gate."""
        handle = super().get_route_handler()
        needed_for(self.operation_id)
        asked_by = dict(_query_names(self.dependant))

        async def guarded(request: Request) -> Response:
            principal = await known_principal(request)
            permission = needed_of(
                self.operation_id or "", is_player=principal.player_id is not None
            )
            if permission is not None:
                principal = principal.asking_for(permission)
            origin = "" if request.client is None else request.client.host[:MAX_ORIGIN]
            request.state.principal = principal = replace(principal, origin=origin)
            try:
                check_access(principal, permission, request.path_params)
                _check_query(request, asked_by)
                return await handle(request)
            except (HTTPException, RequestValidationError) as error:
                code = _audited_code(request, error)
                if code is not None:
                    await _note(request, principal, operation=self.operation_id or "", code=code)
                raise

        return guarded


def _query_names(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Each parameter of the query, and whether it is a list of values."""
    for one in dependant.query_params:
        yield one.alias, _is_list(one.field_info.annotation)
    for inner in dependant.dependencies:
        yield from _query_names(inner)


def _is_list(annotation: object) -> bool:
    return any(get_origin(one) is list for one in (annotation, *get_args(annotation)))


def _check_query(request: Request, known: Mapping[str, bool]) -> None:
    """A filter whose name is mistyped would find everything, and of two values of one that takes
    one the first would be passed over. Raises ProblemError."""
    for asked, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        name = asked[:MAX_NAME_SHOWN]
        if asked not in known:
            raise ProblemError("invalid-request", f"{name}: no such parameter", field=name)
        if times > 1 and not known[asked]:
            raise ProblemError("invalid-request", f"{name}: given more than once", field=name)


async def _note(request: Request, principal: Principal, *, operation: str, code: str) -> None:
    rooms = rooms_of(request)
    club = partial(club_concerned, rooms.given, principal.chain_id, request.path_params)
    await rooms.refusals.note(request, principal, operation=operation, code=code, club=club)


def _audited_code(request: Request, error: HTTPException | RequestValidationError) -> str | None:
    """What the audit says of a refused change; None for reads, and for what it has already."""
    if request.method in _SAFE_METHODS:
        return None
    if isinstance(error, RequestValidationError):
        return "invalid-request"
    if not isinstance(error, ProblemError):
        return "malformed-body" if error.status_code == UNREADABLE else None
    by_status = error.noting is Noting.BY_STATUS and error.status_code in AUDITED_STATUSES
    return error.kind.code if by_status or error.noting is Noting.DUE else None


async def known_principal(request: Request) -> Principal:
    """Whom a request speaks for now: by a token of the issuer, a key, or the page's cookie.

    Raises ProblemError ``unauthorized``, ``forbidden``, ``issuer-unavailable``.
    """
    rooms = rooms_of(request)
    given = rooms.given
    header = request.headers.get("authorization")
    if header is None:
        return await _by_cookie(request, rooms)
    scheme, _, token = header.partition(" ")
    is_bearer, token = scheme.lower() == "bearer", token.strip()
    if is_bearer and token.startswith(KEY_PREFIX):
        key = await rooms.stored_keys.holder_of(token)
        if key is None:
            raise unauthorized()
        return key.principal
    if given.tokens is None or not (is_bearer and token.count(".") == JWT_DOTS):
        return given.gate.by_bearer(header)
    try:
        principal = await given.tokens.principal(token)
    except TokenRefusedError as error:
        raise unauthorized() from error
    except IssuerUnavailableError as error:
        raise ProblemError("issuer-unavailable") from error
    if principal.kind is PrincipalKind.STAFF:
        return await rooms.stored_keys.as_employed(principal)
    return principal


async def _by_cookie(request: Request, rooms: Rooms) -> Principal:
    principal = await signed_in(request, rooms)
    if principal is None:
        raise unauthorized()
    if request.method not in _SAFE_METHODS:
        refuse_cross_site(request)
    return principal


async def signed_in(request: Request, rooms: Rooms) -> Principal | None:
    """Whom the page's cookie stands for, if there is a good one."""
    gate, now_ms = rooms.given.gate, rooms.given.real_clock.wall_ms()
    principal = gate.by_cookie(request, now_ms)
    cookie = request.cookies.get(COOKIE_NAME)
    claims = None if cookie is None else gate.cookies.read(cookie, now_ms)
    if principal is not None or claims is None or not is_stored(claims.name):
        return principal
    key = await rooms.stored_keys.named(claims.chain_id, claims.name)
    return gate.cookies.stands_for(claims, key)
