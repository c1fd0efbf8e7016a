"""Everything outside a session that a decision about it may depend on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from billing_core.hot_value import hot_value
from billing_core.money import MS_PER_MINUTE
from billing_core.outage import OutagePolicy
from billing_core.player_tariff import PlayerTariff
from billing_core.tariff import Tariff, TariffRef
from billing_core.wallet import Wallet
from billing_core.window import ALWAYS, Schedule

NO_WALLET: Final = Wallet()


@dataclass(frozen=True, slots=True)
class ClubTerms:
    """A club's settings. Thresholds are remaining minutes; money is in the club's currency.

    ``low_balance_minor`` 0 turns that warning off. ``no_show_minutes`` None waits for ever.
    ``players_pay_later``: a post-pay club, where players start OPEN_ENDED sessions by themselves.
    ``renews_from_wallet``: when no bought tariff fits, renewal goes on with the zone's default
    per-minute tariff.
    ``outages``: what happens to time in which a PC did not serve. At most
    ``credit_max_minutes`` of a session come back by themselves; more is proposed to staff.
    """

    club_id: str
    timezone: str
    currency: str
    ending_soon_minutes: int = 10
    needs_attention_minutes: int = 3
    low_balance_minor: int = 0
    grace_seconds: int = 0
    opening: Schedule = ALWAYS
    no_show_minutes: int | None = None
    offline_max_minutes: int = 30
    allows_parallel_sessions: bool = False
    renews_from_wallet: bool = False
    players_pay_later: bool = False
    outages: OutagePolicy = OutagePolicy.CONTINUE
    credit_max_minutes: int = 180

    @property
    def ending_soon_ms(self) -> int:
        """First warning, before coverage ends."""
        return self.ending_soon_minutes * MS_PER_MINUTE

    @property
    def needs_attention_ms(self) -> int:
        """Second warning, before coverage ends."""
        return self.needs_attention_minutes * MS_PER_MINUTE


@dataclass(frozen=True, slots=True)
class ZoneTerms:
    """A zone's tariffs (empty = any) and limits of its own."""

    zone_id: str
    tariff_ids: tuple[str, ...] = ()
    default_tariff_id: str | None = None
    opening: Schedule = ALWAYS
    longest_session_minutes: int | None = None

    def sells(self, tariff_id: str) -> bool:
        """Whether sessions in this zone may run on the tariff."""
        return not self.tariff_ids or tariff_id in self.tariff_ids


@hot_value(frozen=True, slots=True)
class Terms:
    """The facts of one moment. ``zone`` is the zone of the session's PC, for a switch or a
    creation that of the PC it goes to, and ``next_booking_at_ms`` belongs to the same PC.

    ``tariffs`` holds at least every version the session and the player's tariffs refer to, plus
    the newest of each the zone sells. ``unpaid_minor`` is what is still to pay of the bill of a
    post-pay session that is over.
    """

    club: ClubTerms
    tariffs: Mapping[TariffRef, Tariff]
    zone: ZoneTerms
    wallet: Wallet = NO_WALLET
    groups: tuple[str, ...] = ()
    player_tariffs: tuple[PlayerTariff, ...] = field(default=())
    next_booking_at_ms: int | None = None
    auto_renewal: bool = False
    unpaid_minor: int = 0

    def player_tariff(self, player_tariff_id: str) -> PlayerTariff | None:
        """One of the player's tariffs."""
        for owned in self.player_tariffs:
            if owned.player_tariff_id == player_tariff_id:
                return owned
        return None
