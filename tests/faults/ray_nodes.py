"""Ray nodes of one cluster on this machine: each a raylet with its workers, to kill or freeze."""

import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from clubs_under_test import CLUBS
from faulted_house import FaultedHouse, full_house
from stack_under_test import until

from actors.store import HostRecord
from controller.demo.processes import GUARDED
from controller.embedded import ChildProcess
from controller.embedded.state import free_port
from controller.kept_secret import kept_secret
from controller.ray_key import RAY_KEY_FILE

OBJECT_STORE_BYTES = 80 * 1024 * 1024
HEAD_ADDRESS, OTHER_ADDRESS = "127.0.0.2", "127.0.0.3"
JOINED_WITHIN_S = 60.0
RETURN_WITHIN_S = 60.0


@dataclass
class RayNode:
    """One raylet and what it started, as a machine of its own would run it."""

    child: ChildProcess

    def processes(self) -> list[psutil.Process]:
        """Everything on this node, its guard aside."""
        assert self.child.pid is not None
        return psutil.Process(self.child.pid).children(recursive=True)

    def runs(self, host: HostRecord) -> bool:
        """Whether the host lives here."""
        return int(host.details["pid"]) in {process.pid for process in self.processes()}

    def signal(self, number: signal.Signals) -> None:
        """Send it to every process of the node, the raylet first."""
        for process in self.processes():
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    def kill(self) -> None:
        """The machine is gone: nothing of it says goodbye."""
        self.signal(signal.SIGKILL)
        self.child.kill()


@dataclass
class Nodes:
    """The head, which also holds the controller's driver, and another one."""

    head: RayNode
    other: RayNode
    address: str


def node(name: str, folder: Path, *options: str) -> RayNode:
    """A node that is not started yet."""
    command = [*GUARDED, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *options]
    shared = ("--num-cpus=2", f"--object-store-memory={OBJECT_STORE_BYTES}")
    return RayNode(
        ChildProcess(
            name,
            [*command, *shared, "--disable-usage-stats"],
            log_file=folder / "logs" / f"{name}.log",
            environment={
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN_PATH": str(folder / RAY_KEY_FILE),
                "RAY_worker_niceness": "0",
            },
        )
    )


@asynccontextmanager
async def house_on_two_nodes(
    folder: Path, *, speed: float
) -> AsyncIterator[tuple[FaultedHouse, Nodes]]:
    """A full house whose hosts live on two nodes."""
    nodes = two_nodes(folder)
    try:
        for each in (nodes.head, nodes.other):
            each.child.start()
            await joined(each)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CLUBCTL_RAY_ADDRESS", nodes.address)
            async with full_house(folder, fleet=True, speed=speed) as house:
                yield house, nodes
    finally:
        nodes.other.child.stop()
        nodes.head.child.stop()


def two_nodes(folder: Path) -> Nodes:
    """Two nodes that are not started yet, with the state folder's own secret."""
    folder.mkdir(parents=True)
    kept_secret(folder / RAY_KEY_FILE, secrets.token_hex(32))
    port = free_port()
    address = f"{HEAD_ADDRESS}:{port}"
    place = (f"--node-ip-address={HEAD_ADDRESS}", f"--temp-dir={folder.parent / 'r'}")
    head = node("ray-head", folder, "--head", f"--port={port}", "--include-dashboard=false", *place)
    other = node("ray-other", folder, f"--address={address}", f"--node-ip-address={OTHER_ADDRESS}")
    return Nodes(head, other, address)


async def joined(started: RayNode) -> None:
    """Wait until the node says that it runs."""

    async def runs() -> bool:
        assert started.child.is_running, started.child.log_tail()
        return "Ray runtime started" in started.child.log_file.read_text(errors="replace")

    await until(runs, within_s=JOINED_WITHIN_S, what=started.child.name)


async def club_on_the_other(house: FaultedHouse, nodes: Nodes) -> tuple[str, HostRecord]:
    """A club whose host lives on the node that is to be lost."""
    for club in CLUBS:
        owner = await house.owner(club)
        if nodes.other.runs(owner):
            return club, owner
    raise AssertionError("no host lives on the other node")


async def two_hosts(house: FaultedHouse) -> None:
    """Wait until hosts live on both nodes again and each owns a club."""

    async def spread() -> bool:
        owners = [await house.owner(club) for club in CLUBS]
        return len({owner.name for owner in owners}) == len(CLUBS)

    await until(spread, within_s=RETURN_WITHIN_S, what="both hosts at work")
