"""Standard Webhooks: secrets, and the three headers that prove where a delivery comes from."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

from schemas.webhooks import SECRET_PREFIX

SECRET_BYTES: Final = 32


def secret_of(drawn: bytes) -> str:
    """The text of a secret made of random bytes."""
    return SECRET_PREFIX + b64encode(drawn).decode()


def signed_headers(
    event_id: str, at_s: int, body: bytes, *, secrets: Sequence[str]
) -> dict[str, str]:
    """The headers of one attempt at ``at_s`` (UTC seconds): a signature per secret."""
    content = b"%b.%d.%b" % (event_id.encode(), at_s, body)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets),
    }


def _signature(secret: str, content: bytes) -> str:
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    return f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}"
