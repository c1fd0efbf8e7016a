"""Secrets as Mosquitto's password file holds them: PBKDF2 with SHA-512, ``$7$``.

A PC's secret is 32 random bytes, so the count of rounds buys nothing against guessing; it is
Mosquitto's own default, because the broker spends it on its one thread for every connection,
and for every connected client when it reads its files again.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64Error
from hashlib import pbkdf2_hmac
from typing import Final

ROUNDS: Final = 101
SALT_BYTES: Final = 12
_PREFIX: Final = "$7$"
_PARTS: Final = 3


def broker_hash(secret: str, salt: bytes, *, rounds: int = ROUNDS) -> str:
    """The hash of ``secret`` in Mosquitto's form."""
    digest = pbkdf2_hmac("sha512", secret.encode(), salt, rounds)
    return f"{_PREFIX}{rounds}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def is_secret_of(stored: str, secret: str) -> bool:
    """Whether a hash is of this secret; False for a hash of another form."""
    parts = stored.removeprefix(_PREFIX).split("$")
    if not stored.startswith(_PREFIX) or len(parts) != _PARTS or not parts[0].isdecimal():
        return False
    try:
        salt = b64decode(parts[1], validate=True)
    except NotBase64Error:
        return False
    return hmac.compare_digest(stored, broker_hash(secret, salt, rounds=int(parts[0])))
