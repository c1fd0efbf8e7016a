"""What a decision consists of."""

from billing_core.events import Event
from billing_core.hot_value import hot_value
from billing_core.ledger import Transaction
from billing_core.player_tariff import PlayerTariff
from billing_core.session import SessionState
from billing_core.wallet import Wallet


@hot_value(frozen=True, slots=True)
class Decision:
    """Everything that changes together, or not at all.

    ``wallet`` is the payer's wallet after ``transactions``; ``player_tariffs`` are those that
    changed or are new, whole. ``state.due_at_ms`` says when to ask again.
    """

    state: SessionState
    transactions: tuple[Transaction, ...]
    events: tuple[Event, ...]
    wallet: Wallet
    player_tariffs: tuple[PlayerTariff, ...] = ()
