"""What a PC tells of itself as a machine: what it is, and how it is doing. Facts for operators."""

from typing import Annotated

from pydantic import Field

from schemas.fields import WireMessage

MacAddress = Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]
Percent = Annotated[int, Field(ge=0, le=100)]
Celsius = Annotated[int, Field(ge=-50, le=200)]


class MachineFacts(WireMessage):
    """What rarely changes: told with every birth. What the platform does not tell is None."""

    os_name: Annotated[str, Field(max_length=80)] | None = None
    hostname: Annotated[str, Field(max_length=64)] | None = None
    mac: MacAddress | None = None
    cpu_model: Annotated[str, Field(max_length=80)] | None = None
    gpu_model: Annotated[str, Field(max_length=80)] | None = None
    memory_total_mb: Annotated[int, Field(ge=0, le=2**24)] | None = None


class HardwareFacts(WireMessage):
    """How the machine is doing now. What the platform does not tell is None."""

    cpu_percent: Percent | None = None
    memory_percent: Percent | None = None
    gpu_percent: Percent | None = None
    cpu_celsius: Celsius | None = None
    gpu_celsius: Celsius | None = None
    foreground: Annotated[str, Field(max_length=80)] | None = None
    """The program in the foreground; told only where the club has turned it on."""
