"""``clubctl sim``: simulated PCs on real connections, and whole simulated chains under faults."""

import asyncio
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from actors.clock import ClockAnchor
from actors.store_redis import RedisStore
from controller.business_time import read_anchor
from controller.command_settings import connected_settings
from pc_daemon import clock as pc_clock
from pc_daemon.fleet import FleetSettings, run_fleet
from schemas.catalogue import PcDocument

sim_app = typer.Typer(help="Simulated PCs, and whole simulated chains.", no_args_is_help=True)

PC_FIELD = "pc:"


@sim_app.callback()
def sim() -> None:
    """Simulated PCs, and whole simulated chains."""


@sim_app.command("fleet")
def fleet_command(
    *,
    roster: Annotated[
        Path | None,
        typer.Option(help="JSON list of [club, PC]; by default every PC of the catalogue."),
    ] = None,
    pcs: Annotated[int | None, typer.Option(min=1, help="Only so many of them.")] = None,
    heartbeat_s: Annotated[float, typer.Option(min=0.05, help="Seconds between beats.")] = 10.0,
    obey: Annotated[
        bool, typer.Option("--obey", help="Take 'unplug PC', 'plug PC' ... line by line.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seeds jitter.")] = 0,
) -> None:
    """Run simulated PCs until SIGTERM, at the pace of the store's business time."""
    settings = connected_settings()
    assert settings.redis_url is not None
    assert settings.mqtt_url is not None
    anchor, catalogued = asyncio.run(_club_of(settings.redis_url))
    listed = catalogued if roster is None else _listed(roster)
    run_fleet(
        FleetSettings(
            mqtt_url=settings.mqtt_url,
            pcs=tuple(listed[:pcs]),
            anchor=None if anchor is None else _pc_anchor(anchor),
            heartbeat_s=heartbeat_s,
            seed=seed,
        ),
        follow_stdin=obey,
    )


@sim_app.command("soak")
def soak_command(
    *,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to play.")] = 1_000,
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Play this one again, and no other.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one per core.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Live random days of a chain under random faults; exit 1 if a promise is broken."""
    from controller.simulation.soak import Soak, soak

    played = range(first, first + seeds) if seed is None else range(seed, seed + 1)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("seeds", total=len(played))

        def each(so_far: Soak) -> None:
            progress.update(bar, completed=so_far.seeds)

        total = soak(played, workers=min(workers or os.cpu_count() or 1, len(played)), each=each)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(asdict(total)) + b"\n")
    else:
        console = Console()
        for result in total.failed:
            console.print(f"clubctl sim soak --seed {result.seed}", style="bold red")
            for violation in result.violations:
                console.print(f"  {violation}", markup=False)
        console.print(
            f"{total.seeds:,} seeds, {total.club_hours:,.0f} club-hours, {total.sessions:,} "
            f"sessions, {total.transactions:,} transactions, {len(total.failed)} failed"
        )
    if total.failed:
        raise typer.Exit(1)


async def _club_of(redis_url: str) -> tuple[ClockAnchor | None, list[tuple[str, str]]]:
    store = RedisStore.open(redis_url)
    try:
        pcs = []
        for chain_id in await store.chains():
            for field, document in sorted((await store.catalogue(chain_id)).items()):
                if field.startswith(PC_FIELD):
                    pc = PcDocument.model_validate_json(document)
                    pcs.append((pc.club_id, pc.pc_id))
        return await read_anchor(store), pcs
    finally:
        await store.close()


def _pc_anchor(anchor: ClockAnchor) -> pc_clock.ClockAnchor:
    return pc_clock.ClockAnchor(
        business_at_ms=anchor.business_at_ms, real_at_ms=anchor.real_at_ms, speed=anchor.speed
    )


def _listed(roster: Path) -> list[tuple[str, str]]:
    return [(str(club_id), str(pc_id)) for club_id, pc_id in orjson.loads(roster.read_bytes())]
