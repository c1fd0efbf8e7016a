"""Whose ids new clubs may have.

Club ids are unique in an installation. A chain names its clubs after itself, so that asking for an
id tells it nothing of other chains; and no chain's id begins like another's clubs.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

CHAIN_ID_MAX: Final = 40
"""Characters, so that its clubs' ids have room for more than the chain's."""
CLUB_ID_MAX: Final = 64
DRAWN_CHARACTERS: Final = 12


def is_named_after(chain_id: str, club_id: str) -> bool:
    """Whether the club's id begins with the chain's and a hyphen, and goes on."""
    return club_id.startswith(f"{chain_id}-") and len(club_id) > len(chain_id) + 1


def drawn_id(chain_id: str, seed: str) -> str:
    """A club's id that follows from ``seed``, so that a retry asks for the same one.

    Shorter where an older chain's id leaves less room.
    """
    room = min(DRAWN_CHARACTERS, CLUB_ID_MAX - len(chain_id) - 1)
    return f"{chain_id}-{sha256(seed.encode()).hexdigest()[: max(1, room)]}"


def named_after_another(chain_id: str, club_id: str, chains: Iterable[str]) -> str | None:
    """The other chain that this club of ``chain_id`` would be named after."""
    others = (one for one in chains if one != chain_id and is_named_after(one, club_id))
    # A chain called like the beginning of ours is no claim to what is named after ours.
    return next((one for one in others if not is_named_after(chain_id, club_id)), None)
