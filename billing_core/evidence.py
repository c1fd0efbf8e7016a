"""An outage as a receipt shows it: what was seen, what it was judged to be, what came back."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from billing_core.money import MS_PER_MINUTE
from billing_core.outage import (
    BY_CONTROLLER,
    NOT_SERVED,
    JournalFact,
    LinkFact,
    Outage,
    OutageStatus,
)

LINK_TEXTS: Final[Mapping[LinkFact, str]] = MappingProxyType(
    {
        LinkFact.HEARD: "the PC was heard",
        LinkFact.SILENT: "the PC was not heard",
        LinkFact.BLIND: "no PC of the club could be heard",
    }
)
JOURNAL_TEXTS: Final[Mapping[JournalFact, str]] = MappingProxyType(
    {
        JournalFact.SERVED: "its journal shows that it served",
        JournalFact.OFF: "its journal shows that it was off",
        JournalFact.FROZEN: "its journal shows that it was frozen",
        JournalFact.LOCKED: "its journal shows that it was locked",
        JournalFact.AGENT_DOWN: "its journal shows that only its agent was down",
        JournalFact.UNKNOWN: "its journal does not say",
        JournalFact.MISSING: "it never came back with its journal",
    }
)
STATUS_TEXTS: Final[Mapping[OutageStatus, str]] = MappingProxyType(
    {
        OutageStatus.CHARGED: "charged",
        OutageStatus.CREDITED: "given back",
        OutageStatus.PROPOSED: "proposed to staff",
        OutageStatus.REJECTED: "charged, by staff's decision",
    }
)


@dataclass(frozen=True, slots=True)
class ReceiptOutage:
    """When a PC was not heard, what its time there was judged to be, on what evidence, and what
    came back for it. ``amount_minor`` is in the segments already."""

    pc_id: str
    from_at_ms: int
    until_at_ms: int
    verdict: str
    link: str
    journal: str
    status: str
    credited_minutes: int
    amount_minor: int
    bonus_minor: int
    explanation: str
    decided_by: str | None = None


def receipt_outage(outage: Outage) -> ReceiptOutage:
    """An outage as it stands on the receipt."""
    return ReceiptOutage(
        pc_id=outage.pc_id,
        from_at_ms=outage.from_ms,
        until_at_ms=outage.until_ms,
        verdict=outage.verdict.value,
        link=outage.link.value,
        journal=outage.journal.value,
        status=outage.status.value,
        credited_minutes=outage.credited_ms // MS_PER_MINUTE,
        amount_minor=outage.amount_minor,
        bonus_minor=outage.bonus_minor,
        explanation=_outage_text(outage),
        decided_by=outage.decided_by,
    )


def _outage_text(outage: Outage) -> str:
    happened = f"{LINK_TEXTS[outage.link]}; {JOURNAL_TEXTS[outage.journal]}"
    if outage.decided_by == BY_CONTROLLER:
        happened = "it was locked because nobody renewed its right to be open"
    minutes = outage.credited_ms // MS_PER_MINUTE
    if outage.verdict not in NOT_SERVED:
        return f"{happened}: charged"
    return f"{happened}: {minutes} min {STATUS_TEXTS[outage.status]}"
