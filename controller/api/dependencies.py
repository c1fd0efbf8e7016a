"""Everything the API is given, in one value. It opens nothing itself and keeps no globals."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from fastapi import Depends, Request

from actors.clock import Clock
from actors.gateway import CommandGateway
from actors.store import Catalogue, CatalogueEditing, Past, Snapshots
from controller.api.auth import Gate
from controller.api.commands import CommandDesk
from controller.api.directory import Directory
from controller.api.editing import EditDesk
from controller.api.live import LiveHall
from controller.api.players import Players
from controller.api.principal import Principal
from controller.api.refusals import Refusals
from controller.api.shedding import LoadLimits
from controller.api.stored_keys import StoredKeys
from controller.api.tokens import TokenReader
from controller.enrolment.guesses import GuessLimit
from controller.enrolment.office import EnrolmentOffice, EnrolmentStore
from controller.enrolment.terms import PcTerms
from controller.lists.running import RunningSessions
from controller.lists.session_list import SessionSource
from controller.lists.sources import Archived
from controller.metrics import HttpMetrics


class QueryStore(
    EnrolmentStore, Catalogue, CatalogueEditing, SessionSource, Snapshots, Past, Protocol
):
    """The part of the store an edge may touch: nothing that writes a session or money.

    What history has can be put back to where hosts read it.
    """


@dataclass(frozen=True, slots=True)
class ApiDependencies:
    """What :func:`controller.api.app.create_app` builds the API from.

    ``clock`` tells business time (and its speed), ``real_clock`` the machine's; cookies expire by
    the latter. ``draw_id`` gives a fresh session id, ``draw_secret`` the bytes of a webhook's
    secret; ``code_secret`` is what codes shown once are made with, the same in every process of the
    API. With ``webhooks_private`` webhooks may lead to this machine and its network.
    ``pc_terms`` is what enrolled PCs are told; None: PCs cannot enrol here.
    """

    store: QueryStore
    gateway: CommandGateway
    gate: Gate
    clock: Clock
    real_clock: Clock
    draw_id: Callable[[], str]
    draw_secret: Callable[[], bytes]
    code_secret: bytes
    archived: Archived | None = None
    webhooks_private: bool = False
    tokens: TokenReader | None = None
    pc_terms: PcTerms | None = None
    guesses: GuessLimit = field(default_factory=GuessLimit)
    limits: LoadLimits = field(default_factory=LoadLimits)
    metrics: HttpMetrics = field(default_factory=HttpMetrics)
    secure_cookies: bool = False
    serves_metrics: bool = True
    heartbeat_ms: int = 15_000
    coalesce_ms: int = 120


@dataclass(frozen=True, slots=True)
class Rooms:
    """What one application keeps while it runs."""

    given: ApiDependencies
    directory: Directory
    players: Players
    desk: CommandDesk
    edits: EditDesk
    refusals: Refusals
    stored_keys: StoredKeys
    running: RunningSessions
    office: EnrolmentOffice
    live: LiveHall


def rooms_of(request: Request) -> Rooms:
    """The application's rooms."""
    rooms = request.app.state.rooms
    assert isinstance(rooms, Rooms)
    return rooms


def principal_of(request: Request) -> Principal:
    """Whom the request speaks for; the guarded route has settled it before."""
    principal = request.state.principal
    assert isinstance(principal, Principal)
    return principal


InRooms = Annotated[Rooms, Depends(rooms_of)]
AsPrincipal = Annotated[Principal, Depends(principal_of)]
