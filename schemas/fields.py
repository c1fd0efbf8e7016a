"""The kinds of field wire messages are made of, and what all messages have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Counter = Annotated[int, Field(ge=0, le=2**53)]
InstantMs = Annotated[int, Field(ge=0, le=2**53)]
DurationMs = Annotated[int, Field(ge=0, le=366 * 24 * 3_600_000)]
Token = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
Title = Annotated[str, Field(max_length=80)]
Text = Annotated[str, Field(max_length=280)]
Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""128 random bits in hex."""
Signature = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")]
"""An Ed25519 signature in base64."""
PublicKeyText = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""An Ed25519 public key in base64."""


class WireMessage(BaseModel):
    """Frozen and strict; unknown fields are ignored, so that either end may be upgraded first."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)
