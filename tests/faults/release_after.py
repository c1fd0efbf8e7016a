"""A controller of the next release beside the one that runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from faulted_house import FaultedHouse
from stack_under_test import Stack

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


async def releases(house: FaultedHouse) -> set[str]:
    """Releases of the hosts that live."""
    return {record.details["release"] for record in await house.stack.store.hosts()}
