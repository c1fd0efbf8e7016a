"""A technician's code: what a club keeps of it, and how a PC checks what was typed.

The code itself is never stored or sent; what is kept is slow to guess from.
"""

import hashlib
import hmac
from typing import Final

SALT_BYTES: Final = 16
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
_DIGEST_BYTES: Final = 32
_SCHEME: Final = "scrypt"


def hash_code(code: str, salt: bytes) -> str:
    """What to keep of a code. ``salt`` is random, ``SALT_BYTES`` long."""
    return f"{_SCHEME}:{salt.hex()}:{_digest(code, salt).hex()}"


def is_code(typed: str, kept: str) -> bool:
    """Whether ``typed`` is the code; False too for a hash that is none."""
    scheme, _, rest = kept.partition(":")
    salt_text, _, digest_text = rest.partition(":")
    try:
        salt, digest = bytes.fromhex(salt_text), bytes.fromhex(digest_text)
    except ValueError:
        return False
    if scheme != _SCHEME or len(salt) != SALT_BYTES:
        return False
    return hmac.compare_digest(_digest(typed, salt), digest)


def _digest(code: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        code.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=_DIGEST_BYTES
    )
