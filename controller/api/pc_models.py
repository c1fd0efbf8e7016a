"""What is asked of a PC, and what it tells of its machine, as the API has them."""

from typing import Annotated, Literal

from pydantic import Field

from controller.api.instants import Instant, InstantMs
from controller.api.models import Request, Wire
from schemas.commands import MAX_PC_COMMAND_MS


class HoldPcRequest(Request):
    """Why the PC is out of use, and until when; without an end until it is released."""

    reason: Annotated[str, Field(min_length=1, max_length=120)]
    until_at: InstantMs | None = None


TechnicianCode = Annotated[str, Field(min_length=6, max_length=64, pattern=r"^[A-Za-z0-9]+$")]


class CommandPcRequest(Request):
    """A one-shot order to a PC.

    `text` is for MESSAGE, `durationSeconds` for IDENTIFY and MAINTENANCE (0 ends it), `code` for
    MAINTENANCE: whoever types it at the PC within that time may use the machine.
    """

    command: Literal["MESSAGE", "REBIRTH", "REBOOT", "SHUTDOWN", "WAKE", "IDENTIFY", "MAINTENANCE"]
    text: Annotated[str, Field(max_length=280)] = ""
    duration_seconds: Annotated[int, Field(ge=0, le=MAX_PC_COMMAND_MS // 1_000)] | None = None
    code: TechnicianCode | None = None


class PcMachine(Wire):
    """A PC as a machine, as it last told; null where its platform does not tell.

    `foreground` is the player's program, told only where the club has turned that on.
    """

    pc_id: str
    at: Instant
    os_name: str | None = None
    hostname: str | None = None
    mac: str | None = None
    cpu_model: str | None = None
    gpu_model: str | None = None
    memory_total_mb: int | None = None
    cpu_percent: int | None = None
    memory_percent: int | None = None
    gpu_percent: int | None = None
    cpu_celsius: int | None = None
    gpu_celsius: int | None = None
    foreground: str | None = None
