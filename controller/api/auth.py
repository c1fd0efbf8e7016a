"""Who speaks: keys of a chain, and the page's cookie that stands for one.

Keys are kept as SHA-256 digests. A key belongs to one chain, and everything a request can see
or change is looked up inside that chain. The cookie is signed with the server's own secret and
holds no key; taking a key out of the settings ends its cookies too.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from controller.api.principal import Principal
from controller.api.problems import ProblemError
from schemas.access import Permission
from schemas.commands import Channel

COOKIE_NAME: Final = "clubctl_operator"
COOKIE_LIFETIME_MS: Final = 12 * 3_600_000
MAX_KEY_CHARACTERS: Final = 512


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as configured: its chain, a name for logs, the hex SHA-256 of the key itself, and
    what it may do where (everything everywhere in its chain unless told otherwise)."""

    chain_id: str
    name: str
    sha256: str
    permissions: frozenset[Permission] = frozenset(Permission)
    club_ids: frozenset[str] | None = None
    channel: Channel = Channel.CRM

    @property
    def principal(self) -> Principal:
        """Whom a request with this key speaks for."""
        return Principal(
            self.chain_id,
            self.name,
            permissions=self.permissions,
            club_ids=self.club_ids,
            channel=self.channel,
        )


def digest_of(key: str) -> str:
    """What the settings keep of a key."""
    return sha256(key.encode()).hexdigest()


class KeyRing:
    """The configured keys. Lookups compare digests in constant time and visit every key."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = tuple(keys)

    def holder_of(self, key: str) -> ApiKey | None:
        """The configured key with this text, or None."""
        if len(key) > MAX_KEY_CHARACTERS:
            return None
        presented = digest_of(key)
        found = None
        for candidate in self._keys:
            if hmac.compare_digest(candidate.sha256.lower(), presented):
                found = candidate
        return found

    def named(self, chain_id: str, name: str) -> ApiKey | None:
        """The configured key of this chain and name, or None."""
        for candidate in self._keys:
            if (candidate.chain_id, candidate.name) == (chain_id, name):
                return candidate
        return None


@dataclass(frozen=True, slots=True)
class CookieClaims:
    """What a cookie says, not believed yet."""

    chain_id: str
    name: str
    signed: bytes
    signature: bytes


class CookieSigner:
    """Makes and reads the page's cookie: chain, key name, expiry (real UTC ms), signature."""

    def __init__(self, secret: bytes, ring: KeyRing) -> None:
        if len(secret) < 32:
            raise ValueError("the cookie secret has at least 32 bytes")
        self._secret = secret
        self._ring = ring

    def issue(self, key: ApiKey, now_ms: int) -> str:
        """A cookie value that stands for ``key`` until ``now_ms`` plus the lifetime."""
        expires_at_ms = now_ms + COOKIE_LIFETIME_MS
        claims = f"{key.chain_id}\n{key.name}\n{expires_at_ms}".encode()
        return f"{_text(claims)}.{_text(self._signature(claims, key))}"

    def read(self, cookie: str, now_ms: int) -> "CookieClaims | None":
        """What the cookie says, unless it is out of shape or expired; who signed it is open."""
        try:
            claims, signature = (_bytes(part) for part in cookie.split(".", 1))
            chain_id, name, expires_at_ms = claims.decode().split("\n")
            expired = int(expires_at_ms) <= now_ms
        except ValueError:
            return None
        return None if expired else CookieClaims(chain_id, name, claims, signature)

    def stands_for(self, claims: "CookieClaims", key: ApiKey | None) -> Principal | None:
        """Whom the cookie stands for if it was issued for this key."""
        if key is None:
            return None
        expected = self._signature(claims.signed, key)
        return key.principal if hmac.compare_digest(expected, claims.signature) else None

    def principal(self, cookie: str, now_ms: int) -> Principal | None:
        """Whom the cookie stands for, or None if it is forged, expired or its key is gone."""
        claims = self.read(cookie, now_ms)
        if claims is None:
            return None
        return self.stands_for(claims, self._ring.named(claims.chain_id, claims.name))

    def _signature(self, claims: bytes, key: ApiKey) -> bytes:
        return hmac.digest(self._secret, claims + b"\n" + key.sha256.lower().encode(), "sha256")


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides whom a request speaks for."""

    ring: KeyRing
    cookies: CookieSigner

    def by_cookie(self, request: Request, now_ms: int) -> Principal | None:
        """Whom the page's cookie stands for, if there is a good one."""
        cookie = request.cookies.get(COOKIE_NAME)
        return None if cookie is None else self.cookies.principal(cookie, now_ms)

    def by_bearer(self, header: str) -> Principal:
        """Whom a configured key stands for. Raises ProblemError ``unauthorized``."""
        scheme, _, key = header.partition(" ")
        found = self.ring.holder_of(key.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise unauthorized()
        return found.principal


def refuse_cross_site(request: Request) -> None:
    """Raise ``cross-site-request`` unless the browser says the request is from our own page.

    Browsers send Sec-Fetch-Site, and Origin with every POST; one that sends neither is no
    browser that would attach a SameSite=Strict cookie for somebody else.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    foreign_site = site is not None and site not in {"same-origin", "none"}
    foreign_origin = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign_site or foreign_origin:
        raise ProblemError("cross-site-request")


def unauthorized() -> ProblemError:
    """The answer to nobody we know."""
    return ProblemError("unauthorized", headers={"WWW-Authenticate": 'Bearer realm="clubctl"'})


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _text(raw) != text:
        raise ValueError("not the one way to write these bytes")
    return raw
