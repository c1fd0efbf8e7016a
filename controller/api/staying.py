"""Whether who opened a stream may still read it.

A request is asked for its permission once, when it comes. A stream outlives that answer: keys are
revoked, tokens expire, roles are taken away. So it is asked again, the same way, all the time.
"""

from dataclasses import dataclass, field
from typing import Final

from fastapi import Request

from actors.store import StoreUnavailableError
from controller.api.access import check_access, needed_of
from controller.api.dependencies import rooms_of
from controller.api.guard import known_principal
from controller.api.problems import ProblemError

RECHECK_MS: Final = 1_000
_OUR_FAULT: Final = 500


@dataclass(slots=True)
class Staying:
    """Asks for one request, and the permission of its operation, at most once a second."""

    request: Request
    operation_id: str
    _asked_at_ms: int = field(init=False)

    def __post_init__(self) -> None:
        """The route itself has just asked."""
        self._asked_at_ms = self._now_ms()

    async def may_look(self) -> bool:
        """False from the moment a new request of the same caller would be refused.

        While the store or the issuer does not answer the last answer stands: there is no news to
        be seen meanwhile.
        """
        now_ms = self._now_ms()
        if now_ms - self._asked_at_ms < RECHECK_MS:
            return True
        self._asked_at_ms = now_ms
        try:
            principal = await known_principal(self.request)
            is_player = principal.player_id is not None
            permission = needed_of(self.operation_id, is_player=is_player)
            if permission is not None:
                principal = principal.asking_for(permission)
            check_access(principal, permission, self.request.path_params)
        except ProblemError as problem:
            return problem.status_code >= _OUR_FAULT
        except StoreUnavailableError:
            return True
        return True

    def _now_ms(self) -> int:
        return rooms_of(self.request).given.real_clock.mono_ms()
