"""For every operation a request that succeeds, about things that were made for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from api_under_test import CHAIN, CLUB
from clerk_under_test import AT_CLUB, BLOCK_MINOR, CONTENT, Clerk


@dataclass(frozen=True)
class Asked:
    """A request. ``version`` is what If-Match says; a body of None is left out."""

    path: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None


Ask = Callable[[Clerk], Asked]

HERE: Final = {"clubId": CLUB}
OUTAGE: Final = {"clubId": "north", "sessionId": "s1"}
"""In a club of its own, where time was lost; see ``outages_under_test``."""
PAYMENT: Final = {"amountMinor": BLOCK_MINOR, "means": "cash"}


def _ids(**ids: str) -> Ask:
    """Asked for by these ids alone."""
    return lambda _clerk: Asked(ids)


def _session(
    clerk: Clerk, make: Callable[[Clerk], str], body: Callable[[Clerk], object] | None = None
) -> Asked:
    session_id = make(clerk)
    wish = None if body is None else body(clerk)
    version = clerk.version(f"/sessions/{session_id}")
    return Asked({"sessionId": session_id}, wish, version=version)


def _edit(clerk: Clerk, name: str, collection: str, *, kind: str, body: object = None) -> Asked:
    """An edit of something that was made for it, at the version it has."""
    made: str = getattr(clerk, kind)()
    version = clerk.version(f"{collection}/{made}")
    return Asked(
        {**(HERE if collection.startswith(AT_CLUB) else {}), name: made}, body=body, version=version
    )


def _draft(clerk: Clerk, body: object = None) -> Asked:
    tariff_id = clerk.tariff()
    return Asked(
        {"tariffId": tariff_id}, body, version=clerk.version(f"/tariffs/{tariff_id}/draft")
    )


def _update_club(clerk: Clerk) -> Asked:
    club_id = clerk.club()
    version = clerk.version(f"/clubs/{club_id}/settings")
    return Asked({"clubId": club_id}, {"name": "Renamed", "graceSeconds": 30}, version=version)


def _update_tariff(clerk: Clerk) -> Asked:
    tariff_id = clerk.published_tariff()
    version = clerk.version(f"/tariffs/{tariff_id}")
    return Asked({"tariffId": tariff_id}, {"status": "INACTIVE"}, version=version)


def _quote(_clerk: Clerk) -> Asked:
    query = {
        "startAt": "2026-06-01T18:00:00Z",
        "endAt": "2026-06-01T20:00:00Z",
        "zoneId": "std",
    }
    return Asked({**HERE, "tariffId": "minute"}, query=query)


CLUB_BODY: Final = {"name": "Second", "timezone": "Europe/Berlin", "currency": "EUR"}
SEAT: Final = {"guestLabel": "Max", "tariffId": "minute", "payment": PAYMENT, "start": True}
MINUTE: Final = {"tariffId": "minute"}
PC: Final = {"pcId": "pc-1"}
ZONE: Final = {"zoneId": "std"}
ANNA: Final = {"playerId": "anna"}

READS: Final[Mapping[str, Ask]] = {
    "checkTariff": _ids(**MINUTE),
    "findPlayers": lambda _clerk: Asked(HERE, query={"query": "an"}),
    "getChain": _ids(),
    "getClub": _ids(**HERE),
    "getClubSettings": _ids(**HERE),
    "getHall": _ids(**HERE),
    "getOrder": lambda clerk: Asked({"orderId": clerk.paid_order()}),
    "getPc": _ids(**HERE, **PC),
    "getPcMachine": lambda clerk: Asked({**HERE, "pcId": clerk.telling_pc()}),
    "getPlayer": _ids(**ANNA),
    "getPlayerGroup": lambda clerk: Asked({"groupId": clerk.group()}),
    "getQuarantine": _ids(**HERE),
    "getReceipt": lambda clerk: Asked({"sessionId": clerk.ended_session()}),
    "getSession": lambda clerk: Asked({"sessionId": clerk.running_session()}),
    "getStaff": lambda clerk: Asked({"staffId": clerk.staff()}),
    "getTariff": _ids(**MINUTE),
    "getTariffDraft": _ids(**MINUTE),
    "getWallet": _ids(**ANNA),
    "getWebhook": lambda clerk: Asked({"webhookId": clerk.webhook()}),
    "getZone": _ids(**HERE, **ZONE),
    "listApiKeys": _ids(),
    "listAudit": _ids(**HERE),
    "listChainAudit": _ids(),
    "listClubs": _ids(),
    "listOrders": _ids(),
    "listOutages": _ids(clubId=OUTAGE["clubId"]),
    "listPcCredentials": _ids(**HERE),
    "listPcs": _ids(**HERE),
    "listPlayerGroups": _ids(),
    "listPlayerTariffs": _ids(**ANNA),
    "listSessions": _ids(),
    "listStaff": _ids(),
    "listTariffVersions": _ids(**MINUTE),
    "listTariffs": _ids(),
    "listWebhooks": _ids(),
    "listZones": _ids(**HERE),
    "quoteTariff": _quote,
    "streamHall": _ids(**HERE),
}

COMMANDS: Final[Mapping[str, Ask]] = {
    "approveOutage": lambda _clerk: Asked({**OUTAGE, "number": 0}),
    "rejectOutage": lambda _clerk: Asked({**OUTAGE, "number": 1}),
    "cancelSession": partial(_session, make=Clerk.booked_session),
    "convertGuest": partial(
        _session, make=Clerk.running_session, body=lambda clerk: {"playerId": clerk.player()}
    ),
    "createOrder": lambda _clerk: Asked(HERE, {**ANNA, "tariffIds": ["block"]}),
    "createSession": lambda clerk: Asked(HERE, {**SEAT, "pcId": clerk.pc()}),
    "commandPc": lambda _clerk: Asked(
        {**HERE, "pcId": "pc-3"}, {"command": "IDENTIFY", "durationSeconds": 5}
    ),
    "endSession": partial(_session, make=Clerk.running_session),
    "extendSession": partial(
        _session,
        make=Clerk.running_session,
        body=lambda _clerk: {"tariffId": "block", "payment": PAYMENT},
    ),
    "holdPc": lambda clerk: Asked({**HERE, "pcId": clerk.pc()}, {"reason": "dust"}),
    "payOrder": lambda clerk: Asked({"orderId": clerk.unpaid_order()}, {"payments": [PAYMENT]}),
    "refundOrder": lambda clerk: Asked({"orderId": clerk.paid_order()}),
    "releasePc": lambda clerk: Asked({**HERE, "pcId": clerk.held_pc()}),
    "startSession": partial(_session, make=Clerk.booked_session),
    "switchSessionDevice": partial(
        _session, make=Clerk.running_session, body=lambda clerk: {"pcId": clerk.pc()}
    ),
    "topUpWallet": lambda _clerk: Asked({**HERE, **ANNA}, {"amountMinor": 500}),
}

EDITS: Final[Mapping[str, Ask]] = {
    "approveEnrolment": lambda clerk: Asked(
        {**HERE, "requestId": clerk.waiting_machine()}, {"pcId": clerk.pc()}
    ),
    "createApiKey": lambda _clerk: Asked(body={"name": "crm", "role": "cashier"}),
    "createClub": lambda clerk: Asked(body={**CLUB_BODY, "clubId": clerk.fresh(f"{CHAIN}-club")}),
    "createEnrolmentCode": lambda _clerk: Asked(HERE, {}),
    "createPc": lambda clerk: Asked(HERE, {**ZONE, "pcId": clerk.fresh("pc"), "name": "PC 99"}),
    "createPlayer": lambda _clerk: Asked(body={"label": "Cleo"}),
    "createPlayerGroup": lambda clerk: Asked(
        body={"groupId": clerk.fresh("group"), "name": "Regulars"}
    ),
    "createStaff": lambda clerk: Asked(body={"staffId": clerk.fresh("staff"), "name": "Carl"}),
    "createTariff": lambda clerk: Asked(
        body={"tariffId": clerk.fresh("tariff"), "content": CONTENT}
    ),
    "createWebhook": lambda _clerk: Asked(body={"url": "https://crm.example/"}),
    "createZone": lambda clerk: Asked(HERE, {"zoneId": clerk.fresh("zone"), "name": "Corner"}),
    "deletePlayerGroup": partial(_edit, name="groupId", collection="/player-groups", kind="group"),
    "deleteWebhook": partial(_edit, name="webhookId", collection="/webhooks", kind="spare_webhook"),
    "deleteZone": partial(_edit, name="zoneId", collection=f"{AT_CLUB}/zones", kind="zone"),
    "disableWebhook": lambda clerk: Asked({"webhookId": clerk.webhook()}),
    "discardTariffDraft": _draft,
    "enableWebhook": lambda clerk: Asked({"webhookId": clerk.webhook()}),
    "publishTariff": _draft,
    "putTariffDraft": partial(_draft, body={"content": CONTENT}),
    "rejectEnrolment": lambda clerk: Asked({**HERE, "requestId": clerk.waiting_machine()}),
    "revokeApiKey": lambda clerk: Asked({"keyId": clerk.api_key()}),
    "revokePc": lambda clerk: Asked({**HERE, "pcId": clerk.enrolled_pc()}),
    "rotatePcSecret": lambda clerk: Asked({**HERE, "pcId": clerk.enrolled_pc()}),
    "rotateWebhookSecret": lambda clerk: Asked({"webhookId": clerk.webhook()}),
    "updateWebhook": partial(
        _edit,
        name="webhookId",
        collection="/webhooks",
        kind="webhook",
        body={"events": ["session_ended"]},
    ),
    "updateChain": lambda clerk: Asked(body={"name": "All"}, version=clerk.version("/chain")),
    "updateClubSettings": _update_club,
    "updatePc": partial(
        _edit, name="pcId", collection=f"{AT_CLUB}/pcs", kind="pc", body={"position": 7}
    ),
    "updatePlayer": partial(
        _edit, name="playerId", collection="/players", kind="player", body={"label": "Cleopatra"}
    ),
    "updatePlayerGroup": partial(
        _edit, name="groupId", collection="/player-groups", kind="group", body={"name": "Old"}
    ),
    "updateStaff": partial(
        _edit, name="staffId", collection="/staff", kind="staff", body={"enabled": False}
    ),
    "updateTariff": _update_tariff,
    "updateZone": partial(
        _edit, name="zoneId", collection=f"{AT_CLUB}/zones", kind="zone", body={"position": 7}
    ),
}

VALID: Final[Mapping[str, Ask]] = {**READS, **COMMANDS, **EDITS}
"""Operation -> what is asked for."""
