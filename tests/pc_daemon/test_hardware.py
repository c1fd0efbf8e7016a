"""Facts about the machine: what the platform tells, within bounds, and nothing it does not."""

import socket
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import psutil
import pytest
from displays_under_test import a_display, a_program_in_front

from pc_daemon import hardware
from pc_daemon.hardware import MachineGauge, NoGpu, cpu_celsius, find_gpu, mac_address
from schemas.machine_facts import HardwareFacts, MachineFacts


class Heat(NamedTuple):
    label: str
    current: float
    high: float | None
    critical: float | None


class Address(NamedTuple):
    family: int
    address: str


class Card(NamedTuple):
    isup: bool


def test_what_is_read_fits_the_wire() -> None:
    gauge = MachineGauge(gpu=NoGpu())
    gauge.reading()
    reading, facts = gauge.reading(), gauge.facts()
    assert HardwareFacts.model_validate_json(reading.model_dump_json()) == reading
    assert MachineFacts.model_validate_json(facts.model_dump_json()) == facts
    assert reading.memory_percent is not None
    assert facts.memory_total_mb == psutil.virtual_memory().total // 2**20
    assert reading.gpu_percent is None


def test_no_program_is_named_unless_somebody_was_asked_to_name_it() -> None:
    assert MachineGauge(gpu=NoGpu()).reading().foreground is None
    named = MachineGauge(gpu=NoGpu(), foreground=lambda: "dota2\n" + "x" * 200).reading()
    assert named.foreground == ("dota2" + "x" * 200)[: hardware.MAX_NAME]


def test_a_machine_without_the_cards_package_has_no_card() -> None:
    assert find_gpu()() == (None, None)


class LostError(Exception):
    """What NVML raises."""


class Nvml(ModuleType):
    """NVIDIA's library as its package shows it, over one card."""

    NVMLError = LostError

    def __init__(self, name: str | bytes, *, cards: int = 1) -> None:
        super().__init__("pynvml")
        self.card_name, self.cards = name, cards
        self.load, self.heat, self.started, self.lost = 0.0, 0.0, False, False

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's own names
        self.started = True

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        if not self.started or index >= self.cards:
            raise LostError
        return f"card {index}"

    def nvmlDeviceGetName(self, card: str) -> str | bytes:  # noqa: N802
        assert card == "card 0"
        return self.card_name

    def nvmlDeviceGetUtilizationRates(self, card: str) -> SimpleNamespace:  # noqa: N802
        assert card == "card 0"
        if self.lost:
            raise LostError
        return SimpleNamespace(gpu=self.load, memory=3)

    def nvmlDeviceGetTemperature(self, card: str, sensor: int) -> float:  # noqa: N802
        assert (card, sensor) == ("card 0", 0)
        return self.heat


@pytest.mark.parametrize("name", ["NVIDIA GeForce RTX 4070", b"NVIDIA GeForce RTX 4070"])
def test_a_card_of_nvidia_is_read_until_it_falls_off_the_bus(
    name: str | bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml = Nvml(name)
    nvml.load, nvml.heat = 87.4, 71.0
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    gauge = MachineGauge()
    reading = gauge.reading()
    assert gauge.facts().gpu_model == "NVIDIA GeForce RTX 4070"
    assert (reading.gpu_percent, reading.gpu_celsius) == (87, 71)

    nvml.load, nvml.heat = 140.0, 4_000.0
    reading = gauge.reading()
    assert (reading.gpu_percent, reading.gpu_celsius) == (100, None)

    nvml.lost = True
    reading = gauge.reading()
    assert (reading.gpu_percent, reading.gpu_celsius) == (None, None)


def test_nvidias_library_without_a_card_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml("none", cards=0))
    assert find_gpu()() == (None, None)


@pytest.mark.parametrize(
    ("sensors", "celsius"),
    [
        ({}, None),
        ({"nvme": [Heat("", 40.0, None, None)]}, None),
        ({"coretemp": [Heat("", 51.2, None, None), Heat("", 63.7, None, None)]}, 64),
        ({"k10temp": [Heat("", 4_000.0, None, None)]}, None),
    ],
)
def test_the_hottest_part_of_the_processor_counts(
    monkeypatch: pytest.MonkeyPatch, sensors: dict[str, list[Heat]], celsius: int | None
) -> None:
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors, raising=False)
    assert cpu_celsius() == celsius


def test_the_card_that_wakes_the_pc_is_up_and_has_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def card(ip: str, mac: str) -> list[Address]:
        return [
            Address(socket.AF_INET, ip),
            Address(psutil.AF_LINK, mac),
        ]

    cards = {
        "lo": card("127.0.0.1", "00:00:00:00:00:00"),
        "down": card("10.0.0.9", "02:00:00:00:00:09"),
        "eth0": card("10.0.0.7", "02-00-00-AA-BB-07"),
    }
    up = {name: Card(name != "down") for name in cards}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: cards)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: up)
    assert mac_address() == "02:00:00:aa:bb:07"


def test_the_program_in_front_is_found_on_a_real_display() -> None:
    with a_display(640, 480) as display, a_program_in_front(display) as program:
        asked = "from pc_daemon.foreground import foreground_program as f; print(f())"
        told = subprocess.run(
            [sys.executable, "-c", asked],
            env={"DISPLAY": display.name, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == program
