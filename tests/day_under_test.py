"""A day in a club: every way a session can go, played on a real shard."""

from clubs_under_test import seed
from shard_under_test import ShardUnderTest

from actors.store import Store
from schemas.commands import (
    CancelSession,
    CreateSession,
    EndSession,
    ExtendSession,
    ReplyStatus,
    SwitchSessionDevice,
    TopUpWallet,
)


async def played_day(store: Store) -> ShardUnderTest:
    """Two players: ended, run out, cancelled, one still playing after a change of seats."""
    await seed(store)
    shard = await ShardUnderTest(store).take()  # type: ignore[arg-type]
    main, vip = "north-main-{}".format, "north-vip-{}".format
    for player_id, amount_minor in (("ann", 500_00), ("bob", 30_00)):
        await told(shard, TopUpWallet(player_id=player_id, amount_minor=amount_minor))
    await told(shard, created("s1", main(0), "standard", "ann"))
    await told(shard, created("s2", main(1), "standard", "bob"))
    await shard.wait(minutes=5)
    await told(shard, EndSession(session_id="s1"))
    # Bob's 30.00 last a quarter of an hour.
    await shard.wait(minutes=12)
    await told(shard, created("s3", vip(1), "standard", "ann", start=False))
    await told(shard, CancelSession(session_id="s3"))
    await told(shard, created("s4", main(0), "block", "ann"))
    await shard.wait(minutes=7)
    await told(shard, SwitchSessionDevice(session_id="s4", pc_id=vip(0)))
    await told(shard, ExtendSession(session_id="s4", tariff_id="standard"))
    await shard.wait(minutes=3)
    return shard


def created(
    session_id: str, pc_id: str, tariff_id: str, player_id: str, *, start: bool = True
) -> CreateSession:
    return CreateSession(
        session_id=session_id,
        pc_id=pc_id,
        tariff_id=tariff_id,
        player_id=player_id,
        start=start,
        planned_start_at_ms=None,
    )


async def told(shard: ShardUnderTest, command: object) -> None:
    reply = await shard.command(command)  # type: ignore[arg-type]
    assert reply.status is ReplyStatus.OK, reply
