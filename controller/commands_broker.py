"""``clubctl broker``: an authority, a certificate, a whole Mosquitto configuration, its upkeep."""

import asyncio
import os
import secrets
import shutil
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Final

import typer

from actors.clock import SystemClock
from actors.logs import configure_logs
from actors.store import StoreError
from actors.store_redis import RedisStore
from controller.api.instants import render_instant
from controller.broker.certificates import (
    CA_CERT,
    CA_KEY,
    SERVER_CERT,
    SERVER_KEY,
    CertificateError,
    expires_at_ms,
    make_authority,
    make_server_certificate,
    read_issued,
    write_issued,
)
from controller.broker.clones import CloneGuard
from controller.broker.config import CONFIG, PID_FILE, BrokerPlan, Listening, write_configuration
from controller.broker.follow import RulesKeeper, follow, reload_of
from controller.broker.passwords import SALT_BYTES
from controller.command_settings import misconfigured, settings_or_exit
from controller.enrolment.office import EnrolmentOffice
from controller.settings import Settings, load_settings

broker_app = typer.Typer(no_args_is_help=True, add_completion=False)

PCS_PORT: Final = 8883
CONTROLLER_AT: Final = "127.0.0.1:1883"
EXIT_UNREACHABLE: Final = 2

Out = Annotated[Path, typer.Option("--out", help="The folder of the broker's files.")]


@broker_app.command("ca")
def ca_command(
    *,
    out: Out,
    name: Annotated[str, typer.Option(help="What it calls itself.")] = "clubctl",
) -> None:
    """Make the authority that PCs trust as the broker's. Its key stays where it is made."""
    try:
        issued = make_authority(name, SystemClock().wall_ms())
        write_issued(issued, out / CA_CERT, out / CA_KEY)
    except CertificateError as error:
        misconfigured(str(error))
    typer.echo(f"{out / CA_CERT} is for every PC and CLUBCTL_MQTT_CA_FILE; keep {CA_KEY} offline")


@broker_app.command("cert")
def cert_command(
    *,
    out: Out,
    host: Annotated[list[str], typer.Option(help="A name or address PCs reach it by; repeat.")],
) -> None:
    """Make or renew the broker's certificate. Restart the broker to have it used."""
    try:
        authority = read_issued(out / CA_CERT, out / CA_KEY)
        issued = make_server_certificate(authority, host, SystemClock().wall_ms())
        write_issued(issued, out / SERVER_CERT, out / SERVER_KEY, replace=True)
        until = render_instant(expires_at_ms(issued.cert_pem))
    except CertificateError as error:
        misconfigured(str(error))
    typer.echo(f"{out / SERVER_CERT}: {', '.join(host)} until {until}")


@broker_app.command("config")
def config_command(
    *,
    out: Out,
    data: Annotated[Path, typer.Option(help="Where the broker keeps what is retained.")] = Path(
        "/var/lib/mosquitto"
    ),
    listen: Annotated[str, typer.Option(help="[host:]port of the PCs' listener.")] = str(PCS_PORT),
    controller: Annotated[
        str, typer.Option(help="host:port of the controller's listener; TLS unless loopback.")
    ] = CONTROLLER_AT,
    max_pcs: Annotated[int, typer.Option(min=1, max=100_000)] = 2_000,
    user: Annotated[str | None, typer.Option(help="The system's user the broker runs as.")] = None,
) -> None:
    """Write a complete Mosquitto configuration and the rules of every PC enrolled now."""
    settings = settings_or_exit(load_settings)
    if settings.redis_url is None or settings.mqtt_password is None:
        misconfigured("CLUBCTL_REDIS_URL and CLUBCTL_MQTT_PASSWORD are needed; not both are set")
    for name in (SERVER_CERT, SERVER_KEY):
        if not (out / name).exists():
            misconfigured(f"no {out / name}: make one with `clubctl broker ca` and `broker cert`")
    plan = BrokerPlan(
        folder=out.resolve(),
        data_dir=data.resolve(),
        pcs=_listening(listen),
        controller=_listening(controller),
        max_pcs=max_pcs,
        controller_user=settings.mqtt_username or "controller",
        run_as=user,
    )
    secret = settings.mqtt_password.get_secret_value()
    write_configuration(plan, controller_secret=secret, salt=secrets.token_bytes(SALT_BYTES))
    _unreachable_ends(_refreshed(settings.redis_url, plan.folder))
    if user is not None:
        _give_to(user, plan)
    typer.echo(f"{plan.folder / CONFIG} is ready; keep it up with `broker follow`")


@broker_app.command("follow")
def follow_command(
    *,
    out: Out,
    data: Annotated[Path, typer.Option(help="Where the broker says its process id.")] = Path(
        "/var/lib/mosquitto"
    ),
) -> None:
    """Keep the rules as the clubs say, and have the broker obey at once; on its machine."""
    settings = settings_or_exit(load_settings)
    if settings.redis_url is None:
        misconfigured("CLUBCTL_REDIS_URL says where the club's server is; it is not set")
    configure_logs(settings.log_level)
    asyncio.run(_followed(settings, out.resolve(), data.resolve()))


async def _followed(settings: Settings, folder: Path, data: Path) -> None:
    assert settings.redis_url is not None
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = RedisStore.open(settings.redis_url)
    guard = CloneGuard(store, EnrolmentOffice(store, SystemClock(), secrets.token_bytes))
    try:
        keeper = RulesKeeper(store, folder, reload_of(data / PID_FILE))
        await follow(keeper, guard, stop.wait())
    finally:
        await store.close()


async def _refreshed(redis_url: str, folder: Path) -> None:
    store = RedisStore.open(redis_url)
    try:
        await RulesKeeper(store, folder, lambda: None).refresh()
    finally:
        await store.close()


def _unreachable_ends(work: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(work)
    except StoreError as error:
        typer.echo(f"cannot be reached: {error}", err=True)
        raise typer.Exit(EXIT_UNREACHABLE) from error


def _listening(text: str) -> Listening:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 1 <= int(port) <= 65_535:
        misconfigured(f"{text!r} is not [host:]port")
    return Listening(host.strip("[]"), int(port))


def _give_to(user: str, plan: BrokerPlan) -> None:
    """Root writes the files, the broker reads them."""
    if os.geteuid() != 0:
        misconfigured("--user needs root, who gives the files away")
    try:
        for path in (plan.folder, plan.data_dir, *sorted(plan.folder.iterdir())):
            if path.name != CA_KEY:
                shutil.chown(path, user=user)
    except LookupError as error:
        misconfigured(str(error))
