"""Values of this room as plain dicts, for whoever serialises them; ``stored`` is the way back.

The fields of what every tick writes are spelled out, in the order of their classes, because a
JSON writer that looks them up by itself takes several times as long; a test holds them to that.
"""

from dataclasses import fields
from typing import Any

from billing_core.coverage import Coverage
from billing_core.ledger import Transaction
from billing_core.session import Segment, SessionState
from billing_core.stored import TARIFF_VERSION, TRANSACTION_VERSION
from billing_core.tariff import Tariff, TariffRef
from billing_core.wallet import Wallet


def session_to_dict(state: SessionState) -> dict[str, Any]:
    """A session as it is stored; what no tick changes is left to the writer as it is."""
    coverage, wallet = state.coverage, state.known_wallet
    return {
        "session_id": state.session_id,
        "club_id": state.club_id,
        "currency": state.currency,
        "player_id": state.player_id,
        "guest_label": state.guest_label,
        "status": state.status,
        "mode": state.mode,
        "tariff": _tariff_ref(state.tariff),
        "player_tariff_id": state.player_tariff_id,
        "pc_id": state.pc_id,
        "zone_id": state.zone_id,
        "created_at_ms": state.created_at_ms,
        "planned_start_at_ms": state.planned_start_at_ms,
        "planned_end_at_ms": state.planned_end_at_ms,
        "actual_start_at_ms": state.actual_start_at_ms,
        "actual_end_at_ms": state.actual_end_at_ms,
        "ended_reason": state.ended_reason,
        "groups": state.groups,
        "segments": [_segment(segment) for segment in state.segments],
        "device_links": state.device_links,
        "extensions": state.extensions,
        "coverage": None if coverage is None else _coverage(coverage),
        "warned": state.warned,
        "low_balance_warned": state.low_balance_warned,
        "known_wallet": None if wallet is None else _wallet(wallet),
        "due_at_ms": state.due_at_ms,
        "event_seq": state.event_seq,
        "order_id": state.order_id,
        "outages": state.outages,
        "guest_card_minor": state.guest_card_minor,
        "forfeits": state.forfeits,
        "handed_back": state.handed_back,
        "v": state.v,
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "index": segment.index,
        "tariff": _tariff_ref(segment.tariff),
        "cause": segment.cause,
        "zone_id": segment.zone_id,
        "start_at_ms": segment.start_at_ms,
        "run_start_at_ms": segment.run_start_at_ms,
        "paid_until_ms": segment.paid_until_ms,
        "rule_index": segment.rule_index,
        "rate_per_hour_minor": segment.rate_per_hour_minor,
        "rate_until_ms": segment.rate_until_ms,
        "pack": segment.pack,
        "planned_end_at_ms": segment.planned_end_at_ms,
        "end_at_ms": segment.end_at_ms,
        "fee_minor": segment.fee_minor,
        "accrued_units": segment.accrued_units,
        "amount_minor": segment.amount_minor,
        "bonus_minor": segment.bonus_minor,
        "steps": segment.steps,
        "credited_units": segment.credited_units,
    }


def _tariff_ref(ref: TariffRef) -> dict[str, Any]:
    return {"id": ref.id, "version": ref.version}


def _coverage(coverage: Coverage) -> dict[str, Any]:
    return {"until_ms": coverage.until_ms, "cause": coverage.cause, "status": coverage.status}


def _wallet(wallet: Wallet) -> dict[str, Any]:
    return {
        "cash_minor": wallet.cash_minor,
        "bonus_minor": wallet.bonus_minor,
        "credit_limit_minor": wallet.credit_limit_minor,
    }


def tariff_to_dict(tariff: Tariff) -> dict[str, Any]:
    """A tariff, published or drafted, as a catalogue holds it."""
    return {
        "v": TARIFF_VERSION,
        **{field.name: getattr(tariff, field.name) for field in fields(tariff)},
    }


def transaction_to_dict(transaction: Transaction) -> dict[str, Any]:
    """A transaction as the ledger holds it."""
    return {
        "v": TRANSACTION_VERSION,
        "id": transaction.id,
        "at_ms": transaction.at_ms,
        "kind": transaction.kind,
        "entries": [
            {"account": entry.account, "amount_minor": entry.amount_minor}
            for entry in transaction.entries
        ],
        "session_id": transaction.session_id,
        "segment_index": transaction.segment_index,
        "step_index": transaction.step_index,
    }
