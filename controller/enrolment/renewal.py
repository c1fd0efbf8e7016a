"""A known PC asks how things stand, and may replace its secret. Pure decision."""

import hmac
from dataclasses import dataclass

from controller.enrolment.admission import secret_digest
from controller.enrolment.book import Book, Decision
from schemas.enrolment import PcCredential, RefreshRequest


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
    if credential is None or not credential.is_active:
        return Decision(None)
    wanted = None if request.new_secret is None else secret_digest(request.new_secret)
    if wanted is not None and hmac.compare_digest(credential.secret_digest, wanted):
        return Decision(credential)
    if not hmac.compare_digest(credential.secret_digest, secret_digest(request.secret)):
        return Decision(None)
    if wanted is None or asking.new_hash is None:
        return Decision(credential)
    renewed = credential.model_copy(
        update={
            "secret_digest": wanted,
            "broker_hash": asking.new_hash,
            "facts": request.facts,
            "renewed_at_ms": asking.now_ms,
            "changed_at_ms": asking.now_ms,
            "renew_wanted": False,
        }
    )
    return Decision(renewed, keep=(renewed,))
