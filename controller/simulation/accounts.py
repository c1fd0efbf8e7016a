"""What every account must hold, worked out from what people were told, by nobody's ledger.

Money is followed from the answers given over the desk (top-ups, payments, refunds), through what
sessions charged and bought time was worth, to wallets, desks, deferred sales and open bills.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from controller.simulation.credits import Credits
from controller.simulation.desk import OVER, Request
from controller.simulation.reckoning import from_wallet_minor, lasted_no_time, share
from controller.simulation.tariffs import CURRENCY, LIST_LENGTH_MS, LIST_PRICE_MINOR
from schemas.commands import (
    CreateOrder,
    CreateSession,
    ExtendSession,
    OrderMeans,
    PaymentMeans,
    PayOrder,
    RefundOrder,
    TopUpWallet,
)

Document = Mapping[str, Any]

_WALLET_MEANS: Final = frozenset({OrderMeans.BALANCE, OrderMeans.BONUS})


@dataclass(slots=True)
class History:
    """What happened: sessions, bought tariffs and orders as written last, and what was done."""

    sessions: Mapping[str, Document]
    packs: Mapping[str, Document]
    orders: Mapping[str, Document]
    done: list[Request]
    used_minor: Counter[str] = field(default_factory=Counter)
    used_ms: Counter[str] = field(default_factory=Counter)
    draws: Counter[str] = field(default_factory=Counter)
    credits: Credits = field(default_factory=Credits)
    told_back_minor: Counter[str] = field(default_factory=Counter)
    """What orders say was given back of a bought tariff, one refund after another."""
    forfeited_minor: Counter[str] = field(default_factory=Counter)
    """What sessions say they let go of a bought tariff, neither used nor given back."""

    def __post_init__(self) -> None:
        for session in self.sessions.values():
            for lost in session["forfeits"]:
                self.forfeited_minor[lost["player_tariff_id"]] += lost["amount_minor"]
            for segment in session["segments"]:
                if segment["pack"] is not None:
                    name = segment["pack"]["player_tariff_id"]
                    self.used_minor[name] += segment["amount_minor"]
                    self.used_ms[name] += segment["accrued_units"]
                    self.draws[name] += 1
        for order in self.orders.values():
            for back in order["refunds"]:
                name = order["lines"][back["line"]]["player_tariff_id"]
                if name is not None:
                    self.told_back_minor[name] += back["cash_minor"] + back["bonus_minor"]

    def holder_of(self, pack: Document) -> str:
        """Whose wallet a pack belongs to: a guest's that became a player's is the player's."""
        holder_id = str(pack["holder_id"])
        session = self.sessions.get(holder_id.removeprefix("guest-"))
        return holder_id if session is None else _holder(session)

    def is_postpaid(self, session_id: str) -> bool:
        """Whether a session is settled after its end."""
        return bool(self.sessions[session_id]["mode"] == "OPEN_ENDED")

    def returned_minor(self, pack: Document) -> int:
        """What of a bought tariff's price has gone back to its holder's wallet."""
        name = pack["player_tariff_id"]
        credited_minor = self.credits.to_wallet[name]
        if pack["status"] == "REFUNDED":
            return int(pack["price_minor"] - self.used_minor[name])
        return self.told_back_minor[name] + credited_minor

    def left_minor(self, pack: Document) -> int:
        """What of it is neither used nor gone."""
        if pack["status"] != "OPEN":
            return 0
        gone_minor = self.used_minor[pack["player_tariff_id"]] + self.returned_minor(pack)
        return int(pack["price_minor"] - gone_minor)


class Accounts:
    """Sums of what every account must hold; a wallet's cash and bonus together."""

    def __init__(self, history: History) -> None:
        self.wanted: Counter[str] = Counter()
        self._history = history
        self._paid_for_session: Counter[str] = Counter()
        self._by_card: Counter[str] = Counter()
        self._paid_later: Counter[str] = Counter()
        self._lowered: Counter[str] = Counter()
        self.change: dict[str, tuple[int, int]] = {}
        """What a guest who is gone was handed back, by card and in cash, all in all."""
        for request in history.done:
            self._done(request)
        for session_id, session in history.sessions.items():
            self._charged(session_id, session)
        for pack in history.packs.values():
            self._bought(pack)
        self._guests_get_change()

    def _done(self, request: Request) -> None:
        command, club_id = request.envelope.command, request.envelope.club_id
        if isinstance(command, TopUpWallet):
            self.wanted[_desk(club_id, command.means)] -= command.amount_minor
            self.wanted[f"{CURRENCY}:promo:{club_id}"] -= command.bonus_minor
            self.wanted[_wallet(command.player_id)] += command.amount_minor + command.bonus_minor
        elif isinstance(command, CreateSession | ExtendSession):
            self.wanted[_desk(club_id, command.means)] -= command.paid_minor
            if command.means is PaymentMeans.CARD:
                self._by_card[command.session_id] += command.paid_minor
            holder_id = _holder(self._history.sessions[command.session_id])
            self.wanted[_wallet(holder_id)] += command.paid_minor
        elif isinstance(command, CreateOrder | PayOrder):
            self._paid(club_id, command)
        elif isinstance(command, RefundOrder):
            self._given_back(command)

    def _paid(self, club_id: str, command: CreateOrder | PayOrder) -> None:
        order = self._history.orders[command.order_id]
        for payment in command.payments:
            if payment.means in _WALLET_MEANS:
                self.wanted[_wallet(order["holder_id"])] -= payment.amount_minor
            else:
                self.wanted[_desk(club_id, payment.means)] -= payment.amount_minor
            if order["session_id"] is not None:
                self._paid_later[command.order_id] += payment.amount_minor
                if payment.means is OrderMeans.CARD:
                    self._by_card[command.order_id] += payment.amount_minor

    def _given_back(self, command: RefundOrder) -> None:
        """A session's price; what goes back of bought tariffs is in their own books."""
        session = self._history.sessions.get(command.order_id)
        if session is None:
            return
        assert command.amount_minor is not None, "a session's refund says how much"
        if self._history.is_postpaid(command.order_id):
            self._lowered[command.order_id] += command.amount_minor
        else:
            self.wanted[_wallet(_holder(session))] += command.amount_minor

    def _charged(self, session_id: str, session: Document) -> None:
        amount_minor = from_wallet_minor(session)
        if self._history.is_postpaid(session_id):
            late_minor = self._history.credits.to_wallet[session_id]
            owed_minor = amount_minor + late_minor - self._paid_later[session_id]
            lowered_minor = min(owed_minor, self._lowered[session_id])
            self.wanted[f"{CURRENCY}:receivable:{session_id}"] -= owed_minor - lowered_minor
            self.wanted[_wallet(_holder(session))] += late_minor
            self.wanted[_wallet(_holder(session))] += self._lowered[session_id] - lowered_minor
        else:
            self.wanted[_wallet(_holder(session))] -= amount_minor

    def _bought(self, pack: Document) -> None:
        """From the wallet: what no order paid for, and what a dearer zone added to it."""
        paid_minor = pack["price_minor"]
        if pack["order_id"] is not None:
            paid_minor -= LIST_PRICE_MINOR[pack["tariff"]["id"]]
        back_minor = self._history.returned_minor(pack)
        self.wanted[_wallet(self._history.holder_of(pack))] += back_minor - paid_minor
        self.wanted[f"{CURRENCY}:deferred:{pack['club_id']}"] += self._history.left_minor(pack)

    def _guests_get_change(self) -> None:
        for session_id, session in self._history.sessions.items():
            wallet = _wallet(_holder(session))
            if session["player_id"] is None and session["status"] in OVER:
                change_minor = self.wanted.pop(wallet, 0)
                card_minor = min(max(0, change_minor), self._by_card[session_id])
                self.wanted[_desk(session["club_id"], "card")] += card_minor
                self.wanted[_desk(session["club_id"], "cash")] += change_minor - card_minor
                self.change[session_id] = card_minor, change_minor - card_minor
                if change_minor < 0:
                    self.wanted[f"change of {session_id}"] = change_minor


def account_violations(history: History, balances: Mapping[str, int]) -> Iterator[str]:
    """Accounts that hold something else than they must; revenue is what is left over of zero."""
    accounts = Accounts(history)
    yield from _untold_change(history, accounts)
    wanted = accounts.wanted
    found: Counter[str] = Counter()
    for account, balance_minor in balances.items():
        name = account
        if ":wallet:" in account:
            name = account.rpartition(":")[0]
        if ":revenue:" not in account:
            found[name] += balance_minor
    for name in sorted(wanted.keys() | found.keys()):
        if wanted[name] != found[name]:
            yield f"{name} must hold {wanted[name]}, holds {found[name]}"


def _untold_change(history: History, accounts: Accounts) -> Iterator[str]:
    """Of a guest's money what left over the desk is told by the session, or by its order."""
    for session_id, (card_minor, cash_minor) in accounts.change.items():
        told = history.sessions[session_id]["handed_back"] or Counter()
        order = history.orders.get(session_id)
        refunds = () if order is None else order["refunds"]
        for means, minor in (("card", card_minor), ("cash", cash_minor)):
            by_order = sum(one["paid_out_minor"] for one in refunds if one["paid_out_by"] == means)
            told_minor = told[f"{means}_minor"] + by_order
            if told_minor != minor:
                yield f"{session_id} handed {minor} back by {means}, told of {told_minor}"


def pack_violations(history: History) -> Iterator[str]:
    """Bought time: paid at its price, worth what was drawn, given back once at most."""
    for name, pack in history.packs.items():
        tariff_id, price_minor = pack["tariff"]["id"], pack["price_minor"]
        used_minor, used_ms = history.used_minor[name], history.used_ms[name]
        back_minor = history.told_back_minor[name]
        back_minor += history.credits.to_wallet[name]
        lost_minor = history.forfeited_minor[name]
        gone_minor = used_minor + back_minor + lost_minor
        if gone_minor > price_minor or (pack["status"] == "USED_UP" and gone_minor < price_minor):
            yield (
                f"{name} cost {price_minor}, {used_minor} was used, {back_minor} given back"
                f" and {lost_minor} forfeited"
            )
        total_ms, whole_ms = pack["total_ms"], LIST_LENGTH_MS[tariff_id]
        if total_ms is None or whole_ms is None or back_minor:
            continue
        if used_ms > total_ms:
            yield f"{name} holds {total_ms} ms, {used_ms} were drawn"
        is_dearer = price_minor > LIST_PRICE_MINOR[tariff_id]
        full_minor = share(LIST_PRICE_MINOR[tariff_id], total_ms, whole_ms)
        if not is_dearer and price_minor != full_minor:
            yield f"{name} of {total_ms} ms cost {price_minor}, must be {full_minor}"
        worth_minor = share(price_minor, used_ms, total_ms)
        if not is_dearer and abs(worth_minor - used_minor) > history.draws[name]:
            yield f"{used_ms} ms of {name} were booked as {used_minor}, are worth {worth_minor}"


def history_of(
    sessions: Mapping[str, bytes],
    packs: Mapping[str, Document],
    *,
    orders: Mapping[str, bytes],
    done: list[Request],
    given_back: Credits,
) -> History:
    """From what was written last."""
    return History(
        {name: orjson.loads(blob) for name, blob in sessions.items()},
        packs,
        {name: orjson.loads(blob) for name, blob in orders.items()},
        done,
        credits=given_back,
    )


def refund_violations(history: History) -> Iterator[str]:
    """By hand and by itself together, never more goes back of a session than it cost."""
    by_hand: Counter[str] = Counter()
    for request in history.done:
        command = request.envelope.command
        if isinstance(command, RefundOrder) and command.order_id in history.sessions:
            by_hand[command.order_id] += command.amount_minor or 0
    for name, refunded_minor in by_hand.items():
        session = history.sessions[name]
        own = [one for one in session["segments"] if not _is_purchased(one)]
        own += [one for one in session["forfeits"] if one["purchase_id"] is None]
        left_minor = sum(one["amount_minor"] for one in own)
        if refunded_minor > left_minor:
            yield f"{name} costs {left_minor} after credits, {refunded_minor} was given back"


def _is_purchased(segment: Document) -> bool:
    return segment["pack"] is not None and segment["pack"]["order_id"] is not None


def void_violations(sessions: Mapping[str, Document]) -> Iterator[str]:
    """A session of no length costs nothing."""
    for name, session in sessions.items():
        if session["actual_start_at_ms"] is not None and lasted_no_time(session):
            amount_minor = sum(one["amount_minor"] for one in session["segments"])
            if amount_minor:
                yield f"{name} lasted no time and cost {amount_minor}"


def _holder(session: Document) -> str:
    return str(session["player_id"] or f"guest-{session['session_id']}")


def _wallet(holder_id: str) -> str:
    return f"{CURRENCY}:wallet:{holder_id}"


def _desk(club_id: str, means: str) -> str:
    return f"{CURRENCY}:desk:{club_id}:{means}"
