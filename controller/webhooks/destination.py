"""Where a delivery may go: public addresses only, so that nobody makes us knock next door.

The name is resolved once and the connection made to what was judged, so that a second answer of
the resolver cannot lead elsewhere.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

RESOLVE_TIMEOUT_S: Final = 5.0
_PORTS: Final = {"https": 443, "http": 80}

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class ForbiddenDestinationError(Exception):
    """The address must not be sent to; the message says why."""


@dataclass(frozen=True, slots=True)
class Destination:
    """``url`` names an address, ``host`` is what the receiver is called."""

    url: str
    host: str
    name: str


def check_url(url: str, *, private: bool) -> SplitResult:
    """The URL in parts. Raises ForbiddenDestinationError when it can never be sent to.

    ``private`` allows plain HTTP and addresses of this machine and its network.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenDestinationError(f"not a URL: {error}") from error
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise ForbiddenDestinationError("must begin with https://")
    if not parts.hostname or port == 0:
        raise ForbiddenDestinationError("must name a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ForbiddenDestinationError("must hold no user, password or fragment")
    if not url.isascii() or any(character <= " " for character in url):
        raise ForbiddenDestinationError("must be ASCII without spaces")
    try:
        literal = str(ip_address(parts.hostname))
    except ValueError:
        return parts
    _check_address(literal, private=private)
    return parts


async def destination_of(url: str, *, private: bool, resolve: Resolve) -> Destination:
    """Resolve and judge. Raises ForbiddenDestinationError, and OSError when there is no answer."""
    parts = check_url(url, private=private)
    assert parts.hostname is not None
    port = parts.port or _PORTS[parts.scheme]
    async with asyncio.timeout(RESOLVE_TIMEOUT_S):
        addresses = await resolve(parts.hostname, port)
    for address in addresses:
        _check_address(address, private=private)
    if not addresses:
        raise OSError(f"{parts.hostname} has no address")
    first = addresses[0]
    authority = f"[{first}]:{port}" if ":" in first else f"{first}:{port}"
    host = parts.netloc
    return Destination(parts._replace(netloc=authority).geturl(), host, parts.hostname)


def _check_address(text: str, *, private: bool) -> None:
    address = ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        raise ForbiddenDestinationError("an address of no receiver")
    if not private and not address.is_global:
        raise ForbiddenDestinationError("an address inside a private network")


async def resolve_with_system(host: str, port: int) -> list[str]:
    """Addresses of a host, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]
