"""SessionActor: gives the billing core the facts of one session and takes its word.

Billing rules live in ``billing_core``. What follows from a decision outside the session is
done here: claims, the guest's change, the final document.
"""

from dataclasses import dataclass, replace
from typing import Final

import orjson

from actors.club_setup import ClubSetup
from actors.drafting import Drafting
from actors.order_events import told_of
from actors.store import Claim, ClosedSession
from actors.turn import Now
from actors.wallets import WalletKey
from billing_core.advance import advance
from billing_core.decision import Decision
from billing_core.events import Event, EventKind, EventValue
from billing_core.ledger import (
    Means,
    Transaction,
    TransactionKind,
    desk,
    entries_of,
    top_up,
    wallet_cash,
)
from billing_core.outage import OutageStatus
from billing_core.receipt import Receipt, receipt_of
from billing_core.sale import Order, left_on_card_minor, session_order
from billing_core.session import HandedBack, SessionMode, SessionState, SessionStatus
from billing_core.terms import Terms

DOCUMENT_VERSION: Final = 2


def playing_claim(state: SessionState) -> Claim | None:
    """The chain-wide right of a player to be in one started session."""
    if state.player_id is None:
        return None
    return Claim(f"playing/{state.player_id}", state.session_id)


def _credits(state: SessionState) -> int:
    """Outages whose time has come back: numbers what a guest is handed over the desk."""
    return sum(one.status is OutageStatus.CREDITED for one in state.outages)


@dataclass(slots=True)
class SessionActor:
    """Sessions of one club within one draft."""

    setup: ClubSetup
    drafting: Drafting
    now: Now

    def terms(
        self,
        *,
        session_id: str,
        holder_id: str,
        player_id: str | None,
        pc_id: str,
        bookings_from_ms: int | None = None,
    ) -> Terms:
        """The facts a decision about this session at this PC may depend on.

        Bookings of the PC before ``bookings_from_ms`` do not concern it.
        """
        player = self.drafting.player(player_id)
        return Terms(
            club=self.setup.terms,
            tariffs=self.setup.tariffs,
            zone=self.setup.zone_terms_of(pc_id),
            wallet=self.drafting.wallet(self._wallet_key(holder_id)),
            groups=() if player is None else player.groups,
            player_tariffs=self.drafting.bought(holder_id),
            next_booking_at_ms=self._next_booking_at_ms(
                pc_id, session_id, from_ms=bookings_from_ms or 0
            ),
            auto_renewal=player is not None and player.auto_renewal,
        )

    def terms_of(
        self,
        state: SessionState,
        *,
        pc_id: str | None = None,
        player_id: str | None = None,
        bookings_from_ms: int | None = None,
    ) -> Terms:
        """The facts for a session that exists, at its own PC or at another, for its own player
        or for the one it is given to. What is booked before its own time does not concern it,
        unless it is started now.
        """
        waits = state.status is SessionStatus.PENDING
        own_start_ms = state.planned_start_at_ms if waits else 0
        return self.terms(
            session_id=state.session_id,
            holder_id=player_id or state.holder_id,
            player_id=player_id or state.player_id,
            pc_id=pc_id or state.pc_id,
            bookings_from_ms=own_start_ms if bookings_from_ms is None else bookings_from_ms,
        )

    def take(self, before: SessionState | None, decision: Decision, terms: Terms) -> SessionState:
        """Put a decision into the draft: money, events, state, claims, PCs."""
        state = decision.state
        drafting = self.drafting
        drafting.transactions += decision.transactions
        drafting.events += decision.events
        if decision.wallet != terms.wallet:
            drafting.put_wallet(self._wallet_key(state.holder_id), decision.wallet)
        if decision.player_tariffs:
            drafting.put_bought(state.holder_id, decision.player_tariffs)
        self._claim(before, state)
        if state.status.is_final:
            return self._close(state)
        drafting.put_session(state)
        return state

    def brought_to_now(self, state: SessionState) -> SessionState:
        """Bill what is due under the terms of the PC the session is at, before it leaves."""
        terms = self.terms_of(state)
        return self.take(state, advance(state, terms, self.now.wall_ms), terms)

    def pay_at_desk(self, state_holder: str, paid_minor: int, *, means: str, key: str) -> None:
        """Take a guest's money over the desk into the wallet of this one session."""
        if paid_minor == 0:
            return
        wallet_key = self._wallet_key(state_holder)
        wallet = self.drafting.wallet(wallet_key)
        self.drafting.transactions += top_up(
            idempotency_key=key,
            at_ms=self.now.wall_ms,
            currency=self.setup.terms.currency,
            club_id=self.setup.club.club_id,
            holder_id=state_holder,
            means=Means(means),
            amount_minor=paid_minor,
        )
        self.drafting.put_wallet(wallet_key, wallet.changed(paid_minor, 0))

    def occupant(self, pc_id: str, *, besides: str) -> SessionState | None:
        """The other session that has, or is due to have, this PC now."""
        for state in self.drafting.sessions_on(pc_id):
            if state.session_id == besides:
                continue
            if state.status in (SessionStatus.STARTED, SessionStatus.ACTIVE):
                return state
        return None

    def correct(self, decision: Decision, *, version: int, bill: Order | None) -> SessionState:
        """Put what a decision gave back after the end into the draft, with the final document;
        the session as it then stands. ``bill`` is its order as far as money moved on it."""
        state, drafting = decision.state, self.drafting
        drafting.transactions += decision.transactions
        drafting.events += decision.events
        key = self.wallet_key(state)
        if decision.wallet != drafting.wallet(key):
            drafting.put_wallet(key, decision.wallet)
        state = self._given_back_to_guest(state, bill)
        _, document = self._final_document(state, issued_at_ms=self.now.wall_ms)
        drafting.closes.append(ClosedSession(state.session_id, document, version))
        drafting.indexes.append((state.session_id, state.club_id))
        return state

    @staticmethod
    def wallet_key(state: SessionState) -> WalletKey:
        """The wallet that pays for a session."""
        return WalletKey(state.currency, state.holder_id)

    def _wallet_key(self, holder_id: str) -> WalletKey:
        return WalletKey(self.setup.terms.currency, holder_id)

    def _next_booking_at_ms(self, pc_id: str, session_id: str, *, from_ms: int) -> int | None:
        """When the PC is needed next; a booking that is due and not yet started counts."""
        drafting = self.drafting
        if not drafting.entities and drafting.workspace.is_alone_on(pc_id, session_id):
            return None
        return min(
            (
                state.planned_start_at_ms
                for state in self.drafting.sessions_on(pc_id)
                if state.session_id != session_id
                and state.status in (SessionStatus.PENDING, SessionStatus.ACTIVE)
                and state.planned_start_at_ms >= from_ms
            ),
            default=None,
        )

    def _claim(self, before: SessionState | None, state: SessionState) -> None:
        claim = playing_claim(state)
        was_started = before is not None and before.status is SessionStatus.STARTED
        is_started = state.status is SessionStatus.STARTED
        if claim is None or was_started == is_started:
            return
        if not is_started:
            self.drafting.releases.append(claim)
        elif not self.setup.terms.allows_parallel_sessions:
            self.drafting.claims.append(claim)

    def _close(self, state: SessionState) -> SessionState:
        state = self._given_back_to_guest(state)
        issued_at_ms = state.actual_end_at_ms or self.now.wall_ms
        receipt, document = self._final_document(state, issued_at_ms=issued_at_ms)
        self.drafting.receipts[state.session_id] = receipt
        self.drafting.close_session(state, document)
        if state.mode is SessionMode.OPEN_ENDED and state.amount_minor:
            # Nothing was paid before the end, so the order cannot exist yet.
            order, events = told_of(None, session_order(state), at_ms=issued_at_ms)
            self.drafting.put_order(order, 0)
            self.drafting.order_events += events
        return state

    def _final_document(self, state: SessionState, *, issued_at_ms: int) -> tuple[Receipt, bytes]:
        receipt = receipt_of(
            state,
            self.setup.tariffs,
            timezone=self.setup.terms.timezone,
            issued_at_ms=issued_at_ms,
        )
        document = {
            "v": DOCUMENT_VERSION,
            "state": state,
            "receipt": receipt,
            "tariff_names": self.setup.names_of(state.tariffs),
        }
        return receipt, orjson.dumps(document)

    def _given_back_to_guest(self, state: SessionState, bill: Order | None = None) -> SessionState:
        """Hand a guest what is left, first of all to the card it was paid with: a desk that gave
        cash for it would be a cash machine. The session as it then stands."""
        key = self._wallet_key(state.holder_id)
        if state.player_id is not None:
            return state
        wallet = self.drafting.wallet(key)
        if wallet.cash_minor <= 0:
            return state
        currency, club_id = key.currency, state.club_id
        card_minor = min(wallet.cash_minor, left_on_card_minor(state, bill))
        entries = entries_of(
            (wallet_cash(currency, state.holder_id), -wallet.cash_minor),
            (desk(currency, club_id, Means.CARD), card_minor),
            (desk(currency, club_id, Means.CASH), wallet.cash_minor - card_minor),
        )
        self.drafting.transactions.append(
            Transaction(
                id=f"withdrawal/{state.session_id}/{_credits(state)}",
                at_ms=self.now.wall_ms,
                kind=TransactionKind.WITHDRAWAL,
                entries=entries,
                session_id=state.session_id,
            )
        )
        self.drafting.put_wallet(key, wallet.changed(-wallet.cash_minor, 0))
        cash_minor = wallet.cash_minor - card_minor
        return self._told_of_change(state, card_minor=card_minor, cash_minor=cash_minor)

    def _told_of_change(
        self, state: SessionState, *, card_minor: int, cash_minor: int
    ) -> SessionState:
        before = state.handed_back or HandedBack()
        payload: dict[str, EventValue] = {
            "card_minor": card_minor,
            "cash_minor": cash_minor,
            "currency": state.currency,
        }
        event = Event(
            EventKind.GUEST_PAID_BACK,
            state.session_id,
            state.club_id,
            state.event_seq + 1,
            self.now.wall_ms,
            payload,
        )
        self.drafting.events.append(event)
        return replace(
            state,
            event_seq=event.seq,
            guest_card_minor=state.guest_card_minor - card_minor,
            handed_back=HandedBack(before.card_minor + card_minor, before.cash_minor + cash_minor),
        )
