"""Who may do what on the broker: password and access files, a pure function of what is known.

Every PC has literal rules: it may say each of its own leaves and hear what is said to it, so it
can neither read, write nor fill up with retained messages anything else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas.enrolment import pc_user
from schemas.topics import PREFIX, UpLeaf, pc_down_filter, pc_topic

CONTROLLER_USER: Final = "controller"


@dataclass(frozen=True, slots=True)
class KnownPc:
    """A PC that may connect, and the hash of its secret."""

    club_id: str
    pc_id: str
    broker_hash: str


def password_file(pcs: Iterable[KnownPc]) -> str:
    """One line for each PC, by user name."""
    lines = sorted(f"{pc_user(pc.club_id, pc.pc_id)}:{pc.broker_hash}\n" for pc in pcs)
    return "".join(lines)


def access_file(pcs: Iterable[KnownPc]) -> str:
    """The literal rules of each PC, by user name."""
    places = sorted((pc_user(pc.club_id, pc.pc_id), pc.club_id, pc.pc_id) for pc in pcs)
    return "".join(_rules(user, club_id, pc_id) for user, club_id, pc_id in places)


def controller_password_file(user: str, stored_hash: str) -> str:
    """The controller's own line."""
    return f"{user}:{stored_hash}\n"


def controller_access_file(user: str) -> str:
    """The controller hears what PCs say and says what PCs hear; it cannot speak as a PC."""
    return "\n".join(
        (
            f"user {user}",
            f"topic read {PREFIX}/+/pc/+/up/+",
            f"topic write {PREFIX}/+/pc/+/down/+",
            f"topic readwrite {PREFIX}/ctl/#",
            "",
        )
    )


def _rules(user: str, club_id: str, pc_id: str) -> str:
    lines = [f"user {user}"]
    lines += (f"topic write {pc_topic(club_id, pc_id, leaf)}" for leaf in UpLeaf)
    lines.append(f"topic read {pc_down_filter(club_id, pc_id)}")
    return "\n".join((*lines, "", ""))
