"""``clubctl sim fleet``: simulated PCs, each the real agent on a connection of its own."""

import asyncio
from pathlib import Path
from typing import Annotated

import orjson
import typer

from actors.clock import ClockAnchor
from actors.store_redis import RedisStore
from controller.business_time import read_anchor
from controller.command_settings import connected_settings
from pc_daemon import clock as pc_clock
from pc_daemon.fleet import FleetSettings, run_fleet
from schemas.catalogue import PcDocument

sim_app = typer.Typer(help="Simulated PCs on real connections.", no_args_is_help=True)

PC_FIELD = "pc:"


@sim_app.callback()
def sim() -> None:
    """Simulated PCs on real connections."""


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
