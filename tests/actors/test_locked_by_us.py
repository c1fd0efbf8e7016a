"""A minute in which a PC was locked because we did not renew its grant is not charged."""

from collections.abc import Callable

import pytest
from clubs_under_test import seed, wallet_of
from outages_under_test import books_agree, credited, session, told
from shard_under_test import ShardUnderTest

from actors import turn_steps
from actors.store import session_key
from actors.store_memory import MemoryStore
from billing_core.session import SessionStatus
from schemas.commands import (
    CreateSession,
    EndSession,
    ReplyStatus,
    SwitchSessionDevice,
    TopUpWallet,
)

OFFLINE_MAX_MINUTES = 10


async def played(
    *, policy: str = "CONTINUE", amount_minor: int = 900_00, **fields: object
) -> ShardUnderTest:
    """Ann plays at 2.00 a minute; her PC holds at most ten minutes of it."""
    store = MemoryStore()
    terms = {"offline_max_minutes": OFFLINE_MAX_MINUTES, "outages": policy}
    await seed(store, club_terms=terms)
    rig = await ShardUnderTest(store).take()
    await rig.beat()
    await rig.command(TopUpWallet(player_id="ann", amount_minor=amount_minor))
    asked = {"session_id": "s1", "pc_id": "north-main-0", "tariff_id": "standard", "start": True}
    command = CreateSession.model_validate({**asked, "player_id": "ann", **fields})
    assert (await rig.command(command)).status is ReplyStatus.OK
    await rig.wait(minutes=2)
    return rig


def grant_ends_ms(rig: ShardUnderTest) -> int:
    lease = rig.documents["north-main-0"].lease
    assert lease is not None
    return lease.hard_stop_at_ms


async def away(rig: ShardUnderTest, minutes: int) -> None:
    """No host has the shard for a while; then another one takes it."""
    rig.clock.advance(minutes * 60_000)
    await rig.take("h2")


@pytest.mark.parametrize("policy", ["CONTINUE", "CREDIT", "PROPOSE"])
async def test_after_hours_without_a_host_only_what_was_granted_is_charged(policy: str) -> None:
    rig = await played(policy=policy)
    started_ms, ends_ms = rig.now.wall_ms - 2 * 60_000, grant_ends_ms(rig)
    await away(rig, 180)
    open_minutes = (ends_ms - started_ms) // 60_000
    assert (await wallet_of(rig.store, "ann"))[0] == 900_00 - open_minutes * 2_00
    (outage,) = (await session(rig.store)).outages
    assert (outage.from_ms, outage.until_ms) == (ends_ms, rig.now.wall_ms)
    assert (outage.verdict, outage.status) == ("OUR_FAULT", "CREDITED")
    locked_minutes = (rig.now.wall_ms - ends_ms) // 60_000
    assert outage.credited_ms == locked_minutes * 60_000
    assert outage.amount_minor == sum((await credited(rig)).values()) == locked_minutes * 2_00
    (event,) = await told(rig, "session_credited")
    assert event["minutes"] == locked_minutes
    await rig.wait(minutes=5)
    assert (await wallet_of(rig.store, "ann"))[0] == 900_00 - (open_minutes + 5) * 2_00
    reply = await rig.command(EndSession(session_id="s1"))
    assert reply.status is ReplyStatus.OK
    (shown,) = reply.result["receipt"]["outages"]  # type: ignore[index,call-overload]
    assert "nobody renewed" in shown["explanation"]
    await books_agree(rig.store)


async def test_an_absence_within_the_grant_is_charged_as_ever() -> None:
    rig = await played()
    await away(rig, 7)
    assert (await session(rig.store)).outages == ()
    assert (await wallet_of(rig.store, "ann"))[0] == 900_00 - 9 * 2_00


async def test_a_wallet_that_could_not_pay_for_the_locked_time_goes_on_with_what_it_has() -> None:
    rig = await played(amount_minor=41_50)
    ends_ms = grant_ends_ms(rig)
    await away(rig, 180)
    state = await session(rig.store)
    assert state.status is SessionStatus.STARTED
    open_minutes = (ends_ms - (state.actual_start_at_ms or 0)) // 60_000
    left_minor = 41_50 - open_minutes * 2_00
    assert (await wallet_of(rig.store, "ann"))[0] == left_minor
    await rig.wait(minutes=left_minor / 2_00 + 2)
    assert await wallet_of(rig.store, "ann") == (1_50, 0)
    assert (await session(rig.store)).status is SessionStatus.ENDED
    await books_agree(rig.store)


async def test_prepaid_time_is_granted_whole_and_ends_when_it_was_to_end() -> None:
    rig = await played(tariff_id="block")
    await away(rig, 180)
    state = await session(rig.store)
    assert (state.status, state.outages) == (SessionStatus.ENDED, ())
    await books_agree(rig.store)


async def test_a_bill_of_a_session_that_is_paid_later_leaves_the_locked_time_out() -> None:
    rig = await played(mode="OPEN_ENDED")
    started_ms, ends_ms = rig.now.wall_ms - 2 * 60_000, grant_ends_ms(rig)
    await away(rig, 180)
    assert (await rig.command(EndSession(session_id="s1"))).status is ReplyStatus.OK
    state = await session(rig.store)
    assert state.amount_minor == (ends_ms - started_ms) // 60_000 * 2_00
    await books_agree(rig.store)


async def test_a_parked_session_is_charged_for_what_its_pc_was_granted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = await played()
    started_ms, ends_ms = rig.now.wall_ms - 2 * 60_000, grant_ends_ms(rig)

    def poison(*_args: object, **_named: object) -> None:
        raise ArithmeticError("poison")

    with monkeypatch.context() as patch:
        fails: Callable[..., None] = poison
        patch.setattr(turn_steps, "advance", fails)
        patch.setattr(turn_steps, "advance_past_lock", fails)
        await rig.wait(minutes=120)
        assert session_key("s1") in rig.runtime.quarantine.parked
        assert grant_ends_ms(rig) == ends_ms
        assert rig.runtime.wait_ms(rig.now, 1) > 0
    await rig.wait(minutes=6)
    assert rig.runtime.quarantine.parked == {}
    (outage,) = (await session(rig.store)).outages
    assert outage.from_ms == ends_ms
    assert outage.until_ms <= grant_ends_ms(rig) - OFFLINE_MAX_MINUTES * 60_000
    assert grant_ends_ms(rig) > rig.now.wall_ms
    served_ms = ends_ms - started_ms + rig.now.wall_ms - outage.until_ms
    charged = (900_00 - (await wallet_of(rig.store, "ann"))[0]) // 2_00
    assert abs(charged - served_ms / 60_000) <= 1
    await books_agree(rig.store)


async def test_a_command_to_a_parked_session_passes_over_the_lock_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = await played()
    started_ms, ends_ms = rig.now.wall_ms - 2 * 60_000, grant_ends_ms(rig)

    def poison(*_args: object, **_named: object) -> None:
        raise ArithmeticError("poison")

    with monkeypatch.context() as patch:
        fails: Callable[..., None] = poison
        patch.setattr(turn_steps, "advance", fails)
        patch.setattr(turn_steps, "advance_past_lock", fails)
        await rig.wait(minutes=62)
    assert (await rig.command(EndSession(session_id="s1"))).status is ReplyStatus.OK
    open_minutes = (ends_ms - started_ms) // 60_000
    assert (await wallet_of(rig.store, "ann"))[0] == 900_00 - open_minutes * 2_00
    await books_agree(rig.store)


async def test_what_came_back_does_not_come_back_again_when_its_minute_is_left() -> None:
    """The rest of the credited minute is played, and paid, at another price elsewhere."""
    rig = await played()
    ends_ms = grant_ends_ms(rig)
    rig.clock.advance(20_000)
    await away(rig, 180)
    rig.clock.advance(15_000)
    command = SwitchSessionDevice(session_id="s1", pc_id="north-vip-0")
    assert (await rig.command(command)).status is ReplyStatus.OK
    main, vip = (await session(rig.store)).segments
    started_ms, moved_ms = main.start_at_ms, vip.start_at_ms
    assert 35_000 <= (moved_ms - started_ms) % 60_000 < 60_000
    minute_ends_ms = moved_ms - (moved_ms - started_ms) % 60_000 + 60_000
    assert main.amount_minor == (ends_ms - started_ms) // 60_000 * 2_00
    assert main.credited_units == (moved_ms - started_ms) * 120_00 - main.accrued_units
    assert vip.amount_minor == round((minute_ends_ms - moved_ms) / 3_600_000 * 240_00)
    await books_agree(rig.store)
