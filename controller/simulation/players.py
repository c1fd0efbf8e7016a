"""What players and one-time guests ask for, and the same again after a timeout."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Final

from controller.simulation import town
from controller.simulation.desk import OVER, Desk, Request, View
from controller.simulation.pauses import Pauses
from controller.simulation.tariffs import BLOCK, BOUGHT, DASH, LIST_PRICE_MINOR, STANDARD
from schemas.commands import (
    CancelSession,
    Channel,
    CreateOrder,
    CreateSession,
    EndSession,
    ExtendSession,
    OrderMeans,
    OrderPayment,
    PaymentMeans,
    PaymentMode,
    PayOrder,
    RefundOrder,
    StartSession,
    SwitchSessionDevice,
    TopUpWallet,
)

REPEATS: Final = 0.08
"""How often a caller sends again what was answered already."""
WHIMS: Final = 0.12
"""How often somebody asks for anything at all, sensible or not."""
SELF_SERVICE: Final = 0.3
BOOKED_AHEAD_S: Final = 8.0
"""Real seconds a booking lies ahead at most; a seed lives for less than a minute."""
RECENT: Final = 3
SEATS_TRIED: Final = 4
STAYS: Final = 40
"""So many times as long as others does one who stays think about what to do next."""


class Player:
    """One person doing things at random. Without a name: guests, one after another."""

    def __init__(
        self, name: str | None, desk: Desk, random: Random, *, alias: str = "guest"
    ) -> None:
        self.name = name
        self._alias = alias
        self.pauses = Pauses(random)
        self._desk = desk
        self._random = random
        self._mine: list[str] = []
        self._drawn = 0

    async def play(self, think_s: float) -> None:
        """Ask for things until told to leave."""
        if self.name is not None:
            await self._do(Player.top_up)
        await self._go_on(think_s)

    async def stay(self, think_s: float, *, seats: int = 1) -> None:
        """Sit down where one can, in so many clubs, and stay for as long as it goes well."""
        if self.name is not None:
            await self._do(Player.top_up)
        for _ in range(SEATS_TRIED * seats):
            if len(self._mine) < seats and not self.pauses.over:
                await self._do(Player.sit_down)
        await self._go_on(think_s * STAYS)

    async def _go_on(self, think_s: float) -> None:
        while not self.pauses.over:
            await self.pauses.pause(think_s)
            if self._desk.requests and self._random.random() < REPEATS:
                await self._desk.send(self._random.choice(self._desk.requests))
            else:
                await self._do(self._choice())

    def _choice(self) -> "Deed":
        if self._random.random() < WHIMS:
            return self._random.choice(ANYTHING)
        status = str(self._session()["status"]) if self._mine else "NONE"
        return self._random.choice(SENSIBLE[status])

    async def _do(self, deed: "Deed") -> None:
        request = deed(self)
        session_id = getattr(request.envelope.command, "session_id", None)
        await self._desk.send(request)
        if request.ok and session_id is not None and session_id not in self._mine:
            self._mine = [*self._mine[1 - RECENT :], session_id]

    # ---- what one has --------------------------------------------------------------------------

    def _session(self) -> View:
        """The newest that is not over as far as one knows, or one that is."""
        known = [self._desk.sessions[one] for one in self._mine]
        going = [one for one in known if one["status"] not in OVER]
        return going[-1] if going else known[-1]

    def _any_session(self) -> View | None:
        return self._desk.sessions[self._random.choice(self._mine)] if self._mine else None

    def _chosen_session(self) -> View | None:
        if self._mine and self._random.random() < 0.85:
            return self._session()
        return self._any_session()

    def _pack(self) -> tuple[str, str] | None:
        """(tariff, player tariff) of something bought, used up or not."""
        lines = [
            (str(line["tariff_id"]), str(line["player_tariff_id"]))
            for order in self._desk.orders.values()
            if order["player_id"] == self.name and order["session_id"] is None
            for line in order["lines"]
            if not order["due_minor"]
        ]
        return self._random.choice(lines[-2 * RECENT :]) if self.name and lines else None

    def _ahead_ms(self, most_s: float) -> int:
        return self._desk.now_ms + int(self._random.uniform(0.5, most_s) * self._desk.speed * 1_000)

    def _channel(self) -> Channel:
        by_himself = self.name is not None and self._random.random() < SELF_SERVICE
        return self._random.choice((Channel.APP, Channel.KIOSK)) if by_himself else Channel.CRM

    def _means(self) -> PaymentMeans:
        return self._random.choice((PaymentMeans.CASH, PaymentMeans.CARD))

    # ---- deeds ---------------------------------------------------------------------------------

    def top_up(self) -> Request:
        """Money over the desk, in any club."""
        if self.name is None:
            return self.create()
        command = TopUpWallet(
            player_id=self.name,
            amount_minor=self._random.choice(self._desk.top_ups_minor),
            bonus_minor=self._random.choice((0, 0, 500)),
            means=self._means(),
        )
        return self._desk.ask(self._random.choice(town.CLUBS), command)

    def create(self) -> Request:
        """Sit down somewhere, mostly to play at once."""
        return self._created(start=self._random.random() < 0.85)

    def sit_down(self) -> Request:
        """Play at once, in another club than before, and pay as time goes by."""
        self._drawn += 1
        visited = {self._desk.sessions[one]["club_id"] for one in self._mine}
        seat = self._random.choice([s for s in town.SEATS if s.club_id not in visited])
        command = CreateSession(
            session_id=f"{self.name or self._alias}-{self._drawn}",
            pc_id=seat.pc_id,
            tariff_id=self._random.choice((STANDARD, STANDARD, BLOCK)),
            player_id=self.name,
            guest_label=None if self.name else "Guest",
            start=True,
            paid_minor=0 if self.name else 9_000,
        )
        return self._desk.ask(seat.club_id, command)

    def book(self) -> Request:
        """A PC for later, with or without an end."""
        planned_ms = self._ahead_ms(BOOKED_AHEAD_S)
        end_ms = None
        if self._random.random() < 0.5:
            end_ms = planned_ms + self._ahead_ms(BOOKED_AHEAD_S) - self._desk.now_ms
        return self._created(start=False, planned_ms=planned_ms, planned_end_ms=end_ms)

    def _created(
        self, *, start: bool, planned_ms: int | None = None, planned_end_ms: int | None = None
    ) -> Request:
        self._drawn += 1
        seat = self._random.choice(town.SEATS)
        tariff_id = self._random.choice((STANDARD, STANDARD, STANDARD, None, BLOCK, DASH))
        player_tariff_id = None
        pack = self._pack()
        if pack is not None and self._random.random() < 0.5:
            tariff_id, player_tariff_id = pack
        pays_later = tariff_id == STANDARD and self._random.random() < 0.15
        command = CreateSession(
            session_id=f"{self.name or self._alias}-{self._drawn}",
            pc_id=seat.pc_id,
            tariff_id=tariff_id,
            player_tariff_id=player_tariff_id,
            mode=PaymentMode.OPEN_ENDED if pays_later else PaymentMode.PREPAID,
            player_id=self.name,
            guest_label=None if self.name else "Guest",
            planned_start_at_ms=planned_ms,
            planned_end_at_ms=planned_end_ms,
            start=start,
            paid_minor=0 if self.name or pays_later else self._random.randint(1, 9_000),
            means=self._means(),
        )
        return self._desk.ask(seat.club_id, command, channel=self._channel())

    def start(self) -> Request:
        """Press Start."""
        session = self._chosen_session()
        if session is None:
            return self.create()
        command = StartSession(session_id=str(session["session_id"]))
        return self._desk.ask(str(session["club_id"]), command, channel=self._channel())

    def extend(self) -> Request:
        """Append a tariff; a guest puts money down for it."""
        session = self._chosen_session()
        if session is None:
            return self.create()
        tariff_id, player_tariff_id = self._random.choice((BLOCK, DASH, STANDARD)), None
        pack = self._pack()
        if pack is not None and self._random.random() < 0.4:
            tariff_id, player_tariff_id = pack
        command = ExtendSession(
            session_id=str(session["session_id"]),
            tariff_id=tariff_id,
            player_tariff_id=player_tariff_id,
            paid_minor=0 if session["player_id"] else self._random.choice((0, 5_000)),
            means=self._means(),
        )
        return self._desk.ask(str(session["club_id"]), command, channel=self._channel())

    def switch(self) -> Request:
        """Change seats."""
        session = self._chosen_session()
        if session is None:
            return self.create()
        club_id = str(session["club_id"])
        pcs = [seat.pc_id for seat in town.SEATS if seat.club_id == club_id]
        command = SwitchSessionDevice(
            session_id=str(session["session_id"]), pc_id=self._random.choice(pcs)
        )
        return self._desk.ask(club_id, command)

    def end(self) -> Request:
        """Go home."""
        session = self._chosen_session()
        if session is None:
            return self.create()
        reason: Final = self._random.choice(("ManualByAdmin", "ManualByPlayer"))
        command = EndSession.model_validate({"session_id": session["session_id"], "reason": reason})
        return self._desk.ask(str(session["club_id"]), command)

    def cancel(self) -> Request:
        """Think better of it."""
        session = self._chosen_session()
        if session is None:
            return self.create()
        command = CancelSession(session_id=str(session["session_id"]))
        return self._desk.ask(str(session["club_id"]), command)

    def order(self) -> Request:
        """Buy one or two tariffs, or only have them put on a bill."""
        if self.name is None:
            return self.create()
        self._drawn += 1
        tariff_ids = tuple(self._random.choices(BOUGHT, k=self._random.choice((1, 1, 2))))
        price_minor = sum(LIST_PRICE_MINOR[one] for one in tariff_ids)
        paid = self._random.random() < 0.7
        command = CreateOrder(
            order_id=f"o-{self.name}-{self._drawn}",
            player_id=self.name,
            tariff_ids=tariff_ids,
            payments=self._payments(price_minor) if paid else (),
        )
        return self._desk.ask(self._random.choice(town.CLUBS), command)

    def _payments(self, due_minor: int) -> tuple[OrderPayment, ...]:
        """All of it by one means, or a part in bonus; now and then the wrong amount."""
        main = self._random.choice((OrderMeans.CASH, OrderMeans.CARD, OrderMeans.BALANCE))
        if self._random.random() < 0.05:
            due_minor += 1
        bonus_minor = min(500, due_minor - 1) if self._random.random() < 0.3 else 0
        parts = ((OrderMeans.BONUS, bonus_minor), (main, due_minor - bonus_minor))
        return tuple(
            OrderPayment(means=means, amount_minor=minor) for means, minor in parts if minor > 0
        )

    def pay(self) -> Request:
        """Pay what is on a bill."""
        owed = [one for one in self._orders() if one["due_minor"]]
        if not owed:
            return self.order()
        order = self._random.choice(owed)
        payments = self._payments(int(order["due_minor"]))
        command = PayOrder(order_id=str(order["order_id"]), payments=payments)
        return self._desk.ask(str(order["club_id"]), command)

    def refund(self) -> Request:
        """Want money back for what was bought, all of it, of a line or a part."""
        orders = [one for one in self._orders() if one["session_id"] is None]
        if not orders:
            return self.order()
        order = self._random.choice(orders)
        line = self._random.choice((None, 0, 1))
        command = RefundOrder(
            order_id=str(order["order_id"]),
            line=line,
            amount_minor=self._random.choice((None, None, 1_000)),
        )
        return self._desk.ask(str(order["club_id"]), command)

    def _orders(self) -> Sequence[View]:
        """One's own; whoever has no name has none."""
        if self.name is None:
            return ()
        return [one for one in self._desk.orders.values() if one["player_id"] == self.name]


Deed = Callable[[Player], Request]

_ANYWAY: Final = (Player.top_up, Player.order, Player.pay, Player.refund, Player.book)
_ARRIVING: Final = (*((Player.create,) * 7), Player.book, Player.book, *_ANYWAY)
_WAITING: Final = (
    *((Player.start,) * 5),
    Player.cancel,
    Player.cancel,
    Player.switch,
    Player.extend,
    Player.end,
    *_ANYWAY,
)
_PLAYING: Final = (
    *((Player.switch,) * 3),
    *((Player.extend,) * 3),
    *((Player.end,) * 3),
    Player.create,
    *_ANYWAY,
)
SENSIBLE: Final[Mapping[str, tuple[Deed, ...]]] = MappingProxyType(
    {
        "NONE": _ARRIVING,
        "PENDING": _WAITING,
        "ACTIVE": _WAITING,
        "STARTED": _PLAYING,
        "ENDED": _ARRIVING,
        "CANCELLED": _ARRIVING,
    }
)
"""Status of one's session -> what one may do next, as often as it is named."""
ANYTHING: Final[tuple[Deed, ...]] = tuple(dict.fromkeys((*_ARRIVING, *_WAITING, *_PLAYING)))
