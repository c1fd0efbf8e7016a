"""What each operation needs, and the one place where that is asked for.

A route without a row here cannot be served: it fails when the application is put together.
What is not the caller's answers as if it did not exist, with the same words.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from controller.api.principal import Principal
from controller.api.problems import ProblemError
from schemas.access import Permission

OPERATION_PERMISSIONS: Final[Mapping[str, Permission]] = MappingProxyType(
    {
        "listClubs": Permission.CLUB_READ,
        "getClub": Permission.CLUB_READ,
        "getHall": Permission.CLUB_READ,
        "streamHall": Permission.HALL_READ,
        "holdPc": Permission.PC_EDIT,
        "releasePc": Permission.PC_EDIT,
        "commandPc": Permission.PC_EDIT,
        "getPcMachine": Permission.HALL_READ,
        "getQuarantine": Permission.HALL_READ,
        "listPcCredentials": Permission.HALL_READ,
        "createEnrolmentCode": Permission.PC_EDIT,
        "approveEnrolment": Permission.PC_EDIT,
        "rejectEnrolment": Permission.PC_EDIT,
        "revokePc": Permission.PC_EDIT,
        "rotatePcSecret": Permission.PC_EDIT,
        "listSessions": Permission.SESSION_READ,
        "listOrders": Permission.ORDER_READ,
        "getSession": Permission.SESSION_READ,
        "getReceipt": Permission.SESSION_READ,
        "createSession": Permission.SESSION_EDIT,
        "startSession": Permission.SESSION_EDIT,
        "extendSession": Permission.SESSION_EDIT,
        "switchSessionDevice": Permission.SESSION_EDIT,
        "endSession": Permission.SESSION_EDIT,
        "convertGuest": Permission.SESSION_EDIT,
        "cancelSession": Permission.SESSION_DELETE,
        "getOrder": Permission.ORDER_READ,
        "listPlayerTariffs": Permission.ORDER_READ,
        "createOrder": Permission.ORDER_EDIT,
        "payOrder": Permission.ORDER_EDIT,
        "refundOrder": Permission.ORDER_REFUND,
        "listOutages": Permission.HALL_READ,
        "approveOutage": Permission.ORDER_REFUND,
        "rejectOutage": Permission.ORDER_REFUND,
        "getWallet": Permission.WALLET_READ,
        "topUpWallet": Permission.WALLET_EDIT,
        "listAudit": Permission.AUDIT_READ,
        "findPlayers": Permission.PLAYER_READ,
        "getPlayer": Permission.PLAYER_READ,
        "createPlayer": Permission.PLAYER_EDIT,
        "updatePlayer": Permission.PLAYER_EDIT,
        "getChain": Permission.CLUB_READ,
        "updateChain": Permission.CATALOGUE_EDIT,
        "listChainAudit": Permission.AUDIT_READ,
        "createClub": Permission.CATALOGUE_EDIT,
        "getClubSettings": Permission.CATALOGUE_READ,
        "updateClubSettings": Permission.CATALOGUE_EDIT,
        "listZones": Permission.CATALOGUE_READ,
        "getZone": Permission.CATALOGUE_READ,
        "createZone": Permission.CATALOGUE_EDIT,
        "updateZone": Permission.CATALOGUE_EDIT,
        "deleteZone": Permission.CATALOGUE_EDIT,
        "listPcs": Permission.CATALOGUE_READ,
        "getPc": Permission.CATALOGUE_READ,
        "createPc": Permission.CATALOGUE_EDIT,
        "updatePc": Permission.CATALOGUE_EDIT,
        "listTariffs": Permission.CLUB_READ,
        "getTariff": Permission.CLUB_READ,
        "quoteTariff": Permission.CLUB_READ,
        "listTariffVersions": Permission.CATALOGUE_READ,
        "getTariffDraft": Permission.CATALOGUE_READ,
        "checkTariff": Permission.CATALOGUE_READ,
        "createTariff": Permission.CATALOGUE_EDIT,
        "updateTariff": Permission.CATALOGUE_EDIT,
        "putTariffDraft": Permission.CATALOGUE_EDIT,
        "discardTariffDraft": Permission.CATALOGUE_EDIT,
        "publishTariff": Permission.CATALOGUE_EDIT,
        "listPlayerGroups": Permission.CATALOGUE_READ,
        "getPlayerGroup": Permission.CATALOGUE_READ,
        "createPlayerGroup": Permission.CATALOGUE_EDIT,
        "updatePlayerGroup": Permission.CATALOGUE_EDIT,
        "deletePlayerGroup": Permission.CATALOGUE_EDIT,
        "listStaff": Permission.STAFF_READ,
        "getStaff": Permission.STAFF_READ,
        "createStaff": Permission.STAFF_EDIT,
        "updateStaff": Permission.STAFF_EDIT,
        "listApiKeys": Permission.STAFF_READ,
        "createApiKey": Permission.STAFF_EDIT,
        "revokeApiKey": Permission.STAFF_EDIT,
        "listWebhooks": Permission.WEBHOOK_READ,
        "getWebhook": Permission.WEBHOOK_READ,
        "createWebhook": Permission.WEBHOOK_EDIT,
        "updateWebhook": Permission.WEBHOOK_EDIT,
        "enableWebhook": Permission.WEBHOOK_EDIT,
        "disableWebhook": Permission.WEBHOOK_EDIT,
        "rotateWebhookSecret": Permission.WEBHOOK_EDIT,
        "deleteWebhook": Permission.WEBHOOK_EDIT,
    }
)
"""Operation -> the permission it needs."""

PART_PERMISSIONS: Final[Mapping[str, frozenset[Permission]]] = MappingProxyType(
    {
        "createSession.payment": frozenset({Permission.WALLET_EDIT, Permission.ORDER_EDIT}),
        "extendSession.payment": frozenset({Permission.WALLET_EDIT, Permission.ORDER_EDIT}),
        "topUpWallet.bonusMinor": frozenset({Permission.BONUS_EDIT}),
        "createPlayer.creditLimits": frozenset({Permission.CREDIT_EDIT}),
        "updatePlayer.creditLimits": frozenset({Permission.CREDIT_EDIT}),
    }
)
"""Part of an operation's body that takes or gives money -> permissions of which it needs one too.
What a guest pays becomes a player's when the guest registers."""


OF_PLAYERS: Final[Mapping[str, Permission | None]] = MappingProxyType(
    {
        "getPlayer": Permission.PROFILE_READ,
        "updatePlayer": Permission.PROFILE_EDIT,
        "convertGuest": None,
    }
)
"""Operation -> what it needs of a player instead; None: no player may. The path says whose."""


def needed_of(operation_id: str, *, is_player: bool) -> Permission | None:
    """The permission an operation needs of a player or of anybody else; None: they may not."""
    staff = OPERATION_PERMISSIONS[operation_id]
    return OF_PLAYERS.get(operation_id, staff) if is_player else staff


def needed_for(operation_id: str | None) -> Permission:
    """The permission of an operation. Raises LookupError for one the table does not know."""
    try:
        return OPERATION_PERMISSIONS[operation_id or ""]
    except KeyError as error:
        raise LookupError(f"operation {operation_id} has no row in the access table") from error


def operations_of(principal: Principal) -> tuple[str, ...]:
    """The operations somebody has the permission for, by name, and the parts of them; what they
    may do it to is asked at each request."""
    held = principal.permissions
    parts = (name for name, needed in PART_PERMISSIONS.items() if needed & held)
    return (*(name for name, needed in OPERATION_PERMISSIONS.items() if needed in held), *parts)


def check_part(principal: Principal, part: str, club_id: str) -> None:
    """Raise ``forbidden`` without any of the permissions that a part of an operation needs."""
    needed = PART_PERMISSIONS[part]
    if not needed & principal.permissions_in(club_id):
        names = " or ".join(sorted(needed))
        raise ProblemError("forbidden", f"This needs the permission {names}.")


def check_access(
    principal: Principal, permission: Permission | None, path_params: Mapping[str, object]
) -> None:
    """Raise ``forbidden`` without the permission; hide clubs and players that are not theirs."""
    if permission is None:
        raise ProblemError("forbidden", "This is done at the desk.")
    if permission not in principal.permissions:
        raise ProblemError("forbidden", f"This needs the permission {permission.value}.")
    club_id = path_params.get("clubId")
    if club_id is not None and not principal.sees_club(str(club_id)):
        raise ProblemError("club-not-found")
    player_id = path_params.get("playerId")
    if player_id is not None and not principal.is_same_player(str(player_id)):
        raise ProblemError("player-not-found")
