"""``clubctl demo``: the options, the state folder, and what is printed at the end."""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import orjson
import structlog
import typer
from rich.console import Console

from controller.demo.chaos import Chaos
from controller.demo.outcome import Outcome, summed_up
from controller.demo.processes import SIGNING_KEYS_FILE
from controller.demo.run import DemoOptions, addresses, running_demo
from controller.demo.screen import Screen
from controller.demo.seed import DemoSize
from controller.embedded import EmbeddedError
from controller.embedded.state import StateFolder, free_port, is_free
from controller.ray_key import RAY_KEY_FILE
from controller.settings import SPEED_MAX, SettingsError, load_settings

DEMO_FOLDER: Final = "demo"
PLAYERS_PER_PC: Final = 3
HEADLESS_SECONDS: Final = 60.0
HALL_PORT: Final = 8080
DEFAULT_SEED: Final = 1


class CannotStartError(Exception):
    """The demo cannot start as asked; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The demo as called. ``state`` None is a throwaway folder."""

    options: DemoOptions
    state: Path | None
    fresh: bool
    headless: bool
    as_json: bool


def demo_command(
    *,
    pcs: Annotated[int, typer.Option(min=2, max=5_000, help="PCs, over two clubs.")] = 40,
    players: Annotated[
        int | None, typer.Option(min=1, help="People with a wallet; 3 for each PC by default.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.1, max=SPEED_MAX, help="Business seconds per real second.")
    ] = 1.0,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Stop after so many real seconds of play.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seeds the people and what they do.")] = DEFAULT_SEED,
    port: Annotated[
        int | None, typer.Option(help=f"Port of the hall page; {HALL_PORT} by default.")
    ] = None,
    hosts: Annotated[int | None, typer.Option(min=1, help="Shard hosts.")] = None,
    state: Annotated[Path | None, typer.Option(help="State folder; kept between runs.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the earlier run.")] = False,
    chaos: Annotated[Chaos | None, typer.Option(help="Cause faults while people play.")] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Play, check the books, sum up, leave.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end.")
    ] = False,
) -> None:
    """A whole chain on this machine: two clubs, their PCs and their players."""
    console = Console(stderr=as_json)
    screen = Screen(console)
    try:
        settings = load_settings()
        call = Invocation(
            DemoOptions(
                size=DemoSize(pcs, players or pcs * PLAYERS_PER_PC, seed),
                speed=speed,
                port=_port(port, headless=headless),
                hosts=hosts or settings.hosts,
                seconds=seconds or (HEADLESS_SECONDS if headless else None),
                chaos=chaos,
            ),
            state=state or (None if headless else settings.state_dir / DEMO_FOLDER),
            fresh=fresh,
            headless=headless,
            as_json=as_json,
        )
        outcome = _carried_out(call, screen, env=settings.env)
    except (EmbeddedError, CannotStartError, SettingsError) as error:
        screen.fail(str(error))
        raise typer.Exit(2) from error
    if outcome is not None:
        _report(outcome, screen, as_json=as_json)
        raise typer.Exit(0 if outcome.adds_up else 1)


def _carried_out(call: Invocation, screen: Screen, *, env: str) -> Outcome | None:
    with _state_folder(call, env=env) as state, _logging(state.log_file("demo")):
        return asyncio.run(_demo(call, state, screen))


async def _demo(call: Invocation, state: StateFolder, screen: Screen) -> Outcome | None:
    """Run until done. The first signal ends the play gently, one before or after it at once."""
    begun, stop = asyncio.Event(), asyncio.Event()
    work = asyncio.create_task(_play(call, state, screen=screen, gates=(begun, stop)))

    def asked_to_stop() -> None:
        if stop.is_set() or not begun.is_set():
            work.cancel()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop)
    try:
        return await work
    except asyncio.CancelledError:
        screen.say("Stopped.")
        return None


async def _play(
    call: Invocation,
    state: StateFolder,
    *,
    screen: Screen,
    gates: tuple[asyncio.Event, asyncio.Event],
) -> Outcome | None:
    begun, stop = gates
    async with running_demo(call.options, state, screen) as demo:
        begun.set()
        if not call.headless:
            with screen.summary(addresses(demo, state.path)):
                await demo.play(screen, stop)
            screen.say("Stopping. The clubs keep their state: the next start goes on from it.")
            return None
        await demo.play(screen, stop)
        with screen.step("Everybody leaves"):
            empty = await demo.settle()
        with screen.step("Checking the books"):
            return await summed_up(demo, halls_empty=empty)


@contextmanager
def _state_folder(call: Invocation, *, env: str) -> Iterator[StateFolder]:
    if call.state is None:
        with (
            tempfile.TemporaryDirectory(prefix="clubctl-") as folder,
            StateFolder(Path(folder), env=env) as state,
        ):
            yield state
        return
    with StateFolder(call.state, env=env) as state:
        if call.fresh:
            forget(state.path)
        yield state


def forget(folder: Path) -> None:
    """Remove what an earlier demo left. Raises CannotStartError at anything else in it."""
    ours = {"lock", "ports.json", "roster.json", "api-key", "valkey", "broker", "logs"}
    ours |= {RAY_KEY_FILE, SIGNING_KEYS_FILE}
    ours |= {"archive.db", "archive.db-wal", "archive.db-shm"}
    strangers = sorted(entry.name for entry in folder.iterdir() if entry.name not in ours)
    if strangers:
        raise CannotStartError(f"--fresh: {folder} also holds {', '.join(strangers)}")
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()


@contextmanager
def _logging(file: Path) -> Iterator[None]:
    with file.open("a") as stream:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(stream))
        try:
            yield
        finally:
            structlog.reset_defaults()


def _port(asked: int | None, *, headless: bool) -> int:
    if asked is None and headless:
        return free_port()
    port = asked or HALL_PORT
    if not is_free(port):
        raise CannotStartError(f"port {port} is taken; choose another one with --port")
    return port


def _report(outcome: Outcome, screen: Screen, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(outcome.document()).decode() + "\n")
        return
    for caption, value in outcome.document().items():
        screen.say(f"  {caption:<18}{value}")
    for problem in outcome.problems:
        screen.fail(problem)
