"""The store's word on a batch, unit by unit: what to install, answer, decide again or distrust."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from actors.draft import Draft
from actors.orders import ORDER_KEY_PREFIX
from actors.refusal import INTERNAL_ERROR, Refusal
from actors.store import Claim, UnitOutcome, UnitStatus
from actors.turn import Answer, CommandInput, Effect, Input, retried
from actors.unreadable import ANSWER_OF_ANOTHER_RELEASE
from actors.wallets import WalletKey, wallet_key_of, wallet_of
from actors.workspace import Memory
from billing_core.wallet import Wallet
from schemas.commands import CommandReply, ReplyStatus

ATTEMPTS_MAX: Final = 8
KEY_REUSED: Final = CommandReply(
    status=ReplyStatus.REJECTED,
    code="idempotency-key-reused",
    message="this idempotency key was used for another request",
)


OUT_OF_RANGE: Final = Refusal(
    "balance-out-of-range", "an account would hold more than can be counted"
)
_CANNOT_BE_WRITTEN: Final = frozenset(
    {UnitStatus.OUT_OF_RANGE, UnitStatus.UNBALANCED, UnitStatus.FAILED}
)
"""No other attempt at the same decision would end otherwise."""


@dataclass(slots=True)
class Settled:
    """What became of a batch.

    ``again`` are entity keys to look at anew. ``moved`` are wallets as they are now.
    ``failed`` are drafts the store can never take, with its reason.
    ``corrupt`` names an entity whose stored version nobody here wrote: memory is worthless.
    """

    applied: list[Draft] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    retries: list[Input] = field(default_factory=list)
    again: set[str] = field(default_factory=set)
    failed: list[tuple[Draft, str]] = field(default_factory=list)
    moved: dict[WalletKey, Wallet] = field(default_factory=dict)
    corrupt: str | None = None


def settle(memory: Memory, drafts: Sequence[Draft], outcomes: Sequence[UnitOutcome]) -> Settled:
    """Bring memory in line with the store."""
    settled = Settled()
    failed_before = False
    for draft, outcome in zip(drafts, outcomes, strict=True):
        if outcome.status is UnitStatus.APPLIED:
            _install(memory, draft, settled)
            continue
        unreadable = outcome.status is UnitStatus.STALE and outcome.name in memory.unreadable
        if unreadable or outcome.status in _CANNOT_BE_WRITTEN:
            failed_before = True
            _failed(draft, outcome, settled)
            continue
        if outcome.status is UnitStatus.STALE and not failed_before:
            _distrust(memory, outcome, settled)
        failed_before = True
        _refused(memory, draft, outcome, settled=settled)
    for draft in settled.applied:
        for name, _ in draft.unit.reads:
            memory.let_go(name.partition(":")[2])
    return settled


def _install(memory: Memory, draft: Draft, settled: Settled) -> None:
    memory.wallets.update(draft.wallets)
    memory.tiles.update(draft.tiles)
    memory.holders.update(draft.holders)
    for key, entity in draft.installs.items():
        memory.install(key, entity)
    settled.moved.update(draft.wallets)
    settled.applied.append(draft)
    settled.effects += draft.effects


def _failed(draft: Draft, outcome: UnitOutcome, settled: Settled) -> None:
    settled.failed.append((draft, f"the store refuses it: {outcome.status} {outcome.name}"))
    if isinstance(draft.cause, CommandInput):
        is_range = outcome.status is UnitStatus.OUT_OF_RANGE
        reply = OUT_OF_RANGE.reply if is_range else INTERNAL_ERROR
        settled.effects.append(Answer(draft.cause.ticket, reply))


def _distrust(memory: Memory, outcome: UnitOutcome, settled: Settled) -> None:
    """A document read elsewhere may be older than the store's; an entity never may.

    Orders are read for the turn that needs them, so the next attempt reads them again, even if
    nobody has named this one.
    """
    name = outcome.name or ""
    kind, _, its_id = name.partition(":")
    if kind in ("player", "bought"):
        memory.forgotten.add(its_id)
    elif name.startswith(ORDER_KEY_PREFIX):
        memory.orders_wanted.add(its_id)
    else:
        settled.corrupt = name


def _refused(memory: Memory, draft: Draft, outcome: UnitOutcome, *, settled: Settled) -> None:
    settled.again.update(draft.installs)
    if outcome.status is UnitStatus.BALANCE:
        balances = dict(outcome.balances)
        for key in {wallet_key_of(account) for account in balances} - {None}:
            assert key is not None
            memory.wallets[key] = wallet_of(key, balances)
    cause = draft.cause
    if not isinstance(cause, CommandInput):
        if cause is not None:
            settled.retries.append(cause)
        return
    if outcome.status is UnitStatus.DUPLICATE and outcome.reply is not None:
        settled.effects.append(Answer(cause.ticket, _first_answer(outcome.reply)))
    elif outcome.status is UnitStatus.KEY_REUSED:
        settled.effects.append(Answer(cause.ticket, KEY_REUSED))
    elif cause.attempts >= ATTEMPTS_MAX:
        settled.effects.append(Answer(cause.ticket, CommandReply(status=ReplyStatus.BUSY)))
    else:
        settled.retries.append(retried(cause, _denied(outcome)))


def _first_answer(kept: bytes) -> CommandReply:
    """What the command was answered first; or that it was answered, and cannot be read here."""
    try:
        return CommandReply.model_validate_json(kept)
    except ValueError:
        return ANSWER_OF_ANOTHER_RELEASE.reply


def _denied(outcome: UnitOutcome) -> Claim | None:
    if outcome.status is not UnitStatus.CLAIMED:
        return None
    return Claim(outcome.name or "", outcome.holder or "")
