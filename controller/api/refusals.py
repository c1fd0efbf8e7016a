"""What the edge itself refuses to known callers, for the audit: a host never hears of it.

An entry must neither hold up an answer for long nor change it. Somebody who is refused all the
time fills no store and hides nobody else: beyond a rate only a count is kept, and told by the next
entry that fits.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from fastapi import Request
from pydantic import TypeAdapter, ValidationError

from actors.clock import Clock
from actors.store import CatalogueEdit, CatalogueEditing, StoreError
from controller.api.principal import Principal
from schemas.commands import EntityId

AUDITED_STATUSES: Final = frozenset({400, 403, 404, 409, 412, 422, 428})
ENTRIES_PER_MINUTE: Final = 120
"""Of one chain in one process; what a person does wrong is far below it."""
ENTRIES_OF_ONE_PER_MINUTE: Final = 30
"""Of one principal among them, so that nobody is refused in the noise somebody else makes."""
REFUSED: Final = "refused"
"""The result of what was turned away before anything was decided."""
MINUTE_MS: Final = 60_000
MAX_KEY_CHARACTERS: Final = 256
_ENTITY_ID: Final[TypeAdapter[str]] = TypeAdapter(EntityId)

log = structlog.get_logger(__name__)


class Refusals:
    """Writes one entry for each refused change. ``clock`` is business time."""

    def __init__(self, store: CatalogueEditing, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._minute_began_ms = clock.mono_ms()
        self._written: Counter[str] = Counter()
        self._written_by: Counter[tuple[str, str]] = Counter()
        self._left_out: Counter[str] = Counter()

    async def note(
        self,
        request: Request,
        principal: Principal,
        *,
        operation: str,
        code: str,
        club: Callable[[], Awaitable[str]],
    ) -> None:
        """Note that ``principal`` was refused; an audit that cannot be written is logged.

        ``club`` finds whose audit it belongs to, and is asked only for what is written.
        """
        if not self._fits(principal):
            self._left_out[principal.chain_id] += 1
            return
        entry = self._entry(
            request, principal, operation=operation, code=code, club_id=await club()
        )
        try:
            await self._store.edit(principal.chain_id, CatalogueEdit(audit=(entry,)))
        except StoreError as error:
            log.warning("refusal_not_audited", operation=operation, code=code, reason=str(error))

    def _fits(self, principal: Principal) -> bool:
        chain_id, by = principal.chain_id, (principal.chain_id, principal.label)
        now_ms = self._clock.mono_ms()
        if now_ms - self._minute_began_ms >= MINUTE_MS:
            self._minute_began_ms = now_ms
            self._written.clear()
            self._written_by.clear()
        if (
            self._written[chain_id] >= ENTRIES_PER_MINUTE
            or self._written_by[by] >= ENTRIES_OF_ONE_PER_MINUTE
        ):
            return False
        self._written[chain_id] += 1
        self._written_by[by] += 1
        return True

    def _entry(
        self, request: Request, principal: Principal, *, operation: str, code: str, club_id: str
    ) -> bytes:
        # Refused requests name anything; what they name is no id until it looks like one.
        asked: dict[str, object] = {
            name: str(value)[:MAX_KEY_CHARACTERS] for name, value in request.path_params.items()
        }
        left_out = self._left_out.pop(principal.chain_id, 0)
        if left_out:
            asked["leftOut"] = left_out
        key = request.headers.get("idempotency-key", "")[:MAX_KEY_CHARACTERS]
        return principal.asker.entry(
            operation,
            asked,
            at_ms=self._clock.wall_ms(),
            club_id=_club_id(club_id),
            idempotency_key=key,
            code=code,
            result=REFUSED,
        )


def _club_id(named: str) -> str:
    try:
        return _ENTITY_ID.validate_python(named)
    except ValidationError:
        return ""
