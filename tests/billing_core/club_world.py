"""A club small enough for a test: one player, a wallet, bought tariffs, sessions, a ledger.

It keeps the contract the billing room asks of its callers: a session is advanced before anything
outside it changes, and told of the change afterwards.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace

from billing_core.advance import advance
from billing_core.commands import Command, CreateSession, Recompute
from billing_core.crediting import approve_outage, reject_outage, settle_outages
from billing_core.decide import decide
from billing_core.decision import Decision
from billing_core.events import Event
from billing_core.ledger import Means, Transaction, imbalance, top_up
from billing_core.order import OrderContext, Settled, buy, refund
from billing_core.outage import Finding
from billing_core.player_tariff import PlayerTariff
from billing_core.rejection import Rejected
from billing_core.sale import Order, Tender, Tendered, pay, session_order
from billing_core.sale_refund import RefundWish, refund_session, with_outages
from billing_core.session import SessionMode, SessionState, SessionStatus
from billing_core.tariff import Channel, Tariff, TariffRef
from billing_core.terms import NO_WALLET, ClubTerms, Terms, ZoneTerms
from billing_core.wallet import Wallet

PLAYER = "p1"
SESSION = "s1"


@dataclass
class World:
    """One session of one player, and everything it touches."""

    club: ClubTerms
    tariffs: dict[TariffRef, Tariff]
    zones: dict[str, ZoneTerms]
    wallet: Wallet = NO_WALLET
    groups: tuple[str, ...] = ()
    auto_renewal: bool = False
    booking_ms: int | None = None
    zone_id: str = "std"
    state: SessionState | None = None
    owned: dict[str, PlayerTariff] = field(default_factory=dict)
    bill: Order | None = None
    ledger: dict[str, Transaction] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    commands: int = 0
    last_tick_ms: int = 0

    def terms(self, zone_id: str | None = None) -> Terms:
        """The facts as they are now."""
        zone = self.zones.get(zone_id or self.zone_id) or ZoneTerms(zone_id or self.zone_id)
        return Terms(
            club=self.club,
            tariffs=self.tariffs,
            zone=zone,
            wallet=self.wallet,
            groups=self.groups,
            player_tariffs=tuple(self.owned.values()),
            next_booking_at_ms=self.booking_ms,
            auto_renewal=self.auto_renewal,
            unpaid_minor=0 if self.bill is None else self.bill.due_minor,
        )

    def tariff(self, tariff_id: str) -> Tariff:
        """The newest version."""
        versions = [tariff for tariff in self.tariffs.values() if tariff.id == tariff_id]
        return max(versions, key=lambda tariff: tariff.version)

    def tick(self, now_ms: int) -> None:
        """Advance the session to an instant."""
        if self.state is not None:
            self._take(advance(self.state, self.terms(), now_ms))

    def tick_all(self, until_ms: int) -> None:
        """Advance at every due instant up to and including ``until_ms``."""
        while self.state is not None:
            due_ms = self.state.due_at_ms
            if due_ms is None or due_ms > until_ms:
                return
            self.tick(due_ms)

    def do(self, command: Command, now_ms: int, *, zone_id: str | None = None) -> Rejected | None:
        """Send a command; a rejection must leave everything as it was."""
        state = None if isinstance(command, CreateSession) else self.state
        decided = decide(state, command, terms=self.terms(zone_id), now_ms=now_ms)
        if isinstance(decided, Rejected):
            return decided
        if zone_id is not None:
            self.zone_id = zone_id
        self._take(decided)
        return None

    def pay_in(self, now_ms: int, cash_minor: int, bonus_minor: int = 0) -> None:
        """A top-up at the desk."""
        self.tick(now_ms)
        self.commands += 1
        for transaction in top_up(
            idempotency_key=f"topup-{self.commands}",
            at_ms=now_ms,
            currency=self.club.currency,
            club_id=self.club.club_id,
            holder_id=PLAYER,
            means=Means.CASH,
            amount_minor=cash_minor,
            bonus_minor=bonus_minor,
        ):
            self._post(transaction)
        self.wallet = self.wallet.changed(cash_minor, bonus_minor)
        self._look(now_ms)

    def set_wallet(self, now_ms: int, wallet: Wallet) -> None:
        """The wallet changed elsewhere, in another session or another club."""
        self.tick(now_ms)
        self.wallet = wallet
        self._look(now_ms)

    def book(self, now_ms: int, booking_ms: int | None) -> None:
        """Somebody books the PC, or cancels the booking."""
        self.tick(now_ms)
        self.booking_ms = booking_ms
        self._look(now_ms)

    def judge(self, now_ms: int, finding: Finding, pc_id: str = "pc0") -> None:
        """Something was found out about what the PC did."""
        assert self.state is not None
        before = self.state
        self._take(
            settle_outages(before, [finding], pc_id=pc_id, terms=self.terms(), now_ms=now_ms)
        )
        self._lower_bill(before, now_ms)

    def resolve(self, now_ms: int, number: int, *, approve: bool) -> Rejected | None:
        """Staff's word on a proposed outage."""
        assert self.state is not None
        word = approve_outage if approve else reject_outage
        decided = word(self.state, number, by="staff", terms=self.terms(), now_ms=now_ms)
        if isinstance(decided, Rejected):
            return decided
        before = self.state
        self._take(decided)
        self._lower_bill(before, now_ms)
        return None

    def _lower_bill(self, before: SessionState, now_ms: int) -> None:
        assert self.state is not None
        if self.bill is not None:
            self.bill = with_outages(self.bill, before, self.state, at_ms=now_ms)

    def pay_bill(self, now_ms: int, amount_minor: int) -> Rejected | None:
        """Pay a post-pay session that is over, or a part of it, in cash."""
        assert self.bill is not None
        self.commands += 1
        context = OrderContext(f"pay-{self.commands}", now_ms, PLAYER)
        paid = pay(self.bill, [Tender(Tendered.CASH, amount_minor)], self.terms(), context=context)
        if isinstance(paid, Rejected):
            return paid
        self.bill = paid.order
        self._post(context.transaction(paid.kind, *paid.amounts, session_id=SESSION))
        return None

    def buy(self, now_ms: int, tariff_id: str, name: str, channel: Channel) -> Rejected | None:
        """Buy a tariff from the wallet; ``name`` is what the test calls it."""
        self.tick(now_ms)
        context = OrderContext(name, now_ms, PLAYER, channel)
        settled = buy(self.tariff(tariff_id), self.terms(), context)
        if isinstance(settled, Rejected):
            return settled
        self._settle(settled)
        self._look(now_ms)
        return None

    def correct(self, now_ms: int, amount_minor: int) -> Rejected | None:
        """Refund a part of the finished session's own bill; ``bill`` is what it is then."""
        assert self.state is not None
        self.commands += 1
        order = self.bill or session_order(self.state)
        context = OrderContext(f"correct-{self.commands}", now_ms, self.state.holder_id)
        wish = RefundWish(amount_minor=amount_minor)
        done = refund_session(order, self.state, self.wallet, context=context, wish=wish)
        if isinstance(done, Rejected):
            return done
        self.bill = done.order
        for transaction in done.transactions:
            self._post(transaction)
        self.wallet = done.wallet
        return None

    def give_back(self, now_ms: int, name: str, amount_minor: int | None) -> Rejected | None:
        """Refund a bought tariff through its order."""
        self.tick(now_ms)
        owned = self.owned[f"pt-{name}"]
        self.commands += 1
        context = OrderContext(f"refund-{self.commands}", now_ms, PLAYER)
        settled = refund(
            owned,
            self.tariffs[owned.tariff],
            self.terms(),
            context=context,
            amount_minor=amount_minor,
        )
        if isinstance(settled, Rejected):
            return settled
        self._settle(settled)
        self._look(now_ms)
        return None

    def balances(self) -> dict[str, int]:
        """Every account that is not at zero."""
        sums: dict[str, int] = defaultdict(int)
        for transaction in self.ledger.values():
            for entry in transaction.entries:
                sums[entry.account] += entry.amount_minor
        return {account: amount for account, amount in sums.items() if amount}

    def balance(self, account: str) -> int:
        """One account."""
        return self.balances().get(f"{self.club.currency}:{account}", 0)

    def _look(self, now_ms: int) -> None:
        if self.state is not None and not self.state.status.is_final:
            assert self.do(Recompute(), now_ms) is None

    def _settle(self, settled: Settled) -> None:
        for transaction in settled.transactions:
            self._post(transaction)
        self.wallet = settled.wallet
        owned = settled.player_tariff
        if owned is not None:
            self.owned[owned.player_tariff_id] = owned

    def _take(self, decision: Decision) -> None:
        before = [] if self.state is None else [self.state.event_seq]
        self.state = decision.state
        is_due = self.state.status is SessionStatus.ENDED and self.state.amount_minor
        if self.bill is None and is_due and self.state.mode is SessionMode.OPEN_ENDED:
            self.bill = session_order(self.state)
        for transaction in decision.transactions:
            self._post(transaction)
        for number, event in enumerate(decision.events, start=(before or [0])[0] + 1):
            assert event.seq == number, "events are numbered without gaps"
            self.events.append(event)
        self.wallet = decision.wallet
        for owned in decision.player_tariffs:
            self.owned[owned.player_tariff_id] = owned

    def _post(self, transaction: Transaction) -> None:
        assert transaction.id not in self.ledger, f"{transaction.id} posted twice"
        assert not imbalance(transaction.entries), transaction
        self.ledger[transaction.id] = transaction

    def copy(self) -> "World":
        """An independent world in the same state."""
        return replace(
            self, owned=dict(self.owned), ledger=dict(self.ledger), events=list(self.events)
        )
