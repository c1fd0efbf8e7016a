"""How a PC knows that the controller speaks: the keys it trusts, and the answer to its birth.

``KeysDocument`` is one thing in three places: the file a PC is enrolled with, what it keeps, and
what it is sent when keys have changed.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.fields import Counter, InstantMs, Nonce, PublicKeyText, Signature, Token, WireMessage

MAX_PUBLIC_KEYS = 4


class PublicKeyEntry(WireMessage):
    """One key whose signatures are believed."""

    kid: Token
    public: PublicKeyText


class KeysDocument(WireMessage):
    """The keys a PC believes from ``version`` on, the newest first.

    A document that arrives over the wire must be signed by a key of the document before it: a
    PC that missed several is sent each in turn. The first has no signature; it is pinned when
    the PC is enrolled.
    """

    v: Literal[1] = 1
    version: Counter
    keys: Annotated[tuple[PublicKeyEntry, ...], Field(min_length=1, max_length=MAX_PUBLIC_KEYS)]
    kid: Token | None = None
    signature: Signature | None = None

    @model_validator(mode="after")
    def _names_each_key_once(self) -> Self:
        if len({entry.kid for entry in self.keys}) < len(self.keys):
            raise ValueError("each kid names one key")
        return self


class Welcome(WireMessage):
    """The controller's answer to the nonce of a birth or a heartbeat, signed for that PC.

    It proves what the time is and which document is the newest, so that neither a PC's calendar
    nor an old message kept by somebody can tell otherwise.
    """

    v: Literal[1] = 1
    nonce: Nonce
    at_ms: InstantMs
    epoch: Counter
    rev: Counter
    kid: Token | None = None
    signature: Signature | None = None
