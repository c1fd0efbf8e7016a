"""Where webhooks may not go, however it is written."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from controller.webhooks.destination import (
    NAMES_AT_ONCE,
    ForbiddenDestinationError,
    Resolve,
    SystemResolver,
    check_url,
    destination_of,
)
from controller.webhooks.post import HttpPost, Outcome

PUBLIC = "93.184.215.14"
INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "fec0::1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "::7f00:1",
    "::ffff:0:7f00:1",
]
OUTSIDE = [PUBLIC, "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
REFUSED_URLS = [
    "http://example.com/hook",
    "ftp://example.com/hook",
    "https:///hook",
    "https://user:secret@example.com/hook",
    "https://example.com:0/hook",
    "https://example.com:99999/hook",
    "https://example.com/a b",
    "https://example.com/\r\nX-Injected: 1",
    "https://exämple.com/hook",
    "https://example.com/hook#part",
    "https://127.0.0.1/hook",
    "https://[::1]/hook",
    "https://169.254.169.254/latest/meta-data",
    "https://[",
    "https://2130706433/hook",
    "https://0x7f000001/hook",
    "https://0177.0.0.1/hook",
    "https://127.1/hook",
    "https://127.0.0.1./hook",
    "https://0/hook",
    "https://[64:ff9b::7f00:1]/hook",
    "https://[2002:7f00:1::]/hook",
]


def answering(*addresses: str) -> Resolve:
    async def resolve(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(0)
        return list(addresses)

    return resolve


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_urls_that_are_refused_when_they_are_given(url: str) -> None:
    with pytest.raises(ForbiddenDestinationError):
        check_url(url, private=False)


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    resolve = answering(PUBLIC, address)
    with pytest.raises(ForbiddenDestinationError):
        await destination_of("https://crm.example/hook", private=False, resolve=resolve)


@pytest.mark.parametrize("address", OUTSIDE)
async def test_a_name_that_leads_outside_is_not(address: str) -> None:
    resolve = answering(address)
    to = await destination_of("https://crm.example/hook", private=False, resolve=resolve)
    assert address in to.url


async def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    to = await destination_of(
        "https://crm.example:8443/hook?x=1", private=False, resolve=answering(PUBLIC)
    )
    assert (to.url, to.host, to.name) == (
        f"https://{PUBLIC}:8443/hook?x=1",
        "crm.example:8443",
        "crm.example",
    )
    v6 = await destination_of(
        "https://crm.example/", private=False, resolve=answering("2606:2800:21f::1")
    )
    assert v6.url == "https://[2606:2800:21f::1]:443/"


async def test_a_development_machine_may_be_told_itself_but_no_cloud_metadata() -> None:
    to = await destination_of(
        "http://localhost:9/hook", private=True, resolve=answering("127.0.0.1")
    )
    assert to.url == "http://127.0.0.1:9/hook"
    with pytest.raises(ForbiddenDestinationError):
        check_url("http://169.254.169.254/", private=True)


async def test_what_goes_wrong_on_the_way_is_an_outcome() -> None:
    post = HttpPost(private=False, resolve=answering("10.0.0.1"))
    refused = await post("https://crm.example/", b"{}", {})
    await post.aclose()
    assert refused == Outcome(None, "refused: an address inside a private network")
    nowhere = HttpPost(private=False, resolve=answering())
    assert (await nowhere("https://crm.example/", b"{}", {})).reason == "no address: OSError"
    await nowhere.aclose()
    closed = HttpPost(private=True)
    assert (await closed("http://127.0.0.1:1/", b"{}", {})).reason == "ConnectError"
    await closed.aclose()


@pytest.fixture
def system() -> Iterator[SystemResolver]:
    resolver = SystemResolver()
    yield resolver
    resolver.close()


async def test_the_system_knows_this_machine(system: SystemResolver) -> None:
    assert "127.0.0.1" in await system("localhost", 80)


async def test_a_name_that_hangs_keeps_neither_other_names_nor_other_work_waiting(
    system: SystemResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, hangs, asked = threading.Event(), threading.Event(), list[str]()

    def slow(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        if host == "slow.example":
            hangs.set()
            released.wait(20)
        return [(0, 0, 0, "", (PUBLIC, port))]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    many = [asyncio.create_task(system("slow.example", 443)) for _ in range(2 * NAMES_AT_ONCE)]
    try:
        assert await asyncio.to_thread(hangs.wait, 20)
        async with asyncio.timeout(5):
            assert await system("quick.example", 443) == [PUBLIC]
            assert await asyncio.to_thread(lambda: 1) == 1
        assert asked.count("slow.example") == 1
    finally:
        released.set()
        assert await asyncio.gather(*many) == [[PUBLIC]] * len(many)


async def test_a_name_that_no_resolver_can_be_asked_is_an_outcome() -> None:
    post = HttpPost(private=False)
    outcome = await post(f"https://{'a' * 64}.example/", b"{}", {})
    await post.aclose()
    assert outcome == Outcome(None, "no address: UnicodeError")
