"""What this machine lacks to run clubctl, and how to get each thing. Changes nothing."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

from rich.table import Table

from actors.clock import FOLLOWED_MAX_MS, SystemClock
from actors.store import StoreError
from actors.store_redis import RedisStore
from actors.timekeeping import KnownTime, known_time, signed_seconds
from controller.embedded.broker import find_broker
from controller.embedded.errors import NoServerError
from controller.embedded.state import is_free
from controller.embedded.valkey import find_server
from controller.settings import Settings, unknown_variables, without_password

PYTHON_MIN = (3, 11)
DISK_FREE_MIN_MB = 1_024
MEMORY_FREE_MIN_MB = 1_536
CONNECT_TIMEOUT_SECONDS = 2.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "mqtt": 1883, "mqtts": 8883}
_MEGABYTE = 1_048_576


class Health(StrEnum):
    """How a finding bears on running clubctl."""

    OK = "ok"
    WARNING = "warning"
    """Something will be missing or slow; a demo runs."""
    MISSING = "missing"
    """It will not run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``remedy`` says how to get it; empty when all is well."""

    name: str
    health: Health
    detail: str
    remedy: str = ""


def doctor(settings: Settings, environment: Mapping[str, str] | None = None) -> list[Finding]:
    """Look at everything clubctl needs, in the order in which it needs it."""
    variables = os.environ if environment is None else environment
    looks: tuple[Callable[[], Finding], ...] = (
        lambda: python_finding(sys.version_info[:2]),
        lambda: variables_finding(variables),
        lambda: redis_finding(settings),
        lambda: clock_finding(settings),
        lambda: broker_finding(settings),
        lambda: package_finding("ray"),
        lambda: port_finding(settings.api_port),
        lambda: folder_finding(settings.state_dir),
        lambda: disk_finding(settings.state_dir),
        lambda: memory_finding(Path("/proc/meminfo")),
        lambda: browser_finding(variables.get("PATH", "")),
    )
    return [look() for look in looks]


def is_healthy(findings: list[Finding]) -> bool:
    """Nothing that is needed is missing."""
    return all(finding.health is not Health.MISSING for finding in findings)


def findings_table(findings: list[Finding]) -> Table:
    """The findings for a terminal."""
    table = Table(title="clubctl doctor")
    for column in ("", "what", "found", "how to get it"):
        table.add_column(column, overflow="fold")
    marks = {
        Health.OK: "[green]ok[/]",
        Health.WARNING: "[yellow]warning[/]",
        Health.MISSING: "[red]missing[/]",
    }
    for finding in findings:
        table.add_row(marks[finding.health], finding.name, finding.detail, finding.remedy)
    return table


def python_finding(found: tuple[int, int]) -> Finding:
    """The interpreter is new enough."""
    shown = ".".join(map(str, found))
    if found >= PYTHON_MIN:
        return Finding("python", Health.OK, shown)
    return Finding("python", Health.MISSING, shown, "install Python 3.11 or newer")


def variables_finding(variables: Mapping[str, str]) -> Finding:
    """No variable is mistyped."""
    unknown = unknown_variables(variables)
    if not unknown:
        return Finding("settings", Health.OK, "valid")
    detail = f"unknown: {', '.join(unknown)}"
    return Finding("settings", Health.WARNING, detail, "nobody reads these; look for typing errors")


def redis_finding(settings: Settings) -> Finding:
    """A Redis or Valkey answers, or one can be started."""
    if settings.redis_url is not None:
        return _answering("redis", settings.redis_url, "start it, or correct CLUBCTL_REDIS_URL")
    try:
        return Finding("redis", Health.OK, f"embedded: {find_server()}")
    except NoServerError as error:
        return Finding("redis", Health.MISSING, "no server", str(error))


def clock_finding(settings: Settings) -> Finding:
    """This machine's calendar, the store's and those of the hosts agree."""
    if settings.redis_url is None:
        return Finding("clock", Health.OK, "one machine; nothing to compare with")
    try:
        known, here_ms = asyncio.run(_times(settings.redis_url))
    except StoreError as error:
        return Finding("clock", Health.WARNING, f"the store does not say its time: {error}")
    off = (
        [f"the store by {signed_seconds(known.store_ms - here_ms)}"]
        if _differ(known.store_ms, here_ms)
        else []
    )
    off += [
        f"boot {boot} by {signed_seconds(record.ahead_ms)}"
        + (f" ({record.waiting})" if record.waiting else "")
        for boot, record in sorted(known.records.items())
        if _differ(record.ahead_ms, 0)
    ]
    if not off:
        return Finding("clock", Health.OK, "calendars agree")
    remedy = "keep time from the network; see `clubctl clock`"
    return Finding("clock", Health.WARNING, f"calendars are off: {', '.join(off)}", remedy)


def _differ(one_ms: int, other_ms: int) -> bool:
    return abs(one_ms - other_ms) > FOLLOWED_MAX_MS


async def _times(url: str) -> tuple[KnownTime, int]:
    store = RedisStore.open(url)
    try:
        return await known_time(store), SystemClock().wall_ms()
    finally:
        await store.close()


def broker_finding(settings: Settings) -> Finding:
    """An MQTT broker answers, or one can be started."""
    if settings.mqtt_url is not None:
        return _answering("broker", settings.mqtt_url, "start it, or correct CLUBCTL_MQTT_URL")
    try:
        kind = find_broker()
    except NoServerError as error:
        return Finding("broker", Health.MISSING, "no broker", str(error))
    if kind == "mosquitto":
        return Finding("broker", Health.OK, "embedded: mosquitto")
    return Finding(
        "broker",
        Health.WARNING,
        "embedded: the packaged broker, which forgets retained documents when it is killed",
        "install mosquitto for anything but a demo",
    )


def _answering(name: str, url: str, remedy: str) -> Finding:
    shown = without_password(url)
    parts = urlsplit(url)
    try:
        if parts.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(CONNECT_TIMEOUT_SECONDS)
                connection.connect(parts.path)
        else:
            address = (parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme])
            socket.create_connection(address, CONNECT_TIMEOUT_SECONDS).close()
    except OSError as error:
        return Finding(name, Health.MISSING, f"{shown}: {error}", remedy)
    return Finding(name, Health.OK, shown)


def package_finding(name: str) -> Finding:
    """A package is installed."""
    try:
        return Finding(name, Health.OK, version(name))
    except PackageNotFoundError:
        remedy = "make demo builds the environment; or pip install -r requirements.lock"
        return Finding(name, Health.MISSING, "not installed", remedy)


def port_finding(port: int) -> Finding:
    """The API's port is free."""
    if is_free(port):
        return Finding("api port", Health.OK, f"{port} is free")
    remedy = "stop what listens there, or set CLUBCTL_API_PORT"
    return Finding("api port", Health.WARNING, f"{port} is taken", remedy)


def folder_finding(folder: Path) -> Finding:
    """The state folder, or the place for it, can be written."""
    place = _existing(folder)
    if place.is_dir() and os.access(place, os.W_OK):
        return Finding("state folder", Health.OK, str(folder.resolve()))
    remedy = "set CLUBCTL_STATE_DIR to a folder of yours"
    return Finding("state folder", Health.MISSING, f"{place} cannot be written", remedy)


def disk_finding(folder: Path) -> Finding:
    """There is room for the state folder."""
    free_mb = shutil.disk_usage(_existing(folder)).free // _MEGABYTE
    if free_mb >= DISK_FREE_MIN_MB:
        return Finding("disk", Health.OK, f"{free_mb} MB free")
    remedy = f"free some: {DISK_FREE_MIN_MB} MB are wanted"
    return Finding("disk", Health.WARNING, f"{free_mb} MB free", remedy)


def memory_finding(meminfo: Path) -> Finding:
    """There is memory for Ray and two hosts."""
    if not meminfo.exists():
        return Finding("memory", Health.OK, "not known on this system")
    lines = (line.split() for line in meminfo.read_text().splitlines())
    available_mb = next(int(f[1]) for f in lines if f[0] == "MemAvailable:") // 1_024
    if available_mb >= MEMORY_FREE_MIN_MB:
        return Finding("memory", Health.OK, f"{available_mb} MB available")
    remedy = f"close something: {MEMORY_FREE_MIN_MB} MB are wanted"
    return Finding("memory", Health.WARNING, f"{available_mb} MB available", remedy)


def browser_finding(path: str) -> Finding:
    """A browser for the tests of the pages."""
    found = next((where for b in BROWSERS if (where := shutil.which(b, path=path))), None)
    if found is not None:
        return Finding("browser for tests", Health.OK, found)
    return Finding(
        "browser for tests", Health.WARNING, "none", "install chromium to run the browser tests"
    )


def _existing(folder: Path) -> Path:
    return next(place for place in (folder.resolve(), *folder.resolve().parents) if place.exists())
