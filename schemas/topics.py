"""Topics between clubs and the controller: built here, parsed here, spelled nowhere else.

``clubctl/v1/<club>/pc/<pc>/down/<leaf>`` is written only by the controller,
``clubctl/v1/<club>/pc/<pc>/up/<leaf>`` only by that PC, so a broker needs two access rules per PC.
"""

import re
from enum import StrEnum

from schemas.hot_value import hot_value

PREFIX = "clubctl/v1"

_ENTITY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PC_TOPIC_LEVELS = 7
_MAX_TOPIC_LENGTH = 256


class DownLeaf(StrEnum):
    """What the controller says to one PC."""

    DESIRED = "desired"
    """Retained, QoS 1: the whole target state; the last writer wins the one slot."""
    CMD = "cmd"
    """QoS 1, expires: a one-shot order."""
    ACK = "ack"
    """QoS 1, expires: usage records the controller has made durable."""
    WELCOME = "welcome"
    """QoS 1, expires soon: the answer to a birth, with the controller's time."""
    KEYS = "keys"
    """QoS 1, expires: the next list of keys, to a PC that knows an older one."""


class UpLeaf(StrEnum):
    """What one PC says to the controller."""

    BIRTH = "birth"
    """QoS 1, on every connect, before anything else."""
    PRESENCE = "presence"
    """Retained, QoS 1, and the will of the connection."""
    HEARTBEAT = "hb"
    """QoS 0, expires: cheap and frequent, changes nothing by itself."""
    REPORTED = "reported"
    """Retained, QoS 1: what the PC has applied."""
    USAGE = "usage"
    """QoS 1: records kept on the PC until they are acknowledged."""
    RESULT = "res"
    """QoS 1, expires: the outcome of a one-shot order."""


Leaf = DownLeaf | UpLeaf


@hot_value(frozen=True, slots=True)
class PcTopic:
    """The address of one message to or from a PC."""

    club_id: str
    pc_id: str
    leaf: Leaf

    @property
    def place(self) -> tuple[str, str]:
        """The PC: (club, PC)."""
        return self.club_id, self.pc_id


_LEAVES: dict[tuple[str, str], Leaf] = {
    **{("down", leaf.value): leaf for leaf in DownLeaf},
    **{("up", leaf.value): leaf for leaf in UpLeaf},
}


def pc_topic(club_id: str, pc_id: str, leaf: Leaf) -> str:
    """Return the topic of ``leaf``. Raises ``ValueError`` for an id unfit for a topic level."""
    direction = "down" if isinstance(leaf, DownLeaf) else "up"
    return f"{PREFIX}/{_level(club_id)}/pc/{_level(pc_id)}/{direction}/{leaf.value}"


def parse_pc_topic(topic: str) -> PcTopic | None:
    """Return the address in ``topic``, or None when it is not one of ours."""
    if len(topic) > _MAX_TOPIC_LENGTH:
        return None
    levels = topic.split("/")
    if len(levels) != _PC_TOPIC_LEVELS or not topic.startswith(f"{PREFIX}/"):
        return None
    _, _, club_id, kind, pc_id, direction, name = levels
    leaf = _LEAVES.get((direction, name))
    if leaf is None or kind != "pc":
        return None
    if not (_ENTITY_ID.fullmatch(club_id) and _ENTITY_ID.fullmatch(pc_id)):
        return None
    return PcTopic(club_id=club_id, pc_id=pc_id, leaf=leaf)


def club_up_filter(club_id: str) -> str:
    """Return the subscription that hears every PC of a club."""
    return f"{PREFIX}/{_level(club_id)}/pc/+/up/+"


def pc_down_filter(club_id: str, pc_id: str) -> str:
    """Return the subscription of one PC to everything said to it."""
    return f"{PREFIX}/{_level(club_id)}/pc/{_level(pc_id)}/down/+"


def echo_topic(link_id: str) -> str:
    """Return the canary topic on which one ingest connection hears itself."""
    return f"{PREFIX}/ctl/{_level(link_id)}/echo"


def _level(entity_id: str) -> str:
    if _ENTITY_ID.fullmatch(entity_id) is None:
        raise ValueError(f"{entity_id!r} cannot be a topic level")
    return entity_id
