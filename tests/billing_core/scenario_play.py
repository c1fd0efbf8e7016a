"""Playing a scenario row, and reading off what its last column asks for."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from club_world import PLAYER, SESSION, World
from scenario_table import Calendar, Row

from billing_core.commands import (
    CancelSession,
    ConvertGuest,
    CreateSession,
    EndSession,
    ExtendSession,
    StartSession,
    SwitchSessionDevice,
)
from billing_core.events import EventKind
from billing_core.outage import VERDICTS, Finding, JournalFact, LinkFact
from billing_core.receipt import receipt_of
from billing_core.rejection import Rejected
from billing_core.sale import has_own_bill, session_order
from billing_core.session import EndedReason, SessionMode
from billing_core.tariff import Channel, Tier
from billing_core.wallet import Wallet


def minor(text: str) -> int:
    """``12.5`` -> 1250."""
    return int(Decimal(text).scaleb(2))


def parse_wallet(text: str) -> Wallet:
    """``100``, ``100+20`` (cash + bonus), ``100 credit 50``."""
    amounts, _, credit = text.partition(" credit ")
    cash, _, bonus = amounts.partition("+")
    return Wallet(minor(cash or "0"), minor(bonus or "0"), minor(credit or "0"))


class Play:
    """One run of a row. ``eager`` ticks at every due instant, else only commands move time."""

    def __init__(self, row: Row, *, eager: bool) -> None:
        self.row = row
        self.eager = eager
        self.calendar = Calendar(row.grid.club.timezone)
        self.refused: Rejected | None = None
        zones = {zone.zone_id: zone for zone in row.grid.zones}
        wallet = parse_wallet(row.wallet)
        self.world = World(row.grid.club, row.grid.by_ref, zones, wallet=wallet)
        self.pc = 0

    def run(self) -> World:
        """Play all steps; only the last may be refused."""
        for step in self.row.steps:
            assert self.refused is None, f"refused before the end: {self.refused}"
            now_ms, action = self.calendar.read(step)
            if self.eager:
                self.world.tick_all(now_ms)
            verb, *words = action.split()
            self.refused = _VERBS[verb](self, words, now_ms)
        return self.world

    def start(self, words: list[str], now_ms: int) -> Rejected | None:
        """``start [in ZONE] [as GROUP] [guest] [auto] [owing] [using NAME] [by CHANNEL]``"""
        return self._create(words, now_ms, start=True, planned_ms=None)

    def reserve(self, words: list[str], now_ms: int) -> Rejected | None:
        """``reserve HH:MM [...]``: a booking."""
        planned_ms = self.calendar.next_ms(words[0])
        return self._create(words[1:], now_ms, start=False, planned_ms=planned_ms)

    def _create(
        self, words: list[str], now_ms: int, *, start: bool, planned_ms: int | None
    ) -> Rejected | None:
        world, said = self.world, _said(words)
        world.zone_id = said.get("in", "std")
        world.groups = (said["as"],) if "as" in said else ()
        world.auto_renewal = "auto" in words
        if world.state is not None:
            assert world.state.status.is_final, "one session at a time"
            world.state = None
        self.sessions = getattr(self, "sessions", 0) + 1
        command = CreateSession(
            session_id=SESSION if self.sessions == 1 else f"{SESSION}-{self.sessions}",
            club_id=world.club.club_id,
            pc_id="pc0",
            zone_id=world.zone_id,
            tariff=world.tariff(said.get("on", self.row.tariff_id)).ref,
            player_id=None if "guest" in words else PLAYER,
            player_tariff_id=_owned_id(said.get("using")),
            mode=SessionMode.OPEN_ENDED if "owing" in words else SessionMode.PREPAID,
            planned_start_at_ms=planned_ms,
            start=start,
            channel=Channel(said.get("by", "crm")),
        )
        return world.do(command, now_ms)

    def press(self, _words: list[str], now_ms: int) -> Rejected | None:
        """``press``: Start on a reserved session."""
        return self.world.do(StartSession(), now_ms)

    def extend(self, words: list[str], now_ms: int) -> Rejected | None:
        """``extend TARIFF [using NAME]``"""
        said = _said(words[1:])
        name = _owned_id(said.get("using"))
        return self.world.do(ExtendSession(self.world.tariff(words[0]).ref, name), now_ms)

    def move(self, words: list[str], now_ms: int) -> Rejected | None:
        """``move ZONE``: to another PC, there."""
        self.pc += 1
        zone_id = words[0]
        command = SwitchSessionDevice(f"pc{self.pc}", zone_id)
        return self.world.do(command, now_ms, zone_id=zone_id)

    def stay(self, _words: list[str], now_ms: int) -> Rejected | None:
        """``stay``: a move to the PC the session is on."""
        return self.world.do(SwitchSessionDevice(f"pc{self.pc}", "std"), now_ms, zone_id="std")

    def end(self, words: list[str], now_ms: int) -> Rejected | None:
        """``end [player]``"""
        by_player = words == ["player"]
        reason = EndedReason.MANUAL_BY_PLAYER if by_player else EndedReason.MANUAL_BY_ADMIN
        return self.world.do(EndSession(reason), now_ms)

    def cancel(self, _words: list[str], now_ms: int) -> Rejected | None:
        """``cancel``"""
        return self.world.do(CancelSession(), now_ms)

    def convert(self, _words: list[str], now_ms: int) -> Rejected | None:
        """``convert``: the guest registers."""
        return self.world.do(ConvertGuest(PLAYER), now_ms)

    def topup(self, words: list[str], now_ms: int) -> Rejected | None:
        """``topup 50`` or ``topup 50+10``"""
        paid = parse_wallet(" ".join(words))
        self.world.pay_in(now_ms, paid.cash_minor, paid.bonus_minor)
        return None

    def wallet(self, words: list[str], now_ms: int) -> Rejected | None:
        """``wallet 20 [credit 5]``: changed elsewhere."""
        self.world.set_wallet(now_ms, parse_wallet(" ".join(words)))
        return None

    def book(self, words: list[str], now_ms: int) -> Rejected | None:
        """``book HH:MM`` or ``book off``"""
        at_ms = None if words == ["off"] else self.calendar.next_ms(words[0])
        self.world.book(now_ms, at_ms)
        return None

    def buy(self, words: list[str], now_ms: int) -> Rejected | None:
        """``buy TARIFF name NAME [by CHANNEL] [in ZONE] [order ORDER]``"""
        said = _said(words[1:])
        self.world.zone_id = said.get("in", self.world.zone_id)
        channel = Channel(said.get("by", "crm"))
        refused = self.world.buy(now_ms, words[0], said["name"], channel)
        if "order" in said:
            owned = self.world.owned[f"pt-{said['name']}"]
            self.world.owned[owned.player_tariff_id] = replace(owned, order_id=said["order"])
        return refused

    def refund(self, words: list[str], now_ms: int) -> Rejected | None:
        """``refund NAME [AMOUNT]``"""
        amount_minor = minor(words[1]) if words[1:] else None
        return self.world.give_back(now_ms, words[0], amount_minor)

    def correct(self, words: list[str], now_ms: int) -> Rejected | None:
        """``correct AMOUNT``: give a part of the session's own bill back."""
        return self.world.correct(now_ms, minor(words[0]))

    def edit(self, words: list[str], _now_ms: int) -> Rejected | None:
        """``edit TARIFF``: a new version, twice as dear."""
        old = self.world.tariff(words[0])
        prices = tuple(
            replace(
                rule,
                tiers=tuple(Tier(t.from_minutes, 2 * t.price_per_hour_minor) for t in rule.tiers),
            )
            for rule in old.prices
        )
        new = replace(old, version=old.version + 1, prices=prices)
        self.world.tariffs[new.ref] = new
        return None

    def outage(self, words: list[str], now_ms: int) -> Rejected | None:
        """``outage OFF HH:MM HH:MM``: what the journal of a PC that was not heard says of then."""
        journal = JournalFact(words[0])
        from_ms, until_ms = (self.calendar.last_ms(word) for word in words[1:3])
        link = LinkFact.HEARD if "heard" in words else LinkFact.SILENT
        verdict = VERDICTS[link, journal]
        self.world.judge(now_ms, Finding(from_ms, until_ms, verdict, link, journal))
        return None

    def approve(self, words: list[str], now_ms: int) -> Rejected | None:
        """``approve N``: staff gives a proposed outage back."""
        return self.world.resolve(now_ms, int(words[0]), approve=True)

    def reject(self, words: list[str], now_ms: int) -> Rejected | None:
        """``reject N``: staff leaves a proposed outage charged."""
        return self.world.resolve(now_ms, int(words[0]), approve=False)

    def pay(self, words: list[str], now_ms: int) -> Rejected | None:
        """``pay 20``: of the bill of a post-pay session that is over."""
        return self.world.pay_bill(now_ms, minor(words[0]))

    def lower(self, words: list[str], now_ms: int) -> Rejected | None:
        """``lower 20``: staff takes it off that bill."""
        return self.world.correct(now_ms, minor(words[0]))

    def tick(self, _words: list[str], now_ms: int) -> Rejected | None:
        """``tick``: time passes to here."""
        self.world.tick(now_ms)
        return None


def _owned_id(name: str | None) -> str | None:
    """Bought ones are called by the name the table gave them, blocks by their own id."""
    return name if name is None or name.startswith("block-") else f"pt-{name}"


def _said(words: list[str]) -> dict[str, str]:
    pairs = pairwise(words)
    return {
        word: value
        for word, value in pairs
        if word in {"in", "as", "using", "by", "name", "on", "order"}
    }


_VERBS: dict[str, Callable[[Play, list[str], int], Rejected | None]] = {
    name: getattr(Play, name)
    for name in (
        "start", "reserve", "press", "extend", "move", "stay", "end", "cancel", "convert",
        "topup", "wallet", "book", "buy", "refund", "correct", "edit", "outage", "approve",
        "reject", "pay", "lower", "tick",
    )
}  # fmt: skip


class Reading:
    """Reads the last column: each item is ``<name> <values>``."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.world = play.world

    def check(self, item: str) -> None:
        """Compare one expectation."""
        name, _, wanted = item.partition(" ")
        found = getattr(self, name)(wanted.split())
        assert found == " ".join(wanted.split()), f"{name}: found {found}"

    def _money(self, amount_minor: int) -> str:
        return f"{Decimal(amount_minor).scaleb(-2):.2f}"

    @property
    def state(self):
        """The session."""
        assert self.world.state is not None
        return self.world.state

    def refused(self, _words: list[str]) -> str:
        """``refused CODE``"""
        return "nothing" if self.play.refused is None else self.play.refused.code.value

    def total(self, _words: list[str]) -> str:
        """``total 60.00``"""
        return self._money(self.state.amount_minor)

    def bonus(self, _words: list[str]) -> str:
        """``bonus 10.00``: the bonus part of the total."""
        return self._money(self.state.bonus_minor)

    def left(self, _words: list[str]) -> str:
        """``left 40.00+0.00``: cash + bonus in the wallet."""
        wallet = self.world.wallet
        return f"{self._money(wallet.cash_minor)}+{self._money(wallet.bonus_minor)}"

    def amounts(self, _words: list[str]) -> str:
        """``amounts 30.00 45.00``: per segment."""
        return " ".join(self._money(segment.amount_minor) for segment in self.state.segments)

    def causes(self, _words: list[str]) -> str:
        """``causes start price``: why each segment began."""
        return " ".join(segment.cause.value for segment in self.state.segments)

    def until(self, words: list[str]) -> str:
        """``until 18:00 BALANCE`` or ``until never OPEN_ENDED``"""
        coverage = self.state.coverage
        assert coverage is not None
        clock = "never" if coverage.until_ms is None else self._clock(coverage.until_ms, words[0])
        return f"{clock} {coverage.cause.value}"

    def ended(self, words: list[str]) -> str:
        """``ended 18:00 CoverageExhausted``"""
        if self.state.ended_reason is None:
            return "not"
        return f"{self._clock(self.state.actual_end_at_ms, words[0])} {self.state.ended_reason}"

    def _clock(self, at_ms: int, like: str) -> str:
        from datetime import datetime

        local = datetime.fromtimestamp(at_ms / 1_000, self.play.calendar.zone)
        return local.strftime("%H:%M:%S" if like.count(":") == 2 else "%H:%M")

    def status(self, _words: list[str]) -> str:
        """``status STARTED``"""
        return self.state.status.value

    def covered(self, _words: list[str]) -> str:
        """``covered ENDING_SOON``: the coverage status."""
        assert self.state.coverage is not None
        return self.state.coverage.status.value

    def pack(self, words: list[str]) -> str:
        """``pack A 90m OPEN`` or ``pack A 2x OPEN``: what is left of a bought tariff."""
        owned = self.world.owned.get(f"pt-{words[0]}") or self.world.owned[words[0]]
        left = "all" if owned.remaining_ms is None else f"{owned.remaining_ms / 60_000:g}m"
        if owned.remaining_sessions is not None:
            left = f"{owned.remaining_sessions}x"
        return f"{words[0]} {left} {owned.status.value}"

    def deferred(self, _words: list[str]) -> str:
        """``deferred 10.00``: prepaid and not used."""
        return self._money(self.world.balance(f"deferred:{self.world.club.club_id}"))

    def revenue(self, _words: list[str]) -> str:
        """``revenue 10.00``: earned."""
        return self._money(self.world.balance(f"revenue:{self.world.club.club_id}"))

    def owes(self, _words: list[str]) -> str:
        """``owes 10.00``: the post-pay bill."""
        return self._money(-self.world.balance(f"receivable:{SESSION}"))

    def due(self, _words: list[str]) -> str:
        """``due 10.00 PARTLY_PAID``: what the order says is still to pay, and its status."""
        bill = self.world.bill
        assert bill is not None
        return f"{self._money(bill.due_minor)} {bill.status.value}"

    def bill(self, _words: list[str]) -> str:
        """``bill 60.00``: the session's own bill, an order under its id; ``bill none``"""
        if not has_own_bill(self.state):
            return "none"
        return self._money(session_order(self.state).amount_minor)

    def forfeits(self, _words: list[str]) -> str:
        """``forfeits 75.00 75.00 67.50``: what was neither used nor given back, the part in the
        session's own bill, and the bonus in that; ``forfeits none``"""
        own = self.state.own_forfeits
        if not self.state.forfeits:
            return "none"
        own_minor, bonus_minor = (
            sum(one.amount_minor for one in own),
            sum(one.bonus_minor for one in own),
        )
        return " ".join(map(self._money, (self.state.forfeited_minor, own_minor, bonus_minor)))

    def steps(self, _words: list[str]) -> str:
        """``steps 60``: step postings in all segments."""
        return str(sum(1 for key in self.world.ledger if key.startswith("step/")))

    def told(self, words: list[str]) -> str:
        """``told low_balance 1``: how often an event happened."""
        kind = EventKind(words[0])
        return f"{kind.value} {sum(1 for event in self.world.events if event.kind is kind)}"

    def outages(self, _words: list[str]) -> str:
        """``outages FROZEN 12m 24.00 CREDITED``: verdict, what came back (or would), status."""
        return " ".join(
            f"{one.verdict.value} {one.credited_ms / 60_000:g}m "
            f"{self._money(one.amount_minor)} {one.status.value}"
            for one in self.state.outages
        )

    def credits(self, _words: list[str]) -> str:
        """``credits 12``: postings that gave a step back."""
        return str(sum(1 for key in self.world.ledger if key.startswith("credit/")))

    def lines(self, _words: list[str]) -> str:
        """``lines day 30.00 evening 45.00``: the receipt's lines by rule."""
        receipt = receipt_of(
            self.state,
            self.world.tariffs,
            timezone=self.world.club.timezone,
            issued_at_ms=self.play.calendar.now_ms,
        )
        return " ".join(
            f"{line.rule} {self._money(line.amount_minor)}"
            for segment in receipt.segments
            for line in segment.lines
        )
