"""Every call of the API in one class, written from docs/openapi.json."""

from controller.client.audit_calls import AuditCalls
from controller.client.clubs_calls import ClubsCalls
from controller.client.enrolment_calls import EnrolmentCalls
from controller.client.hall_calls import HallCalls
from controller.client.orders_calls import OrdersCalls
from controller.client.players_calls import PlayersCalls
from controller.client.sessions_calls import SessionsCalls
from controller.client.stream import StreamCalls
from controller.client.wallets_calls import WalletsCalls
from controller.client.webhooks_calls import WebhooksCalls


class ClubctlClient(
    AuditCalls,
    ClubsCalls,
    EnrolmentCalls,
    HallCalls,
    OrdersCalls,
    PlayersCalls,
    SessionsCalls,
    WalletsCalls,
    WebhooksCalls,
    StreamCalls,
):
    """Every operation of the API, for one key of a chain."""
