"""Where a delivery may go: public addresses only, so that nobody makes us knock next door.

The name is resolved once and the connection made to what was judged, so that a second answer of
the resolver cannot lead elsewhere.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from controller.shared_reads import SharedReads

RESOLVE_TIMEOUT_S: Final = 5.0
NAMES_AT_ONCE: Final = 32
_PORTS: Final = {"https": 443, "http": 80}
_ENDS_IN_NUMBER: Final = re.compile(r"(^|\.)([0-9]+|0x[0-9a-f]*)\.?$", re.IGNORECASE)
"""What resolvers read as an IPv4 address written otherwise; no name ends so."""
_HOLD_IPV4_LAST: Final = (
    IPv6Network("::/96"),
    IPv6Network("::ffff:0:0/96"),
    IPv6Network("::ffff:0:0:0/96"),
    IPv6Network("64:ff9b::/96"),
)
"""IPv4-compatible, mapped, translated (RFC 2765) and NAT64 addresses."""
_LOOPBACK_V6: Final = 1

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
        if _ENDS_IN_NUMBER.search(parts.hostname):
            raise ForbiddenDestinationError("must name a host or a plain address") from None
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
    address = _meant(ip_address(text.partition("%")[0]))
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        raise ForbiddenDestinationError("an address of no receiver")
    is_local = isinstance(address, IPv6Address) and address.is_site_local
    if not private and (is_local or not address.is_global):
        raise ForbiddenDestinationError("an address inside a private network")


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that a mapping or a translator makes of an IPv6 one, if it holds one."""
    if isinstance(address, IPv4Address):
        return address
    if address.sixtofour is not None:
        return address.sixtofour
    number = int(address)
    if any(address in network for network in _HOLD_IPV4_LAST) and number > _LOOPBACK_V6:
        return IPv4Address(number & 0xFFFF_FFFF)
    return address


class SystemResolver:
    """Addresses of a host, as the system knows them. Close it at the end.

    A name that is slow to be answered takes one thread of its own pool, however often it is asked.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(NAMES_AT_ONCE, thread_name_prefix="webhook-names")
        self._answers = SharedReads(self._look_up)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """See :data:`Resolve`."""
        return await self._answers.answer((host, port))

    def close(self) -> None:
        """Ask for no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _look_up(self, key: tuple[str, int]) -> Sequence[str]:
        ask = partial(socket.getaddrinfo, *key, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [str(sockaddr[0]) for *_, sockaddr in found]
