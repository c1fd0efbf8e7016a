"""Bearer tokens of people who sign in elsewhere: JWTs of one issuer, checked with its keys.

Claims: ``sub`` (a player's id for the role player), ``chain_id``, and optionally ``role`` and
``club_ids``; without a role the chain's own list of staff says what the person may do. The
issuer's key set is kept and read again when it is old or names no key that a token was signed
with. An issuer that does not answer is not asked for each token; what it said last holds for an
hour.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import httpx
import structlog
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from actors.clock import Clock
from controller.api.principal import Principal
from schemas.access import ROLE_PERMISSIONS, PrincipalKind, Role
from schemas.commands import Channel, EntityId

ALGORITHMS: Final = ("ES256", "RS256", "Ed25519", "EdDSA")
KEYS_KEPT_MS: Final = 600_000
"""A key that its issuer has withdrawn is refused after this time."""
KEYS_UNCONFIRMED_MS: Final = 3_600_000
"""Keys of an issuer that stays away are good for this long: it can withdraw none meanwhile."""
READ_AGAIN_MS: Final = 5_000
"""Without good keys an issuer that did not answer is asked again after this time."""
UNKNOWN_KEY_PAUSE_MS: Final = 30_000
"""Tokens with unknown keys do not make us ask the issuer more often than this."""
LEEWAY_S: Final = 30
FETCH_TIMEOUT_S: Final = 5.0
MAX_TOKEN_CHARACTERS: Final = 8_192

log = structlog.get_logger(__name__)

ReadKeys = Callable[[], Awaitable[dict[str, Any]]]


class TokenRefusedError(Exception):
    """The token is not good: forged, expired, of another issuer, or without what we need."""


class _KeyUnknownError(TokenRefusedError):
    """None of the keys we have has signed it: one we have not read yet may have."""


class IssuerUnavailableError(Exception):
    """The issuer's keys cannot be had, and none are kept that are still good."""


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
        self._asked_at_ms: int | None = None
        self._reading = asyncio.Lock()

    async def principal(self, token: str) -> Principal:
        """Whom a token speaks for. Raises TokenRefusedError, IssuerUnavailableError."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenRefusedError("too long")
        keys = self._meanwhile() or await self._kept(KEYS_KEPT_MS)
        try:
            claims = self._claims(token, keys)
        except _KeyUnknownError:
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
        except (InvalidKeyIdError, BadSignatureError) as error:
            raise _KeyUnknownError(str(error)) from error
        except (JoseError, ValidationError, ValueError) as error:
            raise TokenRefusedError(str(error)) from error

    def _meanwhile(self) -> KeySet | None:
        """Good keys while they are being read again: one token waits for that, not all."""
        return self._keys if self._reading.locked() and self._is_good() else None

    async def _kept(self, at_most_ms: int) -> KeySet:
        """Keys not older than this, as far as the issuer answers."""
        async with self._reading:
            now_ms = self._clock.mono_ms()
            if self._is_due(now_ms, at_most_ms):
                self._asked_at_ms = now_ms
                await self._refresh()
            if self._keys is None or not self._is_good():
                raise IssuerUnavailableError("no keys that are still good")
            return self._keys

    def _is_good(self) -> bool:
        return self._keys is not None and self._age_ms() < KEYS_UNCONFIRMED_MS

    def _is_due(self, now_ms: int, at_most_ms: int) -> bool:
        if self._asked_at_ms is None:
            return True
        is_good = self._is_good()
        pause_ms = UNKNOWN_KEY_PAUSE_MS if is_good else READ_AGAIN_MS
        is_old = not is_good or self._age_ms() >= at_most_ms
        return is_old and now_ms - self._asked_at_ms >= pause_ms

    def _age_ms(self) -> int:
        return self._clock.mono_ms() - self._read_at_ms

    async def _refresh(self) -> None:
        """Read the keys; an issuer that has none to give leaves those we have."""
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
            log.warning("issuer_keys_unread", issuer=self._issuer.name, reason=repr(error))
            return
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
