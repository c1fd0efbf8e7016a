"""What wakes a PC: a packet its network card knows, whoever sends it."""

from typing import Final

WAKE_PORT: Final = 9
_HEADER: Final = b"\xff" * 6
_REPEATS: Final = 16


def magic_packet(mac: str) -> bytes:
    """Six bytes of ones and the card's address sixteen times, as every network card knows it."""
    return _HEADER + bytes.fromhex(mac.replace(":", "")) * _REPEATS
