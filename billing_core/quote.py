"""What a session would cost: the same billing as a real one, taken in strides."""

from dataclasses import dataclass, replace

from billing_core.advance import bring_to, due_at_ms
from billing_core.closing import end_session
from billing_core.commands import CreateSession
from billing_core.coverage import Coverage
from billing_core.decide import decide
from billing_core.draft import Draft
from billing_core.order import OrderContext, buy
from billing_core.receipt import Receipt, receipt_of
from billing_core.rejection import Rejected
from billing_core.session import EndedReason, SessionMode
from billing_core.tariff import BOUGHT_FIRST, Channel, Tariff
from billing_core.terms import Terms
from billing_core.wallet import Wallet

QUOTED: str = "quote"
"""Stands for every id in a quote."""


@dataclass(frozen=True, slots=True)
class Quote:
    """``receipt`` is what would be billed, ``coverage`` what was covered when it began.

    ``purchase_minor`` is paid before it begins, for tariffs that are bought first; ``wallet`` is
    what is left at the end.
    """

    receipt: Receipt
    coverage: Coverage
    ended_at_ms: int
    ended_reason: EndedReason
    purchase_minor: int
    wallet: Wallet


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """A session from ``start_at_ms`` until somebody ends it at ``end_at_ms``."""

    start_at_ms: int
    end_at_ms: int
    mode: SessionMode = SessionMode.PREPAID
    channel: Channel = Channel.CRM


def quote(tariff: Tariff, terms: Terms, request: QuoteRequest) -> Quote | Rejected:
    """What the session costs, or why it could not begin."""
    start_ms = request.start_at_ms
    player_tariff_id = None
    purchase_minor = 0
    if tariff.type in BOUGHT_FIRST:
        context = OrderContext(QUOTED, start_ms, QUOTED, request.channel)
        settled = buy(tariff, terms, context)
        if isinstance(settled, Rejected):
            return settled
        owned = settled.player_tariff
        assert owned is not None
        player_tariff_id, purchase_minor = owned.player_tariff_id, owned.price_minor
        terms = replace(terms, wallet=settled.wallet, player_tariffs=(owned,))
    command = CreateSession(
        session_id=QUOTED,
        club_id=terms.club.club_id,
        pc_id=QUOTED,
        zone_id=terms.zone.zone_id,
        tariff=tariff.ref,
        player_id=QUOTED,
        player_tariff_id=player_tariff_id,
        mode=request.mode,
        start=True,
        channel=request.channel,
    )
    begun = decide(None, command, terms=terms, now_ms=start_ms)
    if isinstance(begun, Rejected):
        return begun
    coverage = begun.state.coverage
    assert coverage is not None
    draft = Draft(begun.state, replace(terms, wallet=begun.wallet))
    draft.strides_until_ms = request.end_at_ms
    bring_to(draft, request.end_at_ms)
    if not draft.is_over:
        end_session(draft, request.end_at_ms, EndedReason.MANUAL_BY_PLAYER)
    ended = draft.finish(due_at_ms(draft))
    state = ended.state
    assert state.actual_end_at_ms is not None
    assert state.ended_reason is not None
    return Quote(
        receipt=receipt_of(state, terms.tariffs, timezone=terms.club.timezone),
        coverage=coverage,
        ended_at_ms=state.actual_end_at_ms,
        ended_reason=state.ended_reason,
        purchase_minor=purchase_minor,
        wallet=ended.wallet,
    )
