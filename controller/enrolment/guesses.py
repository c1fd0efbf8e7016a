"""Wrong guesses are few: so many per address and per club, then who is wrong again has to wait.

The pause is for wrong guesses only. A pause that held up right codes would let anybody lock a
club out, from one machine behind its NAT or from many addresses; and it would not be needed,
because a code has 60 bits (see docs/enrolment.md for the sum). The count is this process's own.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

WINDOW_MS: Final = 60_000
WRONG_PER_ORIGIN: Final = 10
WRONG_PER_CLUB: Final = 60
IPV6_NETWORK_BITS: Final = 64
NAMES_MAX: Final = 4_096
"""Addresses and clubs remembered; the oldest is forgotten first."""


@dataclass(slots=True)
class GuessLimit:
    """Wrong guesses of the last minute, by name."""

    _wrong: OrderedDict[str, deque[int]] = field(default_factory=OrderedDict)

    def pause_ms(self, *, origin: str, club_id: str, now_ms: int) -> int:
        """How long whoever is wrong has to wait before trying again; 0 for not at all."""
        waits = (
            self._wait_ms(name, limit, now_ms)
            for name, limit in (
                (_of_origin(origin), WRONG_PER_ORIGIN),
                (f"club {club_id}", WRONG_PER_CLUB),
            )
        )
        return max(waits)

    def wrong(self, *, origin: str, club_id: str, now_ms: int) -> None:
        """Count a wrong guess."""
        for name in (_of_origin(origin), f"club {club_id}"):
            recent = self._wrong.setdefault(name, deque(maxlen=WRONG_PER_CLUB))
            recent.append(now_ms)
            self._wrong.move_to_end(name)
        while len(self._wrong) > NAMES_MAX:
            self._wrong.popitem(last=False)

    def _wait_ms(self, name: str, limit: int, now_ms: int) -> int:
        recent = [at for at in self._wrong.get(name, ()) if at > now_ms - WINDOW_MS]
        return 0 if len(recent) < limit else recent[-limit] + WINDOW_MS - now_ms


def _of_origin(origin: str) -> str:
    """Who an address stands for: of IPv6 the network, whose addresses one machine has all."""
    try:
        address = ip_address(origin)
    except ValueError:
        return f"origin {origin}"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return f"origin {address.ipv4_mapped}"
        return f"origin {ip_network((int(address), IPV6_NETWORK_BITS), strict=False)}"
    return f"origin {address}"
