"""How this machine is doing and what it is: facts for operators, from what the platform tells.

Nothing here decides anything. What cannot be read is None, never a guess.
"""

import contextlib
import importlib
import platform
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, cast

import psutil

from schemas.machine_facts import HardwareFacts, MachineFacts

MAX_NAME: Final = 80
_CPU_SENSORS: Final = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "acpitz")
_CPU_INFO: Final = Path("/proc/cpuinfo")
_LOWEST_CELSIUS, _HIGHEST_CELSIUS = -50, 200


class GpuReading(Protocol):
    """What a graphics card says: (load in percent, degrees Celsius), each None if unknown."""

    name: str | None

    def __call__(self) -> tuple[int | None, int | None]:
        """Read it now."""


class NoGpu:
    """A machine whose graphics card nobody can ask."""

    name: str | None = None

    def __call__(self) -> tuple[int | None, int | None]:
        """See ``GpuReading``."""
        return None, None


class NvidiaGpu:
    """The first NVIDIA card, through NVML (the ``nvidia`` extra, if it is installed)."""

    def __init__(self) -> None:
        self._nvml = cast("_Nvml", importlib.import_module("pynvml"))
        self._nvml.nvmlInit()
        self._card = self._nvml.nvmlDeviceGetHandleByIndex(0)
        self.name: str | None = _text(self._nvml.nvmlDeviceGetName(self._card))

    def __call__(self) -> tuple[int | None, int | None]:
        """See ``GpuReading``."""
        try:
            load = self._nvml.nvmlDeviceGetUtilizationRates(self._card).gpu
            heat = self._nvml.nvmlDeviceGetTemperature(self._card, 0)
        except self._nvml.NVMLError:
            return None, None
        return _percent(load), _celsius(heat)


class _Utilization(Protocol):
    gpu: float


class _Nvml(Protocol):
    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...  # noqa: N802 - NVML's own names
    def nvmlDeviceGetHandleByIndex(self, index: int) -> object: ...  # noqa: N802
    def nvmlDeviceGetName(self, card: object) -> str | bytes: ...  # noqa: N802
    def nvmlDeviceGetUtilizationRates(self, card: object) -> _Utilization: ...  # noqa: N802
    def nvmlDeviceGetTemperature(self, card: object, sensor: int) -> float: ...  # noqa: N802


def find_gpu() -> GpuReading:
    """The card that can be asked, if there is one."""
    # The package, its driver or the card may be missing, each with an error of its own kind.
    with contextlib.suppress(Exception):
        return NvidiaGpu()
    return NoGpu()


def _no_foreground() -> str | None:
    return None


@dataclass(slots=True)
class MachineGauge:
    """Reads this machine. ``foreground`` answers None unless the club has turned it on."""

    gpu: GpuReading = field(default_factory=find_gpu)
    foreground: Callable[[], str | None] = _no_foreground

    def facts(self) -> MachineFacts:
        """What rarely changes."""
        return MachineFacts(
            os_name=_named(f"{platform.system()} {platform.release()}"),
            hostname=socket.gethostname()[:64] or None,
            mac=mac_address(),
            cpu_model=_named(cpu_model()),
            gpu_model=_named(self.gpu.name or ""),
            memory_total_mb=psutil.virtual_memory().total // 2**20,
        )

    def reading(self) -> HardwareFacts:
        """How it is doing now; the load of the processor is since the last reading."""
        gpu_percent, gpu_celsius = self.gpu()
        return HardwareFacts(
            cpu_percent=_percent(psutil.cpu_percent()),
            memory_percent=_percent(psutil.virtual_memory().percent),
            gpu_percent=gpu_percent,
            cpu_celsius=cpu_celsius(),
            gpu_celsius=gpu_celsius,
            foreground=_named(self.foreground() or ""),
        )


def cpu_model() -> str:
    """What the processor calls itself; empty where nobody can tell."""
    if sys.platform == "win32":
        import winreg

        path = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
    else:
        with contextlib.suppress(OSError):
            for line in _CPU_INFO.read_text().splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2]
        return platform.processor()


def mac_address() -> str | None:
    """The address of the card that wakes this PC: the first one that is up and has an address."""
    stats = psutil.net_if_stats()
    for name, addresses in sorted(psutil.net_if_addrs().items()):
        if name not in stats or not stats[name].isup:
            continue
        if not any(
            one.family is socket.AF_INET and not _is_local(one.address) for one in addresses
        ):
            continue
        for one in addresses:
            if one.family is psutil.AF_LINK:
                return one.address.replace("-", ":").lower()
    return None


def cpu_celsius() -> int | None:
    """The hottest part of the processor; None where the platform does not tell."""
    read = getattr(psutil, "sensors_temperatures", None)
    if read is None:
        return None
    sensors = read()
    for chip in _CPU_SENSORS:
        heats = [one.current for one in sensors.get(chip, ()) if one.current is not None]
        if heats:
            return _celsius(max(heats))
    return None


def _is_local(address: str) -> bool:
    return address.startswith("127.")


def _percent(value: float) -> int:
    return max(0, min(100, round(value)))


def _celsius(value: float) -> int | None:
    return round(value) if _LOWEST_CELSIUS <= value <= _HIGHEST_CELSIUS else None


def _named(name: str) -> str | None:
    kept = "".join(filter(str.isprintable, name)).strip()[:MAX_NAME]
    return kept or None


def _text(name: str | bytes) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name
