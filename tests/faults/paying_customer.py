"""Somebody who pays all the time, and knows what was acknowledged to him.

A step that is lost is billed again under its name, so ticks alone cannot show that something
acknowledged was lost. Money that was paid in can: it is there or it is not.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import httpx
from faulted_house import PAYER, FaultedHouse
from stack_under_test import until

PAID_MINOR: Final = 1_00
PAUSE_S: Final = 0.1
PATIENCE_S: Final = 15.0
WITHIN_S: Final = 60.0
_NUMBERS: Final = count(1)


@dataclass
class PayingCustomer:
    """``acknowledged`` and ``unknown`` are keys of payments by what was answered to them."""

    house: FaultedHouse
    acknowledged: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    async def pays_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            key = f"paid-{next(_NUMBERS)}"
            (self.acknowledged if await self._pays(key) else self.unknown).append(key)
            await asyncio.sleep(PAUSE_S)

    async def settles(self) -> None:
        """Ask again under the same key for whatever had no answer."""
        for key in self.unknown:

            async def is_paid(key: str = key) -> bool:
                return await self._pays(key)

            await until(is_paid, within_s=WITHIN_S, what=f"an answer to {key}")

    async def cash_minor(self) -> int:
        return (await self.house.stack.wallet(PAYER))[0]

    async def _pays(self, key: str) -> bool:
        try:
            answer = await self.house.stack.client.post(
                f"clubs/north/players/{PAYER}/wallet/top-ups",
                json={"amountMinor": PAID_MINOR},
                headers={"Idempotency-Key": key},
                timeout=PATIENCE_S,
            )
        except httpx.TransportError:
            return False
        return answer.is_success


@asynccontextmanager
async def paying(house: FaultedHouse) -> AsyncIterator[PayingCustomer]:
    """Pays meanwhile; in the end each payment is there, once, whoever heard of it."""
    customer, stop = PayingCustomer(house), asyncio.Event()
    before_minor = await customer.cash_minor()
    at_it = asyncio.create_task(customer.pays_until(stop))
    try:
        yield customer
    finally:
        stop.set()
        await at_it
    acknowledged = len(customer.acknowledged)
    assert await customer.cash_minor() - before_minor >= acknowledged * PAID_MINOR
    await customer.settles()
    payments = acknowledged + len(customer.unknown)
    assert await customer.cash_minor() - before_minor == payments * PAID_MINOR
