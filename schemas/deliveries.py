"""How the messages of each leaf travel: written here, and nowhere beside a message.

The published description of the wire is made from the same table.
"""

from dataclasses import dataclass
from typing import Final

from schemas.link_port import Outgoing, Will
from schemas.topics import DownLeaf, Leaf, UpLeaf, echo_topic, pc_topic


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the messages of a leaf travel. ``expiry_s`` None: they never go stale."""

    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None


DELIVERIES: Final[dict[Leaf, Delivery]] = {
    DownLeaf.DESIRED: Delivery(retain=True),
    DownLeaf.CMD: Delivery(expiry_s=30),
    DownLeaf.ACK: Delivery(expiry_s=600),
    DownLeaf.WELCOME: Delivery(expiry_s=10),
    DownLeaf.KEYS: Delivery(expiry_s=600),
    UpLeaf.BIRTH: Delivery(),
    UpLeaf.PRESENCE: Delivery(retain=True),
    UpLeaf.HEARTBEAT: Delivery(qos=0, expiry_s=30),
    UpLeaf.REPORTED: Delivery(retain=True),
    UpLeaf.USAGE: Delivery(),
    UpLeaf.RESULT: Delivery(expiry_s=60),
}
ECHO_DELIVERY: Final = Delivery(qos=0, expiry_s=10)
WILL_DELAY_S: Final = 10
"""So long after a PC's connection broke the broker says its will."""


def pc_message(
    place: tuple[str, str], leaf: Leaf, payload: bytes, *, held_s: float | None = None
) -> Outgoing:
    """A message to or from the PC at ``place`` (club, PC)."""
    return _sent(DELIVERIES[leaf], pc_topic(*place, leaf), payload, held_s=held_s)


def echo_message(link_id: str, payload: bytes) -> Outgoing:
    """What an ingest connection says to itself."""
    return _sent(ECHO_DELIVERY, echo_topic(link_id), payload)


def pc_will(place: tuple[str, str], payload: bytes) -> Will:
    """What the broker says of a PC whose connection broke."""
    delivery = DELIVERIES[UpLeaf.PRESENCE]
    return Will(
        pc_topic(*place, UpLeaf.PRESENCE),
        payload,
        delay_s=WILL_DELAY_S,
        qos=delivery.qos,
        retain=delivery.retain,
    )


def _sent(
    delivery: Delivery, topic: str, payload: bytes, *, held_s: float | None = None
) -> Outgoing:
    return Outgoing(
        topic,
        payload,
        qos=delivery.qos,
        retain=delivery.retain,
        expiry_s=delivery.expiry_s,
        held_s=held_s,
    )
