"""Whatever wakes PCs sends the same packet to the same network: a real socket, and its twin."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from actors.waking import MemoryWaker, UdpWaker, Waker, wake_address
from schemas.magic_packet import magic_packet

MAC = "02:00:00:aa:bb:07"
CLUBS = ("arena", "bastion")


@dataclass
class Networks:
    """Two clubs' networks and who sends into them."""

    waker: Waker
    sockets: dict[str, socket.socket] = field(default_factory=dict)

    def heard(self, club_id: str) -> list[bytes]:
        """Every packet in a club's network so far."""
        if isinstance(self.waker, MemoryWaker):
            return self.waker.networks[club_id]
        packets = []
        while True:
            try:
                packets.append(self.sockets[club_id].recv(1024))
            except BlockingIOError:
                return packets


def _listening() -> socket.socket:
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.bind(("127.0.0.1", 0))
    wire.setblocking(False)
    return wire


@pytest.fixture(params=["udp", "memory"])
def networks(request: pytest.FixtureRequest) -> Iterator[Networks]:
    if request.param == "memory":
        yield Networks(MemoryWaker({club_id: [] for club_id in CLUBS}))
        return
    sockets = {club_id: _listening() for club_id in CLUBS}
    addresses = {club_id: one.getsockname() for club_id, one in sockets.items()}
    yield Networks(UdpWaker(addresses), sockets)
    for one in sockets.values():
        one.close()


def test_the_packet_goes_into_the_club_s_network_and_no_other(networks: Networks) -> None:
    assert networks.waker.club_ids == set(CLUBS)
    networks.waker.wake("arena", MAC)
    assert networks.heard("arena") == [magic_packet(MAC)]
    assert networks.heard("bastion") == []


def test_a_network_that_takes_nothing_is_told_of() -> None:
    for waker in (UdpWaker({"arena": ("127.0.0.1", 0)}), MemoryWaker({"arena": []}, {"arena"})):
        with pytest.raises(OSError, match=r"."):
            waker.wake("arena", MAC)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.168.1.255", ("192.168.1.255", 9)),
        ("255.255.255.255:7", ("255.255.255.255", 7)),
    ],
)
def test_an_address_is_read_as_an_operator_writes_it(text: str, address: tuple[str, int]) -> None:
    assert wake_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "club.example", "192.168.1", "::1", "10.0.0.255:", "10.0.0.255:0", "1.2.3.4:65536"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        wake_address(text)
