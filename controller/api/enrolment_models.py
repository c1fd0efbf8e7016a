"""Enrolment as staff see it over HTTP: codes, machines that wait, PCs and their credentials."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from controller.api.instants import Instant
from controller.api.models import Page, Request, Wire
from controller.enrolment.office import DEFAULT_MINUTES, MINUTES_MAX, USES_MAX
from schemas.commands import EntityId


class CreateEnrolmentCodeRequest(Request):
    """What a one-time code is good for. With `pcId` it replaces that PC's credentials."""

    uses: Annotated[StrictInt, Field(ge=1, le=USES_MAX)] = 1
    minutes: Annotated[StrictInt, Field(ge=1, le=MINUTES_MAX)] = DEFAULT_MINUTES
    needs_approval: StrictBool = False
    pc_id: EntityId | None = None


class NewEnrolmentCode(Wire):
    """A code. It is kept nowhere; the same request again, under the same key, is told the same."""

    code: str
    uses: int
    expires_at: Instant
    needs_approval: bool
    pc_id: str | None


class KeptEnrolmentCode(Wire):
    """What is kept of that answer: ``drawn`` makes the code again, together with the secret of
    this installation's API."""

    drawn: str
    uses: int
    expires_at: Instant
    needs_approval: bool
    pc_id: str | None


class ApproveEnrolmentRequest(Request):
    """Which PC the machine is; may be left out when the machine's own word is right."""

    pc_id: EntityId | None = None


class Machine(Wire):
    """What a machine said of itself."""

    hostname: str
    mac: str
    board: str
    system: str


class WaitingMachine(Wire):
    """A machine that asked to be let in and waits for staff."""

    request_id: str
    reason: Literal["APPROVAL", "NO_SUCH_PC", "PC_TAKEN"]
    pc_id: str | None
    machine: Machine
    origin: str
    asked_at: Instant


class StrangeDevice(Wire):
    """A name that speaks on the broker and is no PC of this club. What it says is dropped."""

    pc_id: str
    messages: int
    last_seen_at: Instant


class PcCredentials(Wire):
    """Whether the broker lets a PC in. `QUARANTINED`: two machines spoke under its name, or
    two replaced its secret."""

    pc_id: str
    state: Literal["ACTIVE", "REVOKED", "QUARANTINED"]
    machine: Machine
    enrolled_at: Instant
    renewed_at: Instant | None
    renew_wanted: bool
    renew_by: Instant | None
    """Until when the present secret is good although another one is wanted."""


class QuarantineView(Wire):
    """Whatever of a club's devices is not what it should be: at most 256 machines that wait, and
    256 strangers heard by each host. What was shut out is there whole, a PC at most once."""

    waiting: list[WaitingMachine]
    strangers: list[StrangeDevice]
    shut_out: list[PcCredentials]


class CredentialsView(Page):
    """PCs of a club that were ever enrolled, in the order asked for."""

    credentials: list[PcCredentials]
