"""Orders through a whole shard: bought tariffs, mixed payments, refunds by policy, post-pay."""

from typing import Any

import orjson
import pytest
from clubs_under_test import CHAIN, seed, wallet_of
from shard_under_test import MINUTE_MS, START_AT_MS, ShardUnderTest

from actors.store_memory import MemoryStore
from billing_core.tariff import (
    Channel,
    ExpirationRules,
    PriceRule,
    RefundPolicy,
    SalesPolicy,
    Tariff,
    TariffType,
)
from schemas.catalogue import PlayerDocument
from schemas.commands import (
    Command,
    CommandReply,
    CreateOrder,
    CreateSession,
    EndSession,
    ExtendSession,
    PayOrder,
    RefundOrder,
    TopUpWallet,
)
from schemas.views import HallTile

PC = "north-main-0"


def bought(tariff_id: str, kind: TariffType, **changes: Any) -> Tariff:
    fields: dict[str, Any] = {
        "id": tariff_id,
        "version": 1,
        "name": tariff_id.title(),
        "currency": "EUR",
        "type": kind,
        "prices": (PriceRule("any"),),
        "price_minor": 100_00,
    }
    return Tariff(**(fields | changes))


GRID = (
    bought("hours", TariffType.HOURS, hours=10, refund=RefundPolicy.BONUS),
    bought("cashback", TariffType.HOURS, hours=10, refund=RefundPolicy.CASH),
    bought("forfeit", TariffType.HOURS, hours=10, refund=RefundPolicy.FORFEIT),
    bought("half", TariffType.HOURS, hours=10, bonus_max_percent=50),
    bought("visits", TariffType.MULTIPASS, sessions=5),
    bought(
        "month",
        TariffType.SUBSCRIPTION,
        expiration=ExpirationRules(days_after_purchase=30),
    ),
    bought("app-only", TariffType.HOURS, hours=1, sales=SalesPolicy(channels=(Channel.APP,))),
)


@pytest.fixture
async def shard() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store)
    fields = {f"tariff:{each.id}:1": orjson.dumps(each) for each in GRID}
    await store.put(CHAIN, fields)
    renews = PlayerDocument(player_id="eve", label="Eve", auto_renewal=True)
    await store.add_documents(CHAIN, {"player:eve": renews.model_dump_json().encode()})
    rig = await ShardUnderTest(store).take()
    await rig.beat()
    await rig.command(TopUpWallet(player_id="ann", amount_minor=300_00, bonus_minor=100_00))
    await rig.command(TopUpWallet(player_id="eve", amount_minor=300_00))
    return rig


def cash(amount_minor: int, means: str = "cash") -> dict[str, object]:
    return {"means": means, "amount_minor": amount_minor}


def order(*tariff_ids: str, order_id: str = "o1", **changes: object) -> CreateOrder:
    fields: dict[str, object] = {
        "order_id": order_id,
        "player_id": "ann",
        "tariff_ids": tariff_ids or ("hours",),
        "payments": [cash(100_00 * max(1, len(tariff_ids)))],
    }
    return CreateOrder.model_validate(fields | changes)


def unpaid(*tariff_ids: str, **changes: object) -> CreateOrder:
    return order(*tariff_ids, payments=(), **changes)


def payment(*payments: dict[str, object], order_id: str = "o1") -> PayOrder:
    return PayOrder.model_validate({"order_id": order_id, "payments": payments})


def refund(**fields: object) -> RefundOrder:
    return RefundOrder.model_validate({"order_id": "o1"} | fields)


def session(session_id: str = "s1", **changes: object) -> CreateSession:
    fields: dict[str, object] = {
        "session_id": session_id,
        "pc_id": PC,
        "player_id": "ann",
        "start": True,
    }
    return CreateSession.model_validate(fields | changes)


def code(reply: CommandReply) -> str:
    return reply.code or reply.status.value


async def ok(shard: ShardUnderTest, *commands: Command) -> dict[str, Any]:
    for command in commands:
        reply = await shard.command(command)
        assert code(reply) == "ok", reply
    result: dict[str, Any] = dict(reply.result)
    return result


async def balance(shard: ShardUnderTest, account: str) -> int:
    return (await shard.store.balances(CHAIN, [account]))[account]


async def tile(shard: ShardUnderTest) -> HallTile:
    _, tiles = await shard.store.hall(CHAIN, shard.club_id)
    return HallTile.model_validate_json(tiles[PC])


async def books_balance(shard: ShardUnderTest) -> bool:
    return sum((await shard.store.all_balances(CHAIN)).values()) == 0


@pytest.mark.parametrize(
    ("tariff_id", "cause"), [("hours", "PACKAGE"), ("visits", None), ("month", "EXPIRY")]
)
async def test_what_was_ordered_and_paid_can_be_played(
    shard: ShardUnderTest, tariff_id: str, cause: str | None
) -> None:
    made = (await ok(shard, order(tariff_id)))["order"]
    assert (made["status"], made["due_minor"]) == ("PAID", 0)
    assert await balance(shard, "EUR:deferred:north") == 100_00
    pack = made["lines"][0]["player_tariff_id"]
    started = (await ok(shard, session(player_tariff_id=pack)))["session"]
    assert started["order_id"] == "o1"
    assert cause in (None, started["coverage_cause"])
    await shard.wait(minutes=30)
    ended = (await ok(shard, EndSession(session_id="s1")))["session"]
    assert ended["order_id"] == "o1"
    assert await wallet_of(shard.store, "ann") in {(300_00, 100_00), (300_00, 195_00)}
    assert await books_balance(shard)


async def test_one_order_gives_many_sessions(shard: ShardUnderTest) -> None:
    await ok(shard, order("visits", "visits"))
    for number in range(3):
        name = f"s{number}"
        pack = f"o1-{number % 2}"
        started = (await ok(shard, session(name, player_tariff_id=pack)))["session"]
        assert started["order_id"] == "o1"
        await ok(shard, EndSession(session_id=name))
    assert await balance(shard, "EUR:deferred:north") == 200_00 - 3 * 20_00


async def test_an_order_is_paid_later_by_several_means_at_once(shard: ShardUnderTest) -> None:
    made = (await ok(shard, unpaid("hours", "visits")))["order"]
    assert (made["status"], made["due_minor"]) == ("UNPAID", 200_00)
    assert code(await shard.command(session(player_tariff_id="o1-0"))) == "player-tariff-not-found"
    parts = [cash(50_00), cash(50_00, "card"), cash(40_00, "balance"), cash(60_00, "bonus")]
    paid = (await ok(shard, payment(*parts)))["order"]
    assert (paid["status"], paid["paid_minor"]) == ("PAID", 200_00)
    assert await wallet_of(shard.store, "ann") == (260_00, 40_00)
    assert await balance(shard, "EUR:desk:north:card") == -50_00
    assert await balance(shard, "EUR:deferred:north") == 200_00
    assert await books_balance(shard)


REFUSED: list[tuple[list[Command], Command, str]] = [
    ([], order(player_id="nobody"), "player-not-found"),
    ([], order("nothing"), "tariff-not-found"),
    ([], order("standard"), "tariff-not-on-sale"),
    ([], order("app-only"), "tariff-not-in-channel"),
    ([], order(zone_id="nowhere"), "zone-not-found"),
    ([], order(payments=[cash(99_99)]), "amount-invalid"),
    ([], order(payments=[cash(100_01)]), "amount-invalid"),
    ([], order("hours", "hours", "hours", "hours", payments=[cash(400_00, "balance")]), ""),
    ([], order("half", payments=[cash(51_00, "bonus"), cash(49_00)]), "amount-invalid"),
    ([], payment(cash(1)), "order-not-found"),
    ([order()], payment(cash(1)), "order-paid"),
    ([], refund(), "order-not-found"),
    ([unpaid()], refund(), "order-not-paid"),
    ([order("hours", "visits")], refund(amount_minor=5), "amount-invalid"),
    ([order()], refund(line=1), "amount-invalid"),
    ([order()], refund(amount_minor=100_01), "refund-too-large"),
    ([order(), refund()], refund(), "nothing-to-refund"),
    ([order(), session(player_tariff_id="o1-0")], refund(), "player-tariff-in-use"),
    (
        [order(), session(player_tariff_id="o1-0")],
        ExtendSession(session_id="s1", player_tariff_id="o1-0"),
        "player-tariff-in-use",
    ),
    ([session(tariff_id="standard", mode="OPEN_ENDED")], payment(cash(1), order_id="s1"), ""),
    ([], session(tariff_id="block", mode="OPEN_ENDED"), "tariff-not-post-pay"),
    ([], session(tariff_id="hours"), "tariff-needs-purchase"),
    ([order()], session(player_tariff_id="o1-0", tariff_id="visits"), "player-tariff-not-found"),
]


@pytest.mark.parametrize(("before", "refused", "expected"), REFUSED)
async def test_what_is_refused_moves_no_money(
    shard: ShardUnderTest, before: list[Command], refused: Command, expected: str
) -> None:
    if before:
        await ok(shard, *before)
    money = await shard.store.all_balances(CHAIN)
    reply = await shard.command(refused)
    assert code(reply) == (
        expected or {"create_order": "insufficient-funds"}.get(refused.kind, "order-not-due")
    )
    assert await shard.store.all_balances(CHAIN) == money


@pytest.mark.parametrize(
    ("tariff_id", "wallet"),
    [
        ("hours", (300_00, 100_00 + 95_00)),
        ("cashback", (300_00 + 95_00, 100_00)),
        ("forfeit", (300_00, 100_00)),
        ("visits", (300_00, 100_00)),
    ],
)
async def test_the_rest_of_a_played_tariff_went_back_at_the_end_by_its_policy_and_not_again(
    shard: ShardUnderTest, tariff_id: str, wallet: tuple[int, int]
) -> None:
    await ok(shard, order(tariff_id), session(player_tariff_id="o1-0"))
    await shard.wait(minutes=30)
    await ok(shard, EndSession(session_id="s1"))
    reply = await shard.command(refund())
    assert code(reply) == "nothing-to-refund"
    assert await wallet_of(shard.store, "ann") == wallet
    assert await books_balance(shard)


async def test_an_untouched_line_goes_back_in_full_and_in_part_as_it_was_paid(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, order("hours", "visits", payments=[cash(150_00), cash(50_00, "bonus")]))
    partly = (await ok(shard, refund(line=0, amount_minor=40_00)))["order"]
    assert (partly["status"], partly["refunded_minor"]) == ("PARTLY_REFUNDED", 40_00)
    assert await wallet_of(shard.store, "ann") == (320_00, 70_00)
    started = (await ok(shard, session(player_tariff_id="o1-0")))["session"]
    assert started["coverage_until_ms"] == START_AT_MS + 6 * 60 * MINUTE_MS
    await ok(shard, EndSession(session_id="s1"))
    whole = (await ok(shard, refund(line=1)))["order"]
    assert whole["refunded_minor"] >= 140_00
    assert await books_balance(shard)


async def test_two_refunds_at_once_give_back_once(shard: ShardUnderTest) -> None:
    from actors.turn import CommandInput
    from schemas.commands import CommandEnvelope

    await ok(shard, order())
    inputs = [
        CommandInput(
            ticket,
            CommandEnvelope(
                chain_id=CHAIN,
                club_id="north",
                idempotency_key=f"refund-{ticket}",
                fingerprint="f",
                principal="test",
                command=refund(),
            ),
            shard.now.mono_ms,
        )
        for ticket in (901, 902)
    ]
    await shard.turn(*inputs)
    assert sorted(code(shard.replies[ticket]) for ticket in (901, 902)) == [
        "nothing-to-refund",
        "ok",
    ]
    assert await wallet_of(shard.store, "ann") == (400_00, 100_00)


async def test_a_post_pay_session_is_settled_through_its_order_after_the_end(
    shard: ShardUnderTest,
) -> None:
    started = await ok(shard, session(tariff_id="standard", mode="OPEN_ENDED"))
    assert started["session"]["order_id"] == "s1"
    await shard.wait(minutes=30)
    await ok(shard, EndSession(session_id="s1"))
    assert await balance(shard, "EUR:receivable:s1") == -60_00
    assert code(await shard.command(payment(cash(60_01), order_id="s1"))) == "amount-invalid"
    assert code(await shard.command(payment(cash(5, "bonus"), order_id="s1"))) == "amount-invalid"
    lowered = await ok(shard, refund(order_id="s1", amount_minor=10_00))
    assert lowered["order"]["due_minor"] == 50_00
    part = await ok(shard, payment(cash(20_00, "card"), order_id="s1"))
    assert (part["order"]["status"], part["order"]["due_minor"]) == ("PARTLY_PAID", 30_00)
    rest = await ok(shard, payment(cash(30_00, "balance"), order_id="s1"))
    assert rest["order"]["due_minor"] == 0
    assert await balance(shard, "EUR:receivable:s1") == 0
    assert await wallet_of(shard.store, "ann") == (270_00, 100_00)
    assert code(await shard.command(payment(cash(1), order_id="s1"))) == "order-paid"
    assert await books_balance(shard)


async def test_a_guests_post_pay_bill_is_paid_at_the_desk_even_after_a_takeover(
    shard: ShardUnderTest,
) -> None:
    guest = session(player_id=None, guest_label="Max", tariff_id="standard", mode="OPEN_ENDED")
    await ok(shard, guest)
    await shard.wait(minutes=10)
    await ok(shard, EndSession(session_id="s1"))
    successor = await ShardUnderTest(shard.store, clock=shard.clock).take("h1")
    reply = await successor.command(payment(cash(20_00), order_id="s1"), key="bill")
    assert code(reply) == "ok", reply
    assert await balance(shard, "EUR:receivable:s1") == 0
    assert await balance(shard, "EUR:desk:north:cash") == -20_00 - 600_00


async def test_part_of_a_finished_sessions_price_goes_back_to_the_wallet(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, session(tariff_id="standard"))
    await shard.wait(minutes=30)
    await ok(shard, EndSession(session_id="s1"))
    spent = sum(await wallet_of(shard.store, "ann"))
    given = (await ok(shard, refund(order_id="s1", amount_minor=20_00)))["order"]
    assert (given["status"], given["refunded_minor"]) == ("PARTLY_REFUNDED", 20_00)
    assert sum(await wallet_of(shard.store, "ann")) == spent + 20_00
    again = await shard.command(refund(order_id="s1", amount_minor=40_01))
    assert code(again) == "refund-too-large"


async def test_a_purchase_covers_a_running_session_at_once_when_renewal_is_on(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, session(player_id="eve", tariff_id="block"))
    assert (await tile(shard)).coverage_until_ms == START_AT_MS + 120 * MINUTE_MS
    await ok(shard, order("hours", player_id="eve"))
    await shard.wait(minutes=121)
    shown = await tile(shard)
    assert (shown.session_id, shown.tariff_id) == ("s1", "hours")
    assert shown.coverage_until_ms == START_AT_MS + 12 * 60 * MINUTE_MS


async def test_an_extension_draws_from_what_was_bought(shard: ShardUnderTest) -> None:
    await ok(shard, order("hours"), session(tariff_id="block"))
    await ok(shard, ExtendSession(session_id="s1", player_tariff_id="o1-0"))
    assert (await tile(shard)).coverage_until_ms == START_AT_MS + 12 * 60 * MINUTE_MS


async def test_an_unpaid_order_loses_its_price_after_a_day(shard: ShardUnderTest) -> None:
    await ok(shard, unpaid())
    shard.clock.advance(24 * 60 * MINUTE_MS)
    assert code(await shard.command(payment(cash(100_00)))) == "order-expired"


async def test_the_zone_chooses_when_no_tariff_is_named(shard: ShardUnderTest) -> None:
    reply = await shard.command(session())
    assert code(reply) == "tariff-not-found"
