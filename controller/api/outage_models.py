"""Outages of PCs in the time of sessions, as staff is asked about them."""

from controller.api.models import HandedBack, Page
from controller.api.receipt_models import ReceiptOutage


class Outage(ReceiptOutage):
    """An outage of a session; ``number`` counts the session's outages from 0.

    `playerLabel` is who played, as the hall calls them, while staff still know a player by that id.
    `handedBack` is what the desk hands a one-time guest by the decision that is answered; null in
    lists.
    """

    session_id: str
    number: int
    player_id: str | None
    player_label: str | None
    handed_back: HandedBack | None = None


class OutageList(Page):
    """Outages in the order asked for."""

    outages: list[Outage]
