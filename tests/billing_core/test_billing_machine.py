"""Random lives of a session against the naive oracle, ticked eagerly and late at once."""

from club_world import PLAYER, SESSION, World
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from naive_oracle import Oracle
from tariff_strategies import TIMEZONE, ZONES, moments, per_minute_tariffs

from billing_core.commands import CreateSession, EndSession, SwitchSessionDevice
from billing_core.rejection import Rejected
from billing_core.session import SessionStatus
from billing_core.terms import ClubTerms, ZoneTerms
from billing_core.wallet import Wallet

CLUB = ClubTerms("c1", TIMEZONE, "EUR", low_balance_minor=300)


class BillingMachine(RuleBasedStateMachine):
    """One session: three ways of billing it must never disagree."""

    @initialize(
        tariff=per_minute_tariffs(),
        start=moments(),
        money=st.tuples(
            st.integers(0, 20_000), st.integers(0, 4_000), st.sampled_from([0, 0, 500])
        ),
        groups=st.sampled_from([(), ("student",)]),
    )
    def begin(self, tariff, start, money, groups):
        """Somebody sits down with some money."""
        cash, bonus, credit = money
        wallet = Wallet(cash, bonus, credit)
        self.paid_in = cash + bonus
        self.now = start
        zones = {zone: ZoneTerms(zone) for zone in ZONES}
        self.eager = World(CLUB, {tariff.ref: tariff}, zones, wallet=wallet, groups=groups)
        self.late = World(CLUB, {tariff.ref: tariff}, zones, wallet=wallet, groups=groups)
        self.oracle = Oracle(
            tariff=tariff,
            timezone=TIMEZONE,
            groups=groups,
            zone="std",
            start=start,
            cash=cash,
            bonus=bonus,
            credit=credit,
            paid_until=start,
        )
        self.pc = 0
        self.oracle.begin_step()
        command = CreateSession(
            SESSION, "c1", "pc0", "std", tariff.ref, player_id=PLAYER, start=True
        )
        refused = self.both(command)
        assert (refused is not None) == (self.oracle.ended is not None), refused
        self.running = refused is None

    @rule()
    def look(self):
        """Nothing happens; what is over stays over."""
        if not self.running:
            assert self.late.state is None or self.late.state.due_at_ms is None

    def both(self, command, zone_id=None) -> Rejected | None:
        """The same command in both worlds gives the same answer."""
        self.eager.tick_all(self.now * 1_000)
        one = self.eager.do(command, self.now * 1_000, zone_id=zone_id)
        other = self.late.do(command, self.now * 1_000, zone_id=zone_id)
        assert one == other
        return one

    def each(self, act) -> None:
        """The same outside change in both worlds."""
        self.eager.tick_all(self.now * 1_000)
        act(self.eager)
        act(self.late)

    @precondition(lambda self: self.running)
    @rule(seconds=st.one_of(st.integers(1, 5_400), st.sampled_from([1, 60, 600])))
    def wait(self, seconds):
        """Time passes; coverage must not move by itself while money is untouched."""
        before = self.late.state.coverage
        self.now += seconds
        self.oracle.run_to(self.now)
        self.eager.tick_all(self.now * 1_000)
        assert self.eager.state.coverage.until_ms == before.until_ms

    @precondition(lambda self: self.running)
    @rule(cash=st.integers(0, 5_000), bonus=st.integers(0, 1_000))
    def pay_in(self, cash, bonus):
        """A top-up."""
        self.oracle.run_to(self.now)
        self.oracle.cash += cash
        self.oracle.bonus += bonus
        self.paid_in += cash + bonus
        self.each(lambda world: world.pay_in(self.now * 1_000, cash, bonus))

    @precondition(lambda self: self.running)
    @rule(percent=st.integers(0, 100))
    def spend_elsewhere(self, percent):
        """Another session of the same wallet took some of it."""
        self.oracle.run_to(self.now)
        gone = max(0, self.oracle.cash) * percent // 100
        self.oracle.cash -= gone
        self.paid_in -= gone
        wallet = Wallet(self.oracle.cash, self.oracle.bonus, self.oracle.credit)
        self.each(lambda world: world.set_wallet(self.now * 1_000, wallet))
        self.oracle.run_to(self.now)

    @precondition(lambda self: self.running)
    @rule(ahead=st.one_of(st.none(), st.integers(0, 4_000)))
    def book(self, ahead):
        """The PC's next booking comes, moves or goes."""
        self.oracle.run_to(self.now)
        at = None if ahead is None else self.now + ahead
        self.oracle.booking = at
        at_ms = None if at is None else at * 1_000
        self.each(lambda world: world.book(self.now * 1_000, at_ms))
        self.oracle.run_to(self.now)

    @precondition(lambda self: self.running)
    @rule(zone=st.sampled_from(ZONES))
    def move(self, zone):
        """Another PC, maybe in another zone."""
        self.oracle.run_to(self.now)
        booking = self.oracle.booking
        near = booking is not None and booking - self.now < 60
        self.pc += 1
        refused = self.both(SwitchSessionDevice(f"pc{self.pc}", zone), zone_id=zone)
        if self.oracle.ended is not None or near:
            assert refused is not None
            return
        assert self.oracle.move(zone, self.now) == (refused is None), refused

    @precondition(lambda self: self.running)
    @rule()
    def end(self):
        """Somebody ends it."""
        self.oracle.run_to(self.now)
        refused = self.both(EndSession())
        assert (refused is not None) == (self.oracle.ended is not None)
        self.oracle.end(self.now)

    @invariant()
    def agree(self):
        """Ledger, wallet and total are the same, whoever worked them out."""
        if not getattr(self, "running", False):
            return
        self.oracle.run_to(self.now)
        self.eager.tick_all(self.now * 1_000)
        self.late.tick(self.now * 1_000)
        assert self.eager.ledger == self.late.ledger
        assert [event.kind for event in self.eager.events] == [
            event.kind for event in self.late.events
        ]
        state, wallet = self.late.state, self.late.wallet
        oracle = self.oracle
        assert (wallet.cash_minor, wallet.bonus_minor) == (oracle.cash, oracle.bonus)
        assert state.amount_minor == oracle.amount
        ended = None if state.actual_end_at_ms is None else state.actual_end_at_ms // 1_000
        assert ended == oracle.ended
        assert self.paid_in == wallet.total_minor + state.amount_minor
        assert wallet.cash_minor >= -wallet.credit_limit_minor
        assert sum(self.late.balances().values()) == 0
        self.running = state.status is SessionStatus.STARTED


TestBillingMachine = BillingMachine.TestCase
TestBillingMachine.settings = settings(
    max_examples=120,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
