"""``clubctl bench fleet``: many real agents in one process against one agent in one process.

Both are the agent of a gaming PC with a connection of its own to a real broker; they differ in
what they share. The single one is what a club installs, without its screen.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from controller.bench.process_memory import footprint
from controller.bench.stopwatch import stopwatch
from controller.embedded import EmbeddedBroker
from controller.embedded.state import StateFolder
from pc_daemon.fleet import FleetSettings, FleetSimulator

PCS: Final = 1_000
CLUB: Final = "bench"
BEATS_FOR_S: Final = 20.0
ALONE_FOR_S: Final = 8.0
LOOK_EVERY_S: Final = 0.05
WITHIN_S: Final = 120.0
KIB: Final = 1_024


def run(*, pcs: int = PCS) -> dict[str, Any]:
    """Seconds until all are connected, KiB and share of a core an agent takes, and the ratio."""
    with (
        tempfile.TemporaryDirectory(prefix="clubctl-bench-") as folder,
        StateFolder(Path(folder), env="development") as state,
    ):
        broker = EmbeddedBroker(state)
        broker.start()
        try:
            alone_kib = _alone_kib(broker.url, Path(folder) / "agent")
            together = asyncio.run(_together(broker.url, pcs))
        finally:
            broker.stop()
    return {
        "pcs": pcs,
        "broker": broker.kind,
        **together,
        "kib_alone": alone_kib,
        "ratio": alone_kib / together["kib_per_agent"],
    }


async def _together(url: str, pcs: int) -> dict[str, float]:
    names = tuple((CLUB, f"pc-{number}") for number in range(pcs))
    before = footprint(os.getpid())
    fleet = FleetSimulator(FleetSettings(url, names))
    try:
        with stopwatch() as connecting:
            async with asyncio.timeout(WITHIN_S):
                await fleet.start()
                while fleet.counts().connected < pcs:  # noqa: ASYNC110 - a count, not an event
                    await asyncio.sleep(LOOK_EVERY_S)
        began_s = time.process_time()
        await asyncio.sleep(BEATS_FOR_S)
        busy_s = time.process_time() - began_s
        after = footprint(os.getpid())
    finally:
        await fleet.stop()
    return {
        "connected_after_s": connecting.seconds,
        "kib_per_agent": (after.shared_bytes - before.shared_bytes) / KIB / pcs,
        "core_per_mille_per_agent": busy_s / BEATS_FOR_S / pcs * 1_000,
    }


def _alone_kib(url: str, folder: Path) -> float:
    """What the process of one agent takes once it is settled."""
    environment = {
        **os.environ,
        "CLUBCTL_PC_CLUB_ID": CLUB,
        "CLUBCTL_PC_PC_ID": "alone",
        "CLUBCTL_PC_MQTT_URL": url,
        "CLUBCTL_PC_STATE_DIR": str(folder),
        "CLUBCTL_PC_LOCKER": "null",
    }
    command = [sys.executable, "-m", "controller.cli", "pc"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as agent:  # noqa: S603
        time.sleep(ALONE_FOR_S)
        settled = footprint(agent.pid)
        agent.terminate()
    return settled.shared_bytes / KIB
