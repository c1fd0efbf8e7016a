"""``clubctl sim``: simulated PCs on real connections, and whole simulated chains under faults."""

import asyncio
import os
import sys
from collections.abc import Sequence
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
from controller.command_settings import (
    connected_settings,
    misconfigured,
    public_keys,
    settings_or_exit,
)
from pc_daemon import clock as pc_clock
from pc_daemon.fleet import FleetSettings, run_fleet
from pc_daemon.fleet_faults import PROFILES
from schemas.catalogue import PcDocument
from schemas.link_port import parse_mqtt_url

sim_app = typer.Typer(help="Simulated PCs, and whole simulated chains.", no_args_is_help=True)

PC_FIELD = "pc:"
SOAK_REPORT_EVERY = 100
"""Seeds between two lines of a soak that no terminal shows."""


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
    one_user: Annotated[
        bool, typer.Option("--one-user", help="Every PC shows the user of CLUBCTL_MQTT_URL.")
    ] = False,
    heartbeat_s: Annotated[float, typer.Option(min=0.05, help="Seconds between beats.")] = 10.0,
    obey: Annotated[
        bool, typer.Option("--obey", help="Take 'unplug PC', 'plug PC' ... line by line.")
    ] = False,
    profile: Annotated[
        str, typer.Option(help=f"What goes wrong meanwhile: {', '.join(PROFILES)}.")
    ] = "none",
    seed: Annotated[int, typer.Option(help="Seeds jitter and faults.")] = 0,
    machine_facts: Annotated[
        bool, typer.Option("--machine-facts", help="Each tells of this machine as if its own.")
    ] = False,
) -> None:
    """Run simulated PCs until SIGTERM, at the pace of the store's business time.

    They have no secrets of their own: a broker that binds every client id to its own user, as
    ``clubctl broker config`` writes it, lets none of them in.
    """
    if profile not in PROFILES:
        raise typer.BadParameter(f"one of {', '.join(PROFILES)}", param_hint="--profile")
    settings = connected_settings()
    assert settings.redis_url is not None
    assert settings.mqtt_url is not None
    if parse_mqtt_url(settings.mqtt_url).credentials is not None and not one_user:
        misconfigured(
            "CLUBCTL_MQTT_URL names one user, and simulated PCs have none of their own. A broker "
            "that binds client ids to users refuses them all; of one that does not, say --one-user"
        )
    settings_or_exit(settings.mqtt_ca_pem)
    anchor, catalogued = asyncio.run(_club_of(settings.redis_url))
    listed = catalogued if roster is None else _listed(roster)
    if pcs is not None and pcs > len(listed):
        source = "the catalogue has" if roster is None else f"{roster} lists"
        misconfigured(f"--pcs {pcs}: {source} {len(listed)} PCs; --roster names more")
    run_fleet(
        FleetSettings(
            mqtt_url=settings.mqtt_url,
            pcs=tuple(listed[:pcs]),
            anchor=None if anchor is None else _pc_anchor(anchor),
            heartbeat_s=heartbeat_s,
            seed=seed,
            keys=public_keys(settings),
            ca_file=settings.mqtt_ca_file,
            profile=profile,
            tells_machine=machine_facts,
        ),
        follow_stdin=obey,
    )


@sim_app.command("soak")
def soak_command(
    *,
    seeds: Annotated[str, typer.Option(help="How many, or which: FIRST:END.")] = "1000",
    seed: Annotated[int | None, typer.Option(help="Play this one again, and no other.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; one per core.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Live random days of a chain under random faults; exit 1 if a promise is broken."""
    from controller.simulation.simulation import Result
    from controller.simulation.soak import Soak, soak

    played = _seeds(seeds) if seed is None else range(seed, seed + 1)
    console = Console(stderr=True)
    with Progress(console=console) as progress:
        bar = progress.add_task("seeds", total=len(played))

        def each(so_far: Soak, result: Result) -> None:
            progress.update(bar, completed=so_far.seeds)
            if not console.is_terminal and so_far.seeds % SOAK_REPORT_EVERY == 0:
                console.print(f"{so_far.seeds:,} of {len(played):,}, {len(so_far.failed)} failed")
            if result.violations:
                _show_failure(console, result.seed, result.violations)

        total = soak(played, jobs=min(jobs or os.cpu_count() or 1, len(played)), each=each)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(asdict(total)) + b"\n")
    else:
        Console().print(
            f"{total.seeds:,} seeds, {total.club_hours:,.0f} club-hours, {total.sessions:,} "
            f"sessions, {sum(total.done.values()):,} commands done, "
            f"{sum(total.refused.values()):,} refused, {total.transactions:,} transactions, "
            f"{len(total.failed)} failed"
        )
    if total.failed:
        raise typer.Exit(1)


def _seeds(asked: str) -> range:
    """``10000`` or ``500:600``."""
    first, colon, end = asked.rpartition(":")
    if end.isdecimal() and (first.isdecimal() or not colon):
        found = range(int(first or 0), int(end))
        if found:
            return found
    raise typer.BadParameter("a number of seeds, or FIRST:END", param_hint="--seeds")


def _show_failure(console: Console, seed: int, violations: Sequence[str]) -> None:
    """At once: whoever soaks for hours wants to begin looking."""
    console.print(f"clubctl sim soak --seed {seed}", style="bold red", soft_wrap=True)
    for violation in violations:
        console.print(f"  {violation}", markup=False, soft_wrap=True)


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
