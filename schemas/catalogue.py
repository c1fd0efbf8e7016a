"""Configured things, as stored in a chain's catalogue: one JSON document per field.

Fields: ``chain``, ``club:<id>``, ``zone:<id>``, ``pc:<id>``, ``tariff:<id>:<version>``.
Players are chain documents of their own (``player:<id>``), because sessions read them.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.commands import EntityId

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    v: Literal[1] = 1


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
    """A zone: its place in the hall and the tariffs it sells."""

    zone_id: EntityId
    club_id: EntityId
    name: Annotated[str, Field(min_length=1, max_length=60)]
    position: int = 0
    tariff_ids: tuple[EntityId, ...] = ()
    default_tariff_id: EntityId | None = None


class PcDocument(_Document):
    """A gaming PC."""

    pc_id: EntityId
    club_id: EntityId
    zone_id: EntityId
    name: Annotated[str, Field(min_length=1, max_length=30)]
    position: int = 0


class PlayerDocument(_Document):
    """A player of the chain."""

    player_id: EntityId
    label: Annotated[str, Field(min_length=1, max_length=60)]
    phone: Annotated[str, Field(max_length=32)] | None = None
    groups: tuple[EntityId, ...] = ()
    auto_renewal: bool = False
