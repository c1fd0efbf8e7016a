"""Credit is given and taken while somebody plays: the host that bills them follows."""

import asyncio
from pathlib import Path

import pytest
from clubs_under_test import CHAIN
from two_clubs_under_test import two_clubs

from actors.store import StoredEntity
from billing_core.coverage import CoverageCause
from controller.readable import session_of

pytestmark = pytest.mark.integration
MINUTE_MS = 60_000


async def test_coverage_of_a_running_session_follows_its_players_credit(tmp_path: Path) -> None:
    async with two_clubs(tmp_path / "state") as chain, chain.client(chain.addresses[0]) as club:

        async def covered_ms() -> int:
            stored = await chain.store.session(CHAIN, session.session_id)
            assert isinstance(stored, StoredEntity)
            coverage = session_of(stored).coverage
            assert (coverage.cause, coverage.until_ms is None) == (CoverageCause.BALANCE, False)
            return coverage.until_ms or 0

        await club.top_up_wallet("north", "ann", key="t", amount_minor=20_00)
        session = await club.create_session(
            "north",
            key="s",
            pc_id="north-main-0",
            player_id="ann",
            tariff_id="standard",
            start=True,
        )
        own_ms = await covered_ms()
        for limit_minor, minutes in ((10_00, 5), (30_00, 15), (2_00, 1), (0, 0)):
            limits = [{"amountMinor": limit_minor, "currency": "EUR"}]
            key = f"limit-{limit_minor}"
            await club.update_player("ann", key=key, credit_limits=limits, if_match="*")
            async with asyncio.timeout(10):
                while await covered_ms() != own_ms + minutes * MINUTE_MS:  # noqa: ASYNC110 - the store
                    await asyncio.sleep(0.01)
