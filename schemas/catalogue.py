"""Configured things, as stored in a chain's catalogue: one JSON document per field.

Fields: ``chain``, ``club:<id>``, ``zone:<id>``, ``pc:<id>``, ``group:<id>``,
``tariff:<id>:<version>`` (published, never changed) and ``draft:<id>`` (a tariff not published).
Players are chain documents of their own (``player:<id>``), because sessions read them; so are
``phone:<number>`` (whose it is), ``staff:<id>`` and ``apikey:<id>``, because requests do.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.access import Permission, Role
from schemas.commands import MAX_PAID_MINOR, Channel, EntityId

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    v: Literal[1] = 1
    younger: ClassVar[frozenset[str]] = frozenset()
    """Fields that the release before does not know."""

    def stored(self) -> bytes:
        """The JSON to store, without younger fields that are as usual: so the release before
        reads it too, as long as nobody uses what only this one has."""
        usual = {
            name
            for name in self.younger
            if getattr(self, name) == type(self).model_fields[name].get_default()
        }
        return self.model_dump_json(exclude=usual).encode()


class ChainDocument(_Document):
    """A tenant."""

    chain_id: EntityId
    name: Annotated[str, Field(min_length=1, max_length=120)]


class ClubDocument(_Document):
    """A club and its policies; ``terms`` is the JSON form of the billing room's ClubTerms."""

    club_id: EntityId
    name: Annotated[str, Field(min_length=1, max_length=120)]
    timezone: Annotated[str, Field(min_length=1, max_length=64)]
    currency: Currency
    terms: dict[str, object] = {}


class ZoneDocument(_Document):
    """A zone: its place in the hall and the tariffs it sells.

    ``terms`` are limits of its own in the JSON form of the billing room's ZoneTerms. An archived
    zone has no PC in service and is named by history only.
    """

    younger: ClassVar[frozenset[str]] = frozenset({"terms", "archived"})

    zone_id: EntityId
    club_id: EntityId
    name: Annotated[str, Field(min_length=1, max_length=60)]
    position: int = 0
    tariff_ids: tuple[EntityId, ...] = ()
    default_tariff_id: EntityId | None = None
    terms: dict[str, object] = {}
    archived: bool = False


class PcAdministrativeState(StrEnum):
    """Whether a PC belongs to the hall."""

    IN_SERVICE = "IN_SERVICE"
    RETIRED = "RETIRED"
    """It stays locked, takes no session, and what is open on it is ended or cancelled."""


class PcDocument(_Document):
    """A gaming PC."""

    younger: ClassVar[frozenset[str]] = frozenset({"state"})

    pc_id: EntityId
    club_id: EntityId
    zone_id: EntityId
    name: Annotated[str, Field(min_length=1, max_length=30)]
    position: int = 0
    state: PcAdministrativeState = PcAdministrativeState.IN_SERVICE


class CreditLimit(BaseModel):
    """How far a player's wallet in one currency may go below nothing.

    ``floor_minor`` is how far below nothing it may rightfully stand: a limit that is lowered
    forbids charges, and makes none of those before it wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: Currency
    limit_minor: Annotated[int, Field(ge=0, le=MAX_PAID_MINOR)]
    floor_minor: Annotated[int, Field(ge=0, le=MAX_PAID_MINOR)]


class PlayerDocument(_Document):
    """A player of the chain, with at most one credit limit a currency."""

    younger: ClassVar[frozenset[str]] = frozenset({"credit_limits"})

    player_id: EntityId
    label: Annotated[str, Field(min_length=1, max_length=60)]
    phone: Annotated[str, Field(max_length=32)] | None = None
    groups: tuple[EntityId, ...] = ()
    auto_renewal: bool = False
    credit_limits: tuple[CreditLimit, ...] = ()

    def credit_limit_minor(self, currency: str) -> int:
        """How far below nothing the wallet in a currency may go."""
        for one in self.credit_limits:
            if one.currency == currency:
                return one.limit_minor
        return 0

    def credit(self, currency: str) -> CreditLimit:
        """The limit of the wallet in a currency; without one it ends at nothing."""
        found = (one for one in self.credit_limits if one.currency == currency)
        return next(found, CreditLimit(currency=currency, limit_minor=0, floor_minor=0))


class PlayerGroupDocument(_Document):
    """A group of players that tariffs may be meant for."""

    group_id: EntityId
    name: Annotated[str, Field(min_length=1, max_length=60)]


class PhoneDocument(_Document):
    """Whose number this is: a number belongs to one player."""

    player_id: EntityId


class StaffRole(BaseModel):
    """What somebody is in one club, or (``club_id`` None) in every club of the chain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal[Role.OWNER, Role.ADMINISTRATOR, Role.CASHIER]
    club_id: EntityId | None = None


class StaffDocument(_Document):
    """Somebody who works for the chain and signs in with a token of the chain's issuer."""

    staff_id: EntityId
    name: Annotated[str, Field(min_length=1, max_length=60)]
    roles: tuple[StaffRole, ...] = ()
    enabled: bool = True


class ApiKeyDocument(_Document):
    """A key of the chain: a digest of its secret, and what it may do where."""

    key_id: EntityId
    name: Annotated[str, Field(min_length=1, max_length=60)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    role: Literal[Role.OWNER, Role.ADMINISTRATOR, Role.CASHIER]
    scopes: tuple[Permission, ...] = ()
    club_ids: tuple[EntityId, ...] = ()
    channel: Channel = Channel.CRM
    created_at_ms: int
    revoked_at_ms: int | None = None
