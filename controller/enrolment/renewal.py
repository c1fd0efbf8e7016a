"""A known PC asks how things stand, and may replace its secret. Pure decision.

A secret is replaced at once: there is no time in which the old one and the new one are both good.
Whoever then wants to replace the old one holds a copy of it, or the other one did: of two who
know a PC's secret nobody can tell which is the PC, so neither is let in any more.
"""

import hmac
from dataclasses import dataclass
from typing import Final

from controller.enrolment.admission import secret_digest
from controller.enrolment.book import Book, Decision
from schemas.enrolment import CredentialState, PcCredential, RefreshRequest

TWO_HOLD_IT: Final = "two-hold-the-secret"
TWICE_WITHIN_MS: Final = 24 * 3_600_000
"""For so long after a renewal a second one of the same secret shuts the PC out."""


@dataclass(frozen=True, slots=True)
class Refreshing:
    """A request with the broker's hash of the new secret, if there is one."""

    request: RefreshRequest
    new_hash: str | None
    now_ms: int


def refresh(book: Book, asking: Refreshing) -> Decision[PcCredential | None]:
    """The PC's credential as it is from now on; None for whoever does not know its secret.

    A new secret that is in force already is a repeated request: its first answer was lost.
    """
    request = asking.request
    credential = book.credentials.get(request.pc_id)
    if credential is None or not credential.is_active or credential.is_overdue(asking.now_ms):
        return Decision(None)
    wanted = None if request.new_secret is None else secret_digest(request.new_secret)
    if wanted is not None and hmac.compare_digest(credential.secret_digest, wanted):
        return Decision(credential)
    if not hmac.compare_digest(credential.secret_digest, secret_digest(request.secret)):
        return _shown_the_old_one(credential, asking)
    if wanted is None or asking.new_hash is None:
        return Decision(credential)
    renewed = credential.model_copy(
        update={
            "secret_digest": wanted,
            "replaced_digest": credential.secret_digest,
            "broker_hash": asking.new_hash,
            "facts": request.facts,
            "renewed_at_ms": asking.now_ms,
            "changed_at_ms": asking.now_ms,
            "renew_wanted": False,
        }
    )
    return Decision(renewed, keep=(renewed,))


def _shown_the_old_one(
    credential: PcCredential, asking: Refreshing
) -> Decision[PcCredential | None]:
    """Refuse; and shut the PC out if its last renewal was somebody else's."""
    replaced, renewed_at_ms = credential.replaced_digest, credential.renewed_at_ms
    if replaced is None or renewed_at_ms is None or asking.request.new_secret is None:
        return Decision(None)
    if not hmac.compare_digest(replaced, secret_digest(asking.request.secret)):
        return Decision(None)
    if asking.now_ms - renewed_at_ms >= TWICE_WITHIN_MS:
        return Decision(None)
    shut_out = credential.model_copy(
        update={
            "state": CredentialState.QUARANTINED,
            "changed_at_ms": asking.now_ms,
            "changed_by": TWO_HOLD_IT,
        }
    )
    return Decision(None, keep=(shut_out,))
