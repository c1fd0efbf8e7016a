"""Puts an agent together from its settings and runs it until it is told to end."""

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from random import Random, SystemRandom

from pc_daemon.agent_state import Identity
from pc_daemon.boots import boot_id
from pc_daemon.choose_locker import choose_locker
from pc_daemon.clock import PcClock, SystemClock
from pc_daemon.enrolment import EnrolmentFiles
from pc_daemon.hardware import MachineGauge
from pc_daemon.journal import FileJournal
from pc_daemon.machine import this_machine
from pc_daemon.renewal import SecretKeeper
from pc_daemon.service import AgentService, LinkMaker, Surroundings
from pc_daemon.settings import CONFIG_VARIABLE, AgentSettings
from pc_daemon.trust import FileKeys, MemoryKeys
from pc_daemon.watchdog import ALIVE, READY, STOPPING, service_manager
from schemas.device import PresenceReason
from schemas.link import GmqttLink
from schemas.link_port import Credentials, LinkSettings, parse_mqtt_url

CAPABILITIES = ("lock", "message", "reboot", "usage")


def run_agent(settings: AgentSettings) -> None:
    """Run the agent of this PC until SIGTERM or Ctrl-C. Blocks."""
    configure_logging(settings)
    asyncio.run(_until_signalled(settings))


def configure_logging(settings: AgentSettings) -> None:
    """One line per event on standard error; never a secret."""
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )


def link_settings(settings: AgentSettings) -> LinkSettings:
    """The link of a PC: its client id is its place in the chain."""
    address = parse_mqtt_url(settings.mqtt_url)
    credentials = address.credentials
    if settings.mqtt_username is not None:
        password = settings.mqtt_password.get_secret_value()
        credentials = Credentials(settings.mqtt_username, password)
    tls = ssl.create_default_context(cafile=settings.ca_file) if address.tls else None
    return LinkSettings(
        host=address.host,
        port=address.port,
        client_id=f"{settings.club_id}.{settings.pc_id}",
        credentials=credentials,
        tls=tls,
    )


def link_maker(
    settings: LinkSettings,
    clock: PcClock,
    random: Random,
    *,
    secret: SecretKeeper | None = None,
) -> LinkMaker:
    """Makes real links with these settings; ``secret`` is asked before every connection."""
    credentials = None if secret is None else secret.credentials
    return lambda host, will: GmqttLink(
        settings, host, mono_s=clock.real_s, random=random, will=will, credentials=credentials
    )


def secret_keeper(settings: AgentSettings) -> SecretKeeper | None:
    """Who renews this PC's secret; None where it was not enrolled by a code."""
    config = os.environ.get(CONFIG_VARIABLE)
    if settings.api_url is None or config is None:
        return None
    files = EnrolmentFiles(Path(config))
    return SecretKeeper(files, Random())  # noqa: S311 - jitter, not a secret


def make_service(settings: AgentSettings, secret: SecretKeeper | None = None) -> AgentService:
    """The agent of this PC on its real journal, screen and link."""
    # Nonces come from it too, and whoever can tell the next one can keep an answer for it.
    clock, random = SystemClock(), SystemRandom()
    locker = choose_locker(settings, clock.real_s)
    gauge = MachineGauge(foreground=locker.foreground)
    identity = Identity(
        club_id=settings.club_id,
        pc_id=settings.pc_id,
        boot_id=boot_id(settings.state_dir, clock.now()),
        agent_version=version("clubctl"),
        capabilities=CAPABILITIES,
        chain_id=settings.chain_id,
        machine=gauge.facts(),
    )
    around = Surroundings(
        clock=clock,
        random=random,
        journal=FileJournal(settings.state_dir),
        locker=locker,
        make_link=link_maker(link_settings(settings), clock, random, secret=secret),
        machine=this_machine(),
        heartbeat_s=settings.heartbeat_s,
        gauge=gauge,
        keys=MemoryKeys() if settings.keys_file is None else FileKeys(settings.keys_file),
    )
    if secret is not None:
        around = replace(around, renew=secret.ask_now)
    return AgentService(identity, around)


async def serve(
    settings: AgentSettings, ended: asyncio.Event, reason: Callable[[], PresenceReason]
) -> None:
    """Be the agent of this PC until ``ended``; ``reason`` is then what the club is told."""
    manager = service_manager(os.environ)
    secret = secret_keeper(settings)
    service = make_service(settings, secret)
    service.start()
    renewing = None if secret is None else asyncio.create_task(secret.run())
    manager.say(READY)
    try:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(manager.word_every_s):
                    await ended.wait()
            manager.say(ALIVE)
    finally:
        manager.say(STOPPING)
        if renewing is not None:
            renewing.cancel()
        await service.stop(reason())


async def _until_signalled(settings: AgentSettings) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
    await serve(settings, ended, lambda: PresenceReason.AGENT_STOPPED)
