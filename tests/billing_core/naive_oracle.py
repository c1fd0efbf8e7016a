"""The same money, worked out the slow way: second by second, in fractions, on wall clocks.

It shares nothing with the billing room but the tariff values: no windows as intervals, no units,
no closed form, no plan. A step is paid when it begins or the session is over.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from billing_core.tariff import PriceRule, Tariff
from billing_core.window import Schedule, TimeWindow


@dataclass
class Part:
    """One segment: which rule, what it owes exactly, what was taken."""

    rule: int
    fee: int
    owed: Fraction = Fraction(0)
    taken: int = 0
    bonus: int = 0


@dataclass
class Oracle:
    """A session billed naively. Times are whole seconds since the epoch."""

    tariff: Tariff
    timezone: str
    groups: tuple[str, ...]
    zone: str
    start: int
    cash: int
    bonus: int
    credit: int
    booking: int | None = None
    parts: list[Part] = field(default_factory=list)
    paid_until: int = 0
    ended: int | None = None
    seen: dict[tuple[int, str], tuple[int, Fraction] | None] = field(default_factory=dict)

    def price(self, second: int) -> tuple[int, Fraction] | None:
        """(rule, price of that second), or None where no rule matches."""
        key = (second, self.zone)
        if key not in self.seen:
            self.seen[key] = self._price(second)
        return self.seen[key]

    def _price(self, second: int) -> tuple[int, Fraction] | None:
        if not self._schedule_open(second):
            return None
        for index, rule in enumerate(self.tariff.prices):
            if self._matches(rule, second):
                return index, Fraction(self._per_hour(rule, second), 3_600)
        return None

    def _schedule_open(self, second: int) -> bool:
        """Open from the start on, without a break, to this second."""
        schedule = self.tariff.usage.start
        return all(self.is_open(schedule, at) for at in range(second, self.start - 1, -600))

    def _matches(self, rule: PriceRule, second: int) -> bool:
        if rule.zones and self.zone not in rule.zones:
            return False
        if rule.groups and not set(rule.groups) & set(self.groups):
            return False
        return self.is_open(rule.when, second)

    def _per_hour(self, rule: PriceRule, second: int) -> int:
        elapsed = second - self.start
        price = 0
        for tier in rule.tiers:
            if tier.from_minutes * 60 <= elapsed:
                price = tier.price_per_hour_minor
        return price

    def is_open(self, schedule: Schedule, second: int) -> bool:
        """Compare wall clocks; a window belongs to the day it starts on.

        In an hour that comes twice, what opened or closed the first time stays so the second.
        """
        if not schedule.windows:
            return True
        local = datetime.fromtimestamp(second, UTC).astimezone(ZoneInfo(self.timezone))
        minute = local.hour * 60 + (59 if local.fold else local.minute)
        return any(self._in_window(window, local, minute) for window in schedule.windows)

    def _in_window(self, window: TimeWindow, local: datetime, minute: int) -> bool:
        start, end = window.start_minute, window.end_minute
        today, yesterday = local.date(), local.date() - timedelta(days=1)
        if start < end:
            return start <= minute < end and window.starts_on(today)
        if minute >= start and window.starts_on(today):
            return True
        return minute < end and window.starts_on(yesterday)

    def step_end(self, second: int) -> int:
        """The end of the step that holds this second."""
        step = self.tariff.billing_step_seconds
        end = self.start + step
        while end < self.start + self.tariff.minimum_minutes * 60:
            end += step
        while end <= second:
            end += step
        return end

    def run_to(self, now: int) -> None:
        """Begin every step that begins before ``now``; be over where one cannot begin."""
        while self.ended is None and self.paid_until < now:
            self.begin_step()
        if self.ended is None and self.paid_until == now and not self.could_begin():
            self.ended = now

    def could_begin(self) -> bool:
        """Whether a step could begin where the last one ended."""
        trial = self.copy()
        trial.begin_step()
        return trial.ended is None

    def copy(self) -> "Oracle":
        """An independent copy."""
        parts = [Part(p.rule, p.fee, p.owed, p.taken, p.bonus) for p in self.parts]
        return Oracle(**{**self.__dict__, "parts": parts})

    def begin_step(self) -> None:
        """Pay one step from the end of the last one, or end there."""
        begin = self.paid_until
        end = self.step_end(begin)
        if self.booking is not None:
            if self.booking <= begin:
                self.ended = begin
                return
            end = min(end, self.booking)
        found = self.price(begin)
        if found is None:
            self.ended = begin
            return
        part = self._part_for(found[0])
        seconds = [self.price(second) for second in range(begin, end)]
        if None in seconds:
            end = begin + seconds.index(None)
            seconds = seconds[: seconds.index(None)]
        owed = part.owed + sum(price for _, price in seconds)
        if not self._take(part, owed):
            self.ended = begin
            return
        if part not in self.parts:
            self.parts.append(part)
        part.owed = owed
        self.paid_until = end

    def _part_for(self, rule: int) -> Part:
        if self.parts and self.parts[-1].rule == rule:
            return self.parts[-1]
        charged = any(part.fee for part in self.parts)
        fee = 0 if charged else self.tariff.prices[rule].start_fee_minor
        return Part(rule, fee)

    def total(self, part: Part, owed: Fraction) -> int:
        """What a part costs for what it owes."""
        rule = self.tariff.prices[part.rule]
        amount = owed
        if rule.min_price_minor is not None:
            amount = max(amount, Fraction(rule.min_price_minor))
        if rule.max_price_minor is not None:
            amount = min(amount, Fraction(rule.max_price_minor))
        return int(amount + Fraction(1, 2)) + part.fee

    def _take(self, part: Part, owed: Fraction) -> bool:
        charge = self.total(part, owed) - part.taken
        percent = self.tariff.bonus_max_percent
        share = (part.taken + charge) * percent // 100 - part.taken * percent // 100
        from_bonus = min(self.bonus, share)
        from_cash = charge - from_bonus
        if from_cash > self.cash + self.credit:
            return False
        self.cash -= from_cash
        self.bonus -= from_bonus
        part.taken += charge
        part.bonus += from_bonus
        return True

    def move(self, zone: str, now: int) -> bool:
        """Change zones; False if it cannot be paid or has no price, and nothing changes."""
        trial = self.copy()
        old_prices = [trial.price(second) for second in range(now, trial.paid_until)]
        trial.zone = zone
        found = trial.price(now)
        if found is None:
            return False
        last = trial.parts[-1]
        if found[0] != last.rule:
            trial.give_back(last, sum((price for _, price in old_prices), Fraction(0)))
            trial.paid_until = now
            trial.parts.append(trial._part_for(found[0]))
            trial.begin_step()
            if trial.ended is not None:
                return False
        self.__dict__.update(trial.__dict__)
        return True

    def give_back(self, part: Part, owed: Fraction) -> None:
        """Take unused time out of a part."""
        part.owed -= owed
        back = part.taken - self.total(part, part.owed)
        if back:
            bonus = int(Fraction(back * part.bonus, part.taken) + Fraction(1, 2))
            part.taken -= back
            part.bonus -= bonus
            self.bonus += bonus
            self.cash += back - bonus

    def end(self, now: int) -> None:
        """End by hand; a session of no length costs nothing."""
        self.run_to(now)
        if self.ended is None:
            if now == self.start:
                for part in self.parts:
                    self.cash += part.taken - part.bonus
                    self.bonus += part.bonus
                    part.taken = part.bonus = 0
            self.ended = now

    @property
    def amount(self) -> int:
        """What the session costs so far."""
        return sum(part.taken for part in self.parts)
