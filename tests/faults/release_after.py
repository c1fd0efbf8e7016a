"""A controller of the next release beside the one that runs."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from clubs_under_test import CLUBS
from faulted_house import FaultedHouse, machine_ms
from stack_under_test import Stack, until

from actors.ray_host import RAY_SNAPSHOT
from controller.embedded import ChildProcess

NEXT_RELEASE: Final = "next"


@contextmanager
def next_release(stack: Stack, ray_address: str) -> Iterator[ChildProcess]:
    """A controller of the next release in the Ray of this one."""
    child = ChildProcess(
        "controller-next",
        [sys.executable, "-m", "controller.cli", "run"],
        log_file=stack.processes.state.log_file("controller-next"),
        environment={
            **stack.processes.environment,
            "CLUBCTL_RELEASE": NEXT_RELEASE,
            "CLUBCTL_RAY_ADDRESS": ray_address,
        },
    )
    child.start()
    try:
        yield child
    finally:
        child.stop()


@asynccontextmanager
async def rolled_over(house: FaultedHouse) -> AsyncIterator[tuple[int, float]]:
    """The next release owns everything and the books are whole: since when on the machine's clock
    it was on its way, and after how many seconds the old one had left."""
    address = (await house.stack.store.snapshots(RAY_SNAPSHOT))[RAY_SNAPSHOT].decode()
    began_at_ms = machine_ms()
    with next_release(house.stack, address):

        async def only_the_next() -> bool:
            return await releases(house) == {NEXT_RELEASE}

        await until(only_the_next, what="the old release's departure")
        took_s = (machine_ms() - began_at_ms) / 1_000
        for club in CLUBS:
            assert (await house.owner(club)).details["release"] == NEXT_RELEASE
        await house.books_are_whole()
        yield began_at_ms, took_s


async def releases(house: FaultedHouse) -> set[str]:
    """Releases of the hosts that live."""
    return {record.details["release"] for record in await house.stack.store.hosts()}
