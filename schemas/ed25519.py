"""Ed25519 keys by their name: what signs, and what believes signatures. Keys travel as base64."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.trust import PublicKeyEntry

_KID_LENGTH: Final = 16


class SigningKey:
    """A private key. ``kid`` is made from its public half, so no two keys share a name."""

    def __init__(self, seed: str) -> None:
        """``seed``: 32 bytes in base64. Raises ``ValueError`` for anything else."""
        self._key = Ed25519PrivateKey.from_private_bytes(b64decode(seed, validate=True))
        public = self._key.public_key().public_bytes_raw()
        self.public = b64encode(public).decode()
        self.kid = sha256(public).hexdigest()[:_KID_LENGTH]

    @property
    def entry(self) -> PublicKeyEntry:
        """The public half, as it is handed out."""
        return PublicKeyEntry(kid=self.kid, public=self.public)

    def sign(self, message: bytes) -> str:
        """The signature over ``message`` in base64."""
        return b64encode(self._key.sign(message)).decode()


def fresh_seed() -> str:
    """A new key, from the system's randomness."""
    return b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


class SignatureCheck(StrEnum):
    """What came of looking at a signature."""

    GENUINE = "genuine"
    UNKNOWN_KEY = "unknown-key"
    FORGED = "forged"


class KeyRing:
    """Public keys by name. Raises ``ValueError`` for an entry that is no key."""

    def __init__(self, entries: Iterable[PublicKeyEntry]) -> None:
        self._keys = {
            entry.kid: Ed25519PublicKey.from_public_bytes(b64decode(entry.public))
            for entry in entries
        }

    def check(self, message: bytes, *, kid: str | None, signature: str | None) -> SignatureCheck:
        """Whether the key ``kid`` has signed ``message``; without a signature it is forged."""
        if kid is None or signature is None:
            return SignatureCheck.FORGED
        key = self._keys.get(kid)
        if key is None:
            return SignatureCheck.UNKNOWN_KEY
        try:
            key.verify(b64decode(signature), message)
        except InvalidSignature:
            return SignatureCheck.FORGED
        return SignatureCheck.GENUINE
