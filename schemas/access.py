"""Who may do what: permissions, roles, and the one table that joins them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Permission(StrEnum):
    """The right to one kind of thing, within the principal's chain and clubs."""

    CLUB_READ = "ClubRead"
    """Clubs, zones, tariffs, and which PCs are free."""
    HALL_READ = "HallRead"
    """The hall with everybody in it, live."""
    SESSION_READ = "SessionRead"
    SESSION_EDIT = "SessionEdit"
    """Create, start, extend, move, end, give to a player."""
    SESSION_DELETE = "SessionDelete"
    """Cancel before the start."""
    ORDER_READ = "OrderRead"
    ORDER_EDIT = "OrderEdit"
    """Make and pay."""
    ORDER_REFUND = "OrderRefund"
    """Give money back: of orders, and of time that was not served."""
    WALLET_READ = "WalletRead"
    WALLET_EDIT = "WalletEdit"
    BONUS_EDIT = "BonusEdit"
    """Give bonus with a top-up: play for which nobody has paid."""
    CREDIT_EDIT = "CreditEdit"
    """Say how far a player's wallet may go below nothing: play that is paid for later, or never."""
    PLAYER_READ = "PlayerRead"
    """Find any player."""
    PLAYER_EDIT = "PlayerEdit"
    PROFILE_READ = "ProfileRead"
    """As a player, their own profile."""
    PROFILE_EDIT = "ProfileEdit"
    """As a player, their own renewal, and nothing else of the profile."""
    PC_EDIT = "PcEdit"
    """Hold PCs and release them."""
    CATALOGUE_READ = "CatalogueRead"
    """Settings, PCs, drafts, old versions, groups: what is configured, as its editors see it."""
    CATALOGUE_EDIT = "CatalogueEdit"
    STAFF_READ = "StaffRead"
    STAFF_EDIT = "StaffEdit"
    """People, their roles, and keys of the chain; nobody gives what they do not have."""
    WEBHOOK_READ = "WebhookRead"
    WEBHOOK_EDIT = "WebhookEdit"
    AUDIT_READ = "AuditRead"


class Role(StrEnum):
    """A bundle of permissions as clubs know it."""

    OWNER = "owner"
    """Reads everything of their clubs, changes nothing that is lived in them."""
    ADMINISTRATOR = "administrator"
    CASHIER = "cashier"
    PLAYER = "player"
    """Their own sessions, orders and wallet only."""


_READS: Final = frozenset(one for one in Permission if one.value.endswith("Read"))

ROLE_PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        Role.OWNER: _READS,
        Role.ADMINISTRATOR: frozenset(Permission),
        Role.CASHIER: (
            _READS - {Permission.AUDIT_READ, Permission.WEBHOOK_READ, Permission.STAFF_READ}
        )
        | {
            Permission.SESSION_EDIT,
            Permission.ORDER_EDIT,
            Permission.WALLET_EDIT,
            Permission.PLAYER_EDIT,
        },
        Role.PLAYER: frozenset(
            {
                Permission.CLUB_READ,
                Permission.SESSION_READ,
                Permission.SESSION_EDIT,
                Permission.ORDER_READ,
                Permission.ORDER_EDIT,
                Permission.WALLET_READ,
                Permission.PROFILE_READ,
                Permission.PROFILE_EDIT,
            }
        ),
    }
)
"""What each role may do. A player's rights end at what is their own."""


class PrincipalKind(StrEnum):
    """What kind of caller speaks."""

    KEY = "key"
    """A machine, or the page, with a key of the chain."""
    STAFF = "staff"
    PLAYER = "player"
