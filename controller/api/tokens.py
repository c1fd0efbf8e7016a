"""Bearer tokens of people who sign in elsewhere: JWTs of one issuer, checked with its keys.

Claims: ``sub`` (a player's id for the role player), ``chain_id``, and optionally ``role`` and
``club_ids``; without a role the chain's own list of staff says what the person may do. The
issuer's key set is kept and read again when it is old or names no key that a token was signed
with.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from actors.clock import Clock
from controller.api.principal import Principal
from schemas.access import ROLE_PERMISSIONS, PrincipalKind, Role
from schemas.commands import Channel, EntityId

ALGORITHMS: Final = ("ES256", "RS256", "Ed25519", "EdDSA")
KEYS_KEPT_MS: Final = 600_000
UNKNOWN_KEY_PAUSE_MS: Final = 30_000
"""Tokens with unknown keys do not make us ask the issuer more often than this."""
LEEWAY_S: Final = 30
FETCH_TIMEOUT_S: Final = 5.0
MAX_TOKEN_CHARACTERS: Final = 8_192

ReadKeys = Callable[[], Awaitable[dict[str, Any]]]


class TokenRefusedError(Exception):
    """The token is not good: forged, expired, of another issuer, or without what we need."""


class IssuerUnavailableError(Exception):
    """The issuer's keys cannot be had and none are kept."""


class _Claims(BaseModel):
    model_config = ConfigDict(extra="ignore")

    sub: EntityId
    chain_id: EntityId
    role: Annotated[Role | None, "None: what the chain itself says of this person"] = None
    club_ids: Annotated[list[EntityId] | None, "None: every club of the chain"] = None


_CLAIMS: Final = TypeAdapter(_Claims)


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are taken, and for whom they must be meant."""

    name: str
    audience: str


def keys_at(url: str) -> ReadKeys:
    """Reads a JWKS document over HTTP. Raises httpx.HTTPError or ValueError."""

    async def read() -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=FETCH_TIMEOUT_S) as client:
            answer = await client.get(url)
            answer.raise_for_status()
            document: dict[str, Any] = answer.json()
            return document

    return read


class TokenReader:
    """Principals out of bearer tokens."""

    def __init__(self, issuer: Issuer, read_keys: ReadKeys, clock: Clock) -> None:
        self._issuer = issuer
        self._read_keys = read_keys
        self._clock = clock
        self._keys: KeySet | None = None
        self._read_at_ms = 0
        self._reading = asyncio.Lock()

    async def principal(self, token: str) -> Principal:
        """Whom a token speaks for. Raises TokenRefusedError, IssuerUnavailableError."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenRefusedError("too long")
        keys = await self._kept(KEYS_KEPT_MS)
        try:
            claims = self._claims(token, keys)
        except TokenRefusedError:
            keys_again = await self._kept(UNKNOWN_KEY_PAUSE_MS)
            if keys_again is keys:
                raise
            claims = self._claims(token, keys_again)
        return _principal(claims)

    def _claims(self, token: str, keys: KeySet) -> _Claims:
        registry = jwt.JWTClaimsRegistry(
            now=self._clock.wall_ms() // 1_000,
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._issuer.name},
            aud={"essential": True, "value": self._issuer.audience},
            exp={"essential": True},
        )
        try:
            claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
            registry.validate(claims)
            return _CLAIMS.validate_python(claims)
        except (JoseError, ValidationError, ValueError) as error:
            raise TokenRefusedError(str(error)) from error

    async def _kept(self, at_most_ms: int) -> KeySet:
        async with self._reading:
            age_ms = self._clock.mono_ms() - self._read_at_ms
            if self._keys is None or age_ms >= at_most_ms:
                await self._refresh()
            assert self._keys is not None, "a refresh leaves keys or raises"
            return self._keys

    async def _refresh(self) -> None:
        try:
            self._keys = KeySet.import_key_set(await self._read_keys())  # type: ignore[arg-type]
        except (
            httpx.HTTPError,
            JoseError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
        ) as error:
            # An issuer may answer anything, a list for one; the reader of key sets trips over it.
            if self._keys is None:
                raise IssuerUnavailableError(repr(error)) from error
        self._read_at_ms = self._clock.mono_ms()


def _principal(claims: _Claims) -> Principal:
    is_player = claims.role is Role.PLAYER
    return Principal(
        claims.chain_id,
        claims.sub,
        kind=PrincipalKind.PLAYER if is_player else PrincipalKind.STAFF,
        permissions=frozenset() if claims.role is None else ROLE_PERMISSIONS[claims.role],
        club_ids=None if claims.club_ids is None else frozenset(claims.club_ids),
        player_id=claims.sub if is_player else None,
        channel=Channel.APP if is_player else Channel.CRM,
    )
