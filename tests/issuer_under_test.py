"""An issuer of bearer tokens for tests: its keys, and tokens for whoever is asked for."""

import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from actors.clock import SystemClock
from controller.api.tokens import Issuer, TokenReader

ISSUER = Issuer("https://id.example", "clubs")


class IssuerUnderTest:
    """Signs tokens and serves the key set; ``reads`` counts how often it was asked for."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "first"})
        self.reads = 0
        self.down = False
        self.answer: Any = None
        """What it answers instead of its key set, if anything."""

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        self.key = ECKey.generate_key("P-256", {"kid": "second"})

    def reader(self) -> TokenReader:
        """A reader of this issuer's tokens."""
        return TokenReader(ISSUER, self.read_keys, SystemClock())

    async def read_keys(self) -> dict[str, Any]:
        """The key set, or what a broken issuer answers."""
        self.reads += 1
        if self.down:
            raise ValueError("not a key set")
        if self.answer is not None:
            answered: dict[str, Any] = self.answer
            return answered
        return {"keys": [dict(self.key.as_dict(private=False))]}

    def token(self, subject: str, role: str, /, **changes: object) -> str:
        """A good token, unless changes make it a bad one (None takes a claim out)."""
        claims: dict[str, object] = {
            "iss": ISSUER.name,
            "aud": ISSUER.audience,
            "exp": int(time.time()) + 600,
            "sub": subject,
            "role": role,
            "chain_id": "chain-a",
        }
        kept = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, kept, self.key)
