"""An issuer of bearer tokens for tests: its keys, and tokens for whoever is asked for."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from actors.clock import Clock, SystemClock
from controller.api.tokens import Issuer, TokenReader

ISSUER = Issuer("https://id.example", "clubs")


class IssuerUnderTest:
    """Signs tokens and serves the key set; ``reads`` counts how often it was asked for."""

    def __init__(self) -> None:
        self.key = _drawn("key-1")
        self.published = [self.key]
        self.reads = 0
        self.down = False
        self.gate = asyncio.Event()
        """It answers while this is set."""
        self.gate.set()
        self.answer: Any = None
        """What it answers instead of its key set, if anything."""

    def rotate(self) -> None:
        """Sign with a new key from now on, and publish it beside the old ones."""
        self.key = _drawn(f"key-{len(self.published) + 1}")
        self.published = [*self.published, self.key]

    def withdraw_old(self) -> None:
        """Publish no key but the one that signs."""
        self.published = [self.key]

    def forged(self, kid: str) -> str:
        """A token of an administrator, signed with a key that was never published."""
        return _signed(_drawn(kid), self._claims("anna", "administrator", {}))

    def reader(self, clock: Clock | None = None) -> TokenReader:
        """A reader of this issuer's tokens."""
        return TokenReader(ISSUER, self.read_keys, clock or SystemClock())

    async def read_keys(self) -> dict[str, Any]:
        """The key set, or what a broken issuer answers."""
        self.reads += 1
        await self.gate.wait()
        if self.down:
            raise ValueError("not a key set")
        if self.answer is not None:
            answered: dict[str, Any] = self.answer
            return answered
        return {"keys": [dict(key.as_dict(private=False)) for key in self.published]}

    def token(self, subject: str, role: str, /, **changes: object) -> str:
        """A good token, unless changes make it a bad one (None takes a claim out)."""
        return _signed(self.key, self._claims(subject, role, changes))

    @staticmethod
    def _claims(subject: str, role: str, changes: Mapping[str, object]) -> dict[str, object]:
        claims: dict[str, object] = {
            "iss": ISSUER.name,
            "aud": ISSUER.audience,
            "exp": int(time.time()) + 600,
            "sub": subject,
            "role": role,
            "chain_id": "chain-a",
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}


def _drawn(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid})


def _signed(key: ECKey, claims: dict[str, object]) -> str:
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)
