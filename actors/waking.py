"""How a host wakes a PC itself: a magic packet into a club's network, behind one small port.

Only for clubs whose broadcast address the installation names: a controller elsewhere reaches no
network card, and a packet to an address somebody else could choose would be theirs to aim.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final, Protocol

from schemas.magic_packet import WAKE_PORT, magic_packet

THE_CONTROLLER: Final = ""
"""Who carries an order out when no PC does; no PC has this id."""
_PORT_MAX: Final = 65_535

Address = tuple[str, int]


class Waker(Protocol):
    """Sends magic packets."""

    @property
    def club_ids(self) -> frozenset[str]:
        """Clubs whose network this host reaches."""

    def wake(self, club_id: str, mac: str) -> None:
        """Send the packet for a network card; at once. Raises OSError when it cannot leave."""


@dataclass(frozen=True, slots=True)
class UdpWaker:
    """By club, the IPv4 address of its network's broadcast and a port."""

    addresses: Mapping[str, Address] = field(default_factory=dict)

    @property
    def club_ids(self) -> frozenset[str]:
        """See :attr:`Waker.club_ids`."""
        return frozenset(self.addresses)

    def wake(self, club_id: str, mac: str) -> None:
        """See :meth:`Waker.wake`."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.settimeout(0)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            wire.sendto(magic_packet(mac), self.addresses[club_id])


NOWHERE: Final = UdpWaker()
"""Reaches no club's network."""


@dataclass(slots=True)
class MemoryWaker:
    """Networks inside one process: what was sent into each, oldest first.

    A network in ``down`` takes nothing.
    """

    networks: dict[str, list[bytes]] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)

    @property
    def club_ids(self) -> frozenset[str]:
        """See :attr:`Waker.club_ids`."""
        return frozenset(self.networks)

    def wake(self, club_id: str, mac: str) -> None:
        """See :meth:`Waker.wake`."""
        if club_id in self.down:
            raise OSError(f"the network of {club_id} is down")
        self.networks[club_id].append(magic_packet(mac))


def wake_address(text: str) -> Address:
    """Read ``IPv4[:port]``, for example ``192.168.1.255``. Raises ValueError; no names, because
    a host must not wait for one to be looked up."""
    host, _, port = text.partition(":")
    number = int(port) if port.isdecimal() else WAKE_PORT
    if (":" in text and not port.isdecimal()) or not 0 < number <= _PORT_MAX:
        raise ValueError(f"{text!r} is not an IPv4 address with or without a port")
    return str(IPv4Address(host)), number
