"""Enrolment: how a PC becomes known. The wire between agent and API, and what is stored.

The PC draws its own secret and sends it over HTTPS; what is stored of it is a digest that knows
it again and the broker's salted hash. A request is named after its secret, so asking again, after
a lost answer or while staff decide, is the same request. Instants are UTC milliseconds.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.commands import EntityId
from schemas.trust import KeysDocument

ENROLMENT_PATH: Final = "/api/v1/enrolments"
REFRESH_PATH: Final = "/api/v1/enrolments/refresh"
CODE_MAX_CHARS: Final = 96
RENEW_WITHIN_MS: Final = 72 * 3_600_000
"""A PC that has not drawn the secret staff want by then is shut out."""
SECRET_PATTERN: Final = r"^[A-Za-z0-9_-]{43}$"  # noqa: S105 - its form, not one
"""32 random bytes in the URL-safe base64 alphabet, without padding."""

Secret = Annotated[str, Field(pattern=SECRET_PATTERN)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fact = Annotated[str, Field(max_length=64)]
InstantMs = Annotated[int, Field(ge=0, le=2**53)]


def pc_user(club_id: str, pc_id: str) -> str:
    """The user name and client id of a PC on the broker. No id holds a dot, so it is its own."""
    return f"{club_id}.{pc_id}"


class _Wire(BaseModel):
    """Unknown fields are ignored, so that either end may be upgraded first."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EnrolmentFacts(_Wire):
    """What a machine says of itself, for staff to know it by. Proves nothing."""

    hostname: Fact = ""
    mac: Fact = ""
    board: Fact = ""
    """The mainboard's own id (SMBIOS UUID or serial), where the system tells."""
    system: Fact = ""
    boot_id: Fact = ""


class EnrolmentRequest(_Wire):
    """A PC asks to be let in. ``pc_id`` says which one it believes to be."""

    code: Annotated[str, Field(min_length=1, max_length=CODE_MAX_CHARS)] = Field(repr=False)
    secret: Secret = Field(repr=False)
    pc_id: EntityId | None = None
    facts: EnrolmentFacts = EnrolmentFacts()


class RefreshRequest(_Wire):
    """A known PC asks how things stand, and with ``new_secret`` replaces its own."""

    club_id: EntityId
    pc_id: EntityId
    secret: Secret = Field(repr=False)
    new_secret: Secret | None = Field(default=None, repr=False)
    facts: EnrolmentFacts = EnrolmentFacts()


class EnrolmentStatus(StrEnum):
    """How far a request has come."""

    WAITING = "WAITING"
    """Staff decide; ask again with the same secret."""
    ENROLLED = "ENROLLED"


class Standing(_Wire):
    """Everything a PC needs to work; its user's secret is its own."""

    club_id: EntityId
    pc_id: EntityId
    club_name: str
    pc_name: str
    mqtt_url: str
    username: str
    ca_pem: str = ""
    """Whom to trust as the broker; empty: the authorities of the system."""
    keys: KeysDocument | None = None
    """Whose signatures to believe; pinned by this answer."""
    renew_wanted: bool = False
    """Staff want the secret replaced."""


class EnrolmentAnswer(_Wire):
    """What became of a request."""

    status: EnrolmentStatus
    request_id: str
    retry_after_s: int = 0
    standing: Standing | None = None


# ---- stored: a club's enrolment book ----------------------------------------------------------

CODE_FIELD: Final = "code:"
REQUEST_FIELD: Final = "request:"
CREDENTIAL_FIELD: Final = "pc:"


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1


class EnrolmentCode(_Stored):
    """A one-time code. Only its digest is kept.

    ``pc_id``: it is for this PC alone, and replaces its credentials without asking again.
    """

    code_id: EntityId
    digest: Sha256
    uses_left: Annotated[int, Field(ge=0)]
    expires_at_ms: InstantMs
    needs_approval: bool = False
    pc_id: EntityId | None = None
    created_at_ms: InstantMs
    created_by: str = ""
    asked_with: str = ""

    @property
    def field(self) -> str:
        """Where it is kept."""
        return f"{CODE_FIELD}{self.code_id}"


class WaitingReason(StrEnum):
    """Why a request waits for staff."""

    APPROVAL = "APPROVAL"
    """The code asks for it."""
    NO_SUCH_PC = "NO_SUCH_PC"
    """Neither what it asked for nor its name is a PC of the club."""
    PC_TAKEN = "PC_TAKEN"
    """The PC has credentials already; giving it new ones shuts the old ones out."""


class WaitingRequest(_Stored):
    """A machine that staff have to place or to turn away."""

    request_id: EntityId
    secret_digest: Sha256
    broker_hash: str = Field(repr=False)
    reason: WaitingReason
    facts: EnrolmentFacts = EnrolmentFacts()
    origin: str = ""
    pc_id: EntityId | None = None
    """The PC it would be."""
    asked_at_ms: InstantMs
    rejected_at_ms: InstantMs | None = None

    @property
    def field(self) -> str:
        """Where it is kept."""
        return f"{REQUEST_FIELD}{self.request_id}"


class CredentialState(StrEnum):
    """Whether the broker lets a PC in."""

    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"
    QUARANTINED = "QUARANTINED"
    """Two machines spoke under it; neither may, until one is enrolled anew."""


class PcCredential(_Stored):
    """What a PC is known by. ``broker_hash`` is a line of the broker's password file."""

    pc_id: EntityId
    request_id: EntityId
    secret_digest: Sha256
    replaced_digest: Sha256 | None = None
    """Of the secret before this one."""
    broker_hash: str = Field(repr=False)
    state: CredentialState = CredentialState.ACTIVE
    facts: EnrolmentFacts = EnrolmentFacts()
    enrolled_at_ms: InstantMs
    renewed_at_ms: InstantMs | None = None
    renew_wanted: bool = False
    changed_at_ms: InstantMs
    changed_by: str = ""

    @property
    def field(self) -> str:
        """Where it is kept."""
        return f"{CREDENTIAL_FIELD}{self.pc_id}"

    @property
    def is_active(self) -> bool:
        """Whether the broker lets it in."""
        return self.state is CredentialState.ACTIVE

    @property
    def renew_by_ms(self) -> int | None:
        """Until when the present secret is good although staff want another; None: they do not."""
        wanted = self.renew_wanted and self.is_active
        return self.changed_at_ms + RENEW_WITHIN_MS if wanted else None

    def is_overdue(self, now_ms: int) -> bool:
        """Whether the PC has had its time to draw the secret that staff want."""
        return self.renew_by_ms is not None and now_ms >= self.renew_by_ms
