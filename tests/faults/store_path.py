"""A TCP path to the store that is lost to one process alone, as a network loses a machine."""

import asyncio
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path

from faulted_house import FaultedHouse, full_house
from store_watched import connections_of

from controller.demo.processes import GUARDED, DemoProcesses
from controller.embedded import ChildProcess
from controller.embedded.state import LOOPBACK, free_port


class Loss(StrEnum):
    """``SILENT``: connections stay open and carry nothing; what was sent meanwhile arrives at the
    end, as the network's own repeats do. ``REFUSED``: every connection breaks, new ones at once."""

    SILENT = "silent"
    REFUSED = "refused"


class StorePath:
    """Carries everybody to the store, but for the process it is lost to."""

    def __init__(self) -> None:
        self.port = free_port()
        self.store_port = 0
        self.far_ends: set[str] = set()
        """The lost process's connections as the store names them, those after the loss too."""
        self._loss: Loss | None = None
        self._pid: int | None = None
        self._carries = asyncio.Event()
        self._carries.set()
        self._open: dict[str, tuple[StreamWriter, StreamWriter]] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, LOOPBACK, self.port)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lose(self, pid: int, loss: Loss) -> None:
        """From now on ``pid`` does not reach the store."""
        self._loss, self._pid = loss, pid
        self.far_ends.clear()
        if loss is Loss.SILENT:
            self._carries.clear()
        for near, (writer, far) in self._open.items():
            if near in connections_of(pid):
                self.far_ends.add(_own_end(far))
                if loss is Loss.REFUSED:
                    writer.transport.abort()

    def mend(self) -> None:
        """Everybody is carried again, and what was held back first of all."""
        self._loss = None
        self._carries.set()

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        ends, near = [writer], _far_end(writer)
        try:
            theirs = self._pid is not None and near in connections_of(self._pid)
            if theirs and self._loss is Loss.REFUSED:
                return
            upstream, far = await asyncio.open_connection(LOOPBACK, self.store_port)
            ends.append(far)
            self._open[near] = writer, far
            if theirs:
                self.far_ends.add(_own_end(far))
            await asyncio.gather(self._pour(reader, far, far), self._pour(upstream, writer, far))
        except OSError:
            return
        finally:
            self._open.pop(near, None)
            for end in ends:
                end.transport.abort()

    async def _pour(self, reader: StreamReader, writer: StreamWriter, far: StreamWriter) -> None:
        try:
            while chunk := await reader.read(65536):
                if _own_end(far) in self.far_ends:
                    await self._carries.wait()
                writer.write(chunk)
                await writer.drain()
        finally:
            # What was sent before the end is on its way, and is not taken back.
            writer.close()


def _own_end(writer: StreamWriter) -> str:
    host, port = writer.get_extra_info("sockname")
    return f"{host}:{port}"


def _far_end(writer: StreamWriter) -> str:
    host, port = writer.get_extra_info("peername")
    return f"{host}:{port}"


@asynccontextmanager
async def house_on_a_path(
    folder: Path, *, speed: float
) -> AsyncIterator[tuple[FaultedHouse, StorePath]]:
    """A full house whose controller and hosts reach the store over a path that can be lost."""
    path = StorePath()

    def controller(processes: DemoProcesses) -> ChildProcess:
        path.store_port = processes.valkey.port
        url = processes.valkey.url.replace(f":{path.store_port}/", f":{path.port}/")
        return ChildProcess(
            "controller",
            [*GUARDED, sys.executable, "-m", "controller.cli", "run"],
            log_file=processes.state.log_file("controller"),
            environment={**processes.environment, "CLUBCTL_REDIS_URL": url},
        )

    await path.open()
    try:
        async with full_house(folder, fleet=True, speed=speed, controller=controller) as house:
            yield house, path
    finally:
        await path.close()
