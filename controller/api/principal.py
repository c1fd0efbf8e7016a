"""Whom a request speaks for, and what of the chain is theirs to see."""

from dataclasses import dataclass, field, replace

from actors.auditing import Asker
from controller.api.problems import ProblemError
from schemas.access import Permission, PrincipalKind
from schemas.commands import Channel


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request speaks for. ``name`` is the key's name or the person's id, never a secret.

    ``club_ids`` None: every club of the chain. A player's ``player_id`` limits everything to
    what is the player's own. ``club_permissions`` are what somebody may do in single clubs beside
    ``permissions``, which hold in all of ``club_ids``.
    """

    chain_id: str
    name: str
    kind: PrincipalKind = PrincipalKind.KEY
    permissions: frozenset[Permission] = frozenset(Permission)
    club_ids: frozenset[str] | None = None
    player_id: str | None = None
    channel: Channel = Channel.CRM
    club_permissions: tuple[tuple[str, frozenset[Permission]], ...] = ()
    in_club: tuple[tuple[str, frozenset[Permission]], ...] = field(default=(), compare=False)
    """What else they may do in single clubs of those a permission reaches."""
    origin: str = field(default="", compare=False)
    """The address the request came from, for the audit."""

    @property
    def label(self) -> str:
        """How commands and the audit name them: ``key:front-desk``, ``player:anna``."""
        return f"{self.kind.value}:{self.name}"

    @property
    def asker(self) -> Asker:
        """Them, as the audit has it."""
        return Asker(self.label, self.channel.value, self.origin)

    def asking_for(self, permission: Permission) -> "Principal":
        """The principal as far as a permission reaches: other clubs are not theirs to know of."""
        own = {
            club_id: permissions
            for club_id, permissions in self.club_permissions
            if permission in permissions and self.sees_club(club_id)
        }
        if permission in self.permissions or not own:
            return self
        shared = frozenset.intersection(*own.values())
        return replace(
            self,
            permissions=shared,
            club_ids=frozenset(own),
            club_permissions=(),
            in_club=tuple(own.items()),
        )

    def permissions_in(self, club_id: str) -> frozenset[Permission]:
        """What somebody may do in one club."""
        own = (*self.in_club, *self.club_permissions)
        return self.permissions.union(*(held for one, held in own if one == club_id))

    def sees_club(self, club_id: str) -> bool:
        """Whether the club is theirs to know of."""
        return self.club_ids is None or club_id in self.club_ids

    def is_same_player(self, player_id: str | None) -> bool:
        """Whether something of this player's (None: of a guest's) is theirs."""
        return self.player_id is None or self.player_id == player_id

    def sees(self, club_id: str, player_id: str | None) -> bool:
        """Whether a session or an order of this club and player is theirs to know of."""
        return self.sees_club(club_id) and self.is_same_player(player_id)


def assert_same_player(principal: Principal, player_id: str | None) -> None:
    """Raise ``forbidden`` when a player asks for something in another's name."""
    if not principal.is_same_player(player_id):
        raise ProblemError("forbidden", "A player acts in their own name only.")
