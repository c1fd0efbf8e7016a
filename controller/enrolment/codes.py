"""One-time codes: short enough to type at a PC, long enough not to be guessed.

A code is the club's id, a dot and twelve characters without look-alikes: 60 bits, good for
minutes. Only its digest is kept.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from schemas.enrolment import EnrolmentCode

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHARACTERS: Final = 12
CODE_BYTES: Final = 8
"""Random bytes a code is made from."""
_GROUP: Final = 4
_LOOK_ALIKES: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


@dataclass(frozen=True, slots=True)
class TypedCode:
    """A code as somebody typed it: whose it is, and its characters in their one form."""

    club_id: str
    characters: str


def make_code(club_id: str, drawn: bytes) -> str:
    """The text of a new code from ``CODE_BYTES`` random bytes."""
    number = int.from_bytes(drawn[:CODE_BYTES])
    characters = "".join(ALPHABET[(number >> 5 * place) & 31] for place in range(CHARACTERS))
    groups = (characters[first : first + _GROUP] for first in range(0, CHARACTERS, _GROUP))
    return f"{club_id}.{'-'.join(groups)}"


def read_code(text: str) -> TypedCode | None:
    """What was typed, forgiving case, hyphens and look-alikes; None when it is no code at all."""
    club_id, dot, characters = text.strip().rpartition(".")
    characters = characters.upper().translate(_LOOK_ALIKES)
    if not dot or len(characters) != CHARACTERS or not set(characters) <= set(ALPHABET):
        return None
    return TypedCode(club_id, characters)


def digest_of_code(code: TypedCode) -> str:
    """What is kept of a code."""
    return sha256(f"clubctl-code\n{code.club_id}\n{code.characters}".encode()).hexdigest()


def find_code(
    codes: Iterable[EnrolmentCode], typed: TypedCode, now_ms: int
) -> EnrolmentCode | None:
    """The live code that was typed. Takes as long whichever it is, and when it is none."""
    wanted = digest_of_code(typed)
    found = None
    for code in codes:
        if hmac.compare_digest(code.digest, wanted):
            found = code
    if found is None or found.uses_left < 1 or found.expires_at_ms <= now_ms:
        return None
    return found
