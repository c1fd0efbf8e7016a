"""Every call of the API in one class, written from docs/openapi.json."""

from controller.client.audit_calls import AuditCalls
from controller.client.clubs_calls import ClubsCalls
from controller.client.enrolment_calls import EnrolmentCalls
from controller.client.groups_calls import GroupsCalls
from controller.client.hall_calls import HallCalls
from controller.client.keys_calls import KeysCalls
from controller.client.orders_calls import OrdersCalls
from controller.client.outages_calls import OutagesCalls
from controller.client.pcs_calls import PcsCalls
from controller.client.players_calls import PlayersCalls
from controller.client.sessions_calls import SessionsCalls
from controller.client.staff_calls import StaffCalls
from controller.client.stream import StreamCalls
from controller.client.tariffs_calls import TariffsCalls
from controller.client.wallets_calls import WalletsCalls
from controller.client.webhooks_calls import WebhooksCalls
from controller.client.zones_calls import ZonesCalls


class ClubctlClient(
    AuditCalls,
    ClubsCalls,
    EnrolmentCalls,
    GroupsCalls,
    HallCalls,
    KeysCalls,
    OrdersCalls,
    OutagesCalls,
    PcsCalls,
    PlayersCalls,
    SessionsCalls,
    StaffCalls,
    TariffsCalls,
    WalletsCalls,
    WebhooksCalls,
    ZonesCalls,
    StreamCalls,
):
    """Every operation of the API, for one key of a chain."""
