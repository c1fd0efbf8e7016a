"""What the operator at the desk asks for: holds, guests who register, bills, corrections."""

from collections.abc import Callable
from random import Random
from typing import Final

from controller.simulation import town
from controller.simulation.desk import OVER, Desk, Request, View
from controller.simulation.pauses import Pauses
from schemas.commands import (
    ConvertGuest,
    EndSession,
    HoldPc,
    OrderMeans,
    OrderPayment,
    PayOrder,
    RefundOrder,
    ReleasePc,
    ResolveOutage,
)

HELD_S: Final = 6.0
RECENT: Final = 6
ATTENTIVE: Final = 0.5
"""How often what waits for a decision comes first."""


class Operator:
    """Looks after both clubs."""

    def __init__(self, desk: Desk, random: Random) -> None:
        self.pauses = Pauses(random)
        self._desk = desk
        self._random = random
        self._decided: list[tuple[str, str, int]] = []

    async def work(self, think_s: float) -> None:
        """Do things until the shift is over."""
        while not self.pauses.over:
            await self.pauses.pause(think_s)
            waiting = self._desk.proposals() and self._random.random() < ATTENTIVE
            request = self.decide() if waiting else self._random.choice(DUTIES)(self)
            if request is not None:
                await self._desk.send(request)

    def hold(self) -> Request:
        """Take a PC out of use, for a while or until somebody remembers."""
        seat = self._random.choice(town.SEATS)
        until_ms = None
        if self._random.random() < 0.7:
            ahead_s = self._random.uniform(0.2, HELD_S)
            until_ms = self._desk.now_ms + int(ahead_s * self._desk.speed * 1_000)
        command = HoldPc(pc_id=seat.pc_id, reason="cleaning", until_ms=until_ms)
        return self._desk.ask(seat.club_id, command)

    def release(self) -> Request:
        """Put a PC back into use."""
        seat = self._random.choice(town.SEATS)
        return self._desk.ask(seat.club_id, ReleasePc(pc_id=seat.pc_id))

    def convert(self) -> Request | None:
        """A guest has registered."""
        session = self._one_of(self._going(guest=True))
        if session is None:
            return None
        command = ConvertGuest(
            session_id=str(session["session_id"]), player_id=self._random.choice(town.PLAYERS)
        )
        return self._desk.ask(str(session["club_id"]), command)

    def settle(self) -> Request | None:
        """Take money for a post-pay session, in parts or in full, over or not."""
        session = self._one_of([one for one in self._known() if one["mode"] == "OPEN_ENDED"])
        if session is None:
            return None
        part_minor = self._random.randint(1, max(1, int(session["amount_minor"])))
        means = self._random.choice((OrderMeans.CASH, OrderMeans.CARD, OrderMeans.BALANCE))
        command = PayOrder(
            order_id=str(session["session_id"]),
            payments=(OrderPayment(means=means, amount_minor=part_minor),),
        )
        return self._desk.ask(str(session["club_id"]), command)

    def correct(self) -> Request | None:
        """Give back a part of what a session has cost."""
        over = [one for one in self._known() if one["status"] in OVER]
        session = self._one_of(over)
        if session is None:
            return None
        most_minor = max(1, int(session["amount_minor"]))
        command = RefundOrder(
            order_id=str(session["session_id"]), amount_minor=self._random.randint(1, most_minor)
        )
        return self._desk.ask(str(session["club_id"]), command)

    def decide(self) -> Request | None:
        """Give back what was proposed, or leave it charged; now and then once more."""
        proposed = self._desk.proposals()
        self._decided = [*self._decided, *proposed][-RECENT:]
        if not self._decided:
            return None
        club_id, session_id, number = self._random.choice(proposed or self._decided)
        command = ResolveOutage(
            session_id=session_id, number=number, approve=self._random.random() < 0.7
        )
        return self._desk.ask(club_id, command)

    def refund_beside(self) -> Request | None:
        """Give money back for a session about whose outages something is open."""
        proposed = self._desk.proposals()
        if not proposed:
            return self.correct()
        club_id, session_id, _ = self._random.choice(proposed)
        known = self._desk.sessions.get(session_id)
        most_minor = max(1, 0 if known is None else int(known["amount_minor"]))
        command = RefundOrder(
            order_id=session_id,
            amount_minor=self._random.choice((most_minor, self._random.randint(1, most_minor))),
        )
        return self._desk.ask(club_id, command)

    def send_home(self) -> Request | None:
        """End somebody's session."""
        session = self._one_of(self._going(guest=False))
        if session is None:
            return None
        return self._desk.ask(
            str(session["club_id"]), EndSession(session_id=str(session["session_id"]))
        )

    def _known(self) -> list[View]:
        return list(self._desk.sessions.values())

    def _going(self, *, guest: bool) -> list[View]:
        return [
            one
            for one in self._known()
            if one["status"] not in OVER and (one["player_id"] is None) is guest
        ]

    def _one_of(self, sessions: list[View]) -> View | None:
        return self._random.choice(sessions[-4:]) if sessions else None


Duty = Callable[[Operator], Request | None]

DUTIES: Final[tuple[Duty, ...]] = (
    Operator.hold,
    Operator.release,
    Operator.convert,
    Operator.convert,
    Operator.settle,
    Operator.correct,
    Operator.correct,
    Operator.send_home,
    Operator.decide,
    Operator.decide,
    Operator.refund_beside,
)
