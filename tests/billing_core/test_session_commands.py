"""What a command may do in each status, and what is kept of what it said."""

from dataclasses import replace

import pytest
from club_world import World

from billing_core.commands import (
    CancelSession,
    ConvertGuest,
    CreateSession,
    EndSession,
    ExtendSession,
    Recompute,
    StartSession,
    SwitchSessionDevice,
)
from billing_core.decide import decide
from billing_core.order import OrderContext, buy
from billing_core.rejection import Rejected, RejectionCode
from billing_core.session import COMMAND_TRANSITIONS, CommandKind, SessionStatus
from billing_core.tariff import (
    PriceRule,
    RefundPolicy,
    Tariff,
    TariffRef,
    TariffStatus,
    TariffType,
    Tier,
)
from billing_core.terms import ClubTerms, ZoneTerms
from billing_core.wallet import Wallet

NOON = 1_772_449_200_000
MINUTE = 60_000
STD = Tariff(
    "std",
    1,
    "Standard",
    "EUR",
    TariffType.PER_MINUTE,
    prices=(PriceRule("any", tiers=(Tier(0, 12_000),)),),
)
BLOCK = Tariff(
    "block",
    1,
    "Block",
    "EUR",
    TariffType.FIXED,
    price_minor=6_000,
    block_minutes=60,
    refund=RefundPolicy.CASH,
)
COMMANDS = {
    CommandKind.START: StartSession(),
    CommandKind.EXTEND: ExtendSession(BLOCK.ref),
    CommandKind.SWITCH_DEVICE: SwitchSessionDevice("pc9", "std"),
    CommandKind.END: EndSession(),
    CommandKind.CANCEL: CancelSession(),
    CommandKind.CONVERT_GUEST: ConvertGuest("p1"),
    CommandKind.RECOMPUTE: Recompute(),
}


def world() -> World:
    """A club with two tariffs and a guest's wallet."""
    tariffs = {tariff.ref: tariff for tariff in (STD, BLOCK)}
    club = ClubTerms("c1", "Europe/Berlin", "EUR")
    return World(club, tariffs, {"std": ZoneTerms("std")}, wallet=Wallet(50_000))


def create(**more) -> CreateSession:
    """A guest's session at six."""
    said = {"session_id": "s1", "club_id": "c1", "pc_id": "pc0", "zone_id": "std"}
    later = {"tariff": STD.ref, "guest_label": "Guest 7", "planned_start_at_ms": NOON + 6 * MINUTE}
    return CreateSession(**{**said, **later, **more})


def brought_to(status: SessionStatus) -> World:
    """A session in a status, at twenty past twelve."""
    club = world()
    assert club.do(create(), NOON) is None
    if status is not SessionStatus.PENDING:
        club.tick(NOON + 10 * MINUTE)
    if status in {SessionStatus.STARTED, SessionStatus.ENDED}:
        assert club.do(StartSession(), NOON + 10 * MINUTE) is None
    if status is SessionStatus.ENDED:
        assert club.do(EndSession(), NOON + 15 * MINUTE) is None
    if status is SessionStatus.CANCELLED:
        assert club.do(CancelSession(), NOON + 15 * MINUTE) is None
    return club


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("status", SessionStatus)
def test_the_table_of_transitions_holds(status: SessionStatus, kind: CommandKind) -> None:
    """What the table has is done and leads where it says; the rest changes nothing."""
    club = brought_to(status)
    assert club.state.status is status
    before = club.copy()
    now_ms = NOON + (5 if status is SessionStatus.PENDING else 20) * MINUTE
    refused = club.do(COMMANDS[kind], now_ms)
    after = COMMAND_TRANSITIONS.get((status, kind))
    if after is None:
        assert refused is not None
        assert (club.state, club.ledger, club.wallet) == (
            before.state,
            before.ledger,
            before.wallet,
        )
    else:
        assert refused is None
        assert club.state.status is after


@pytest.mark.parametrize("status", SessionStatus)
def test_a_session_is_created_once(status: SessionStatus) -> None:
    """Whatever became of it."""
    club = brought_to(status)
    refused = decide(club.state, create(), terms=club.terms(), now_ms=NOON)
    assert refused == Rejected(RejectionCode.SESSION_EXISTS, "session s1 exists", "session_id")


def test_a_session_that_is_not_there_is_not_found() -> None:
    """Nothing else is asked of it."""
    refused = decide(None, EndSession(), terms=world().terms(), now_ms=NOON)
    assert refused == Rejected(
        RejectionCode.SESSION_NOT_FOUND, "there is no such session", "session_id"
    )


@pytest.mark.parametrize(
    ("changes", "code", "message", "field"),
    [
        (
            {"planned_end_at_ms": NOON + 6 * MINUTE},
            "planned-time-invalid",
            "the planned end is not after the planned start",
            "planned_end_at_ms",
        ),
        (
            {"tariff": TariffRef("std", 2)},
            "tariff-not-found",
            "there is no tariff std version 2",
            "tariff",
        ),
        (
            {"player_tariff_id": "pt-9"},
            "player-tariff-not-found",
            "the player has no such tariff pt-9",
            "player_tariff_id",
        ),
    ],
)
def test_a_creation_that_cannot_be(changes: dict, code: str, message: str, field: str) -> None:
    """Each says why."""
    refused = world().do(create(**changes), NOON)
    assert refused == Rejected(RejectionCode(code), message, field)


def test_a_tariff_of_another_currency_is_refused() -> None:
    """Money is never converted."""
    club = world()
    foreign = replace(STD, id="usd", currency="USD")
    club.tariffs[foreign.ref] = foreign
    assert club.do(create(tariff=foreign.ref), NOON) == Rejected(
        RejectionCode.TARIFF_OTHER_CURRENCY,
        "Standard is priced in USD, the club in EUR",
        "tariff",
    )


def test_a_draft_tariff_is_not_sold() -> None:
    """Nor is it found on sale by buying it before."""
    club = world()
    draft = replace(BLOCK, status=TariffStatus.INACTIVE)
    refused = buy(draft, club.terms(), OrderContext("k", NOON, "p1"))
    assert refused == Rejected(RejectionCode.TARIFF_NOT_ACTIVE, "Block is inactive", "tariff")


def test_what_was_said_is_kept() -> None:
    """The guest's name until there is a player, the planned end, where and when."""
    club = world()
    club.do(create(planned_end_at_ms=NOON + 60 * MINUTE), NOON)
    state = club.state
    assert (state.guest_label, state.player_id) == ("Guest 7", None)
    assert state.holder_id == "guest-s1"
    assert (state.planned_start_at_ms, state.planned_end_at_ms) == (
        NOON + 6 * MINUTE,
        NOON + 60 * MINUTE,
    )
    assert (state.effective_start_at_ms, state.effective_end_at_ms) == (
        NOON + 6 * MINUTE,
        NOON + 60 * MINUTE,
    )
    club.do(StartSession(), NOON + 7 * MINUTE)
    assert club.state.guest_label == "Guest 7"
    assert club.state.effective_start_at_ms == NOON + 7 * MINUTE
    assert club.state.effective_end_at_ms == club.state.coverage.until_ms
    club.do(ConvertGuest("p1"), NOON + 8 * MINUTE)
    assert (club.state.guest_label, club.state.holder_id) == (None, "p1")
    club.do(EndSession(), NOON + 9 * MINUTE)
    assert club.state.effective_end_at_ms == NOON + 9 * MINUTE


def test_a_device_link_is_kept_per_pc() -> None:
    """From and until, without a gap."""
    club = world()
    club.do(create(planned_start_at_ms=None, start=True), NOON)
    club.do(SwitchSessionDevice("pc1", "std"), NOON + MINUTE)
    club.do(EndSession(), NOON + 2 * MINUTE)
    links = [(link.pc_id, link.start_at_ms, link.end_at_ms) for link in club.state.device_links]
    assert links == [
        ("pc0", NOON, NOON + MINUTE),
        ("pc1", NOON + MINUTE, NOON + 2 * MINUTE),
    ]


def test_a_block_needs_no_caller_to_keep_it() -> None:
    """Everything a running block needs is in the session itself."""
    club = world()
    club.do(create(tariff=BLOCK.ref, planned_start_at_ms=None, start=True, player_id="p1"), NOON)
    club.owned.clear()
    assert club.buy(NOON, "block", "other", "crm") is None
    club.set_wallet(NOON + MINUTE, Wallet(10))
    club.do(EndSession(), NOON + 30 * MINUTE)
    assert club.wallet == Wallet(10 + 3_000)
