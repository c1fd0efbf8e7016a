"""Which club a refused request was about: its path names the club, or a session or order of it."""

from collections.abc import Mapping
from typing import Final

import orjson
import structlog
from pydantic import TypeAdapter

from actors.store import StoreError
from actors.unreadable import UNREADABLE_ERRORS
from controller.api.dependencies import ApiDependencies
from controller.api.past_orders import known_order
from controller.archive import ArchiveError
from schemas.commands import EntityId

_ID: Final[TypeAdapter[str]] = TypeAdapter(EntityId)

log = structlog.get_logger(__name__)


async def club_concerned(given: ApiDependencies, chain_id: str, path: Mapping[str, object]) -> str:
    """The club as far as it can be told, else nothing. ``path`` has the path's parameters.

    Whether the caller may know of the session or order is not asked: this is for the audit.
    """
    if "clubId" in path:
        return str(path["clubId"])
    named = path.get("sessionId", path.get("orderId"))
    if named is None:
        return ""
    try:
        asked = _ID.validate_python(named)
        of_order = None if "sessionId" in path else await _club_of_order(given, chain_id, asked)
        return of_order or await _club_of_session(given, chain_id, asked) or ""
    except (StoreError, ArchiveError, *UNREADABLE_ERRORS) as error:
        log.warning("refused_club_unknown", reason=repr(error))
        return ""


async def _club_of_order(given: ApiDependencies, chain_id: str, order_id: str) -> str | None:
    known = await known_order(given, chain_id, order_id)
    return None if known is None else known.order.club_id


async def _club_of_session(given: ApiDependencies, chain_id: str, session_id: str) -> str | None:
    club_id = await given.store.club_of_session(chain_id, session_id)
    if club_id is not None or given.archived is None:
        return club_id
    closed = await given.archived.session(chain_id, session_id)
    return None if closed is None else str(orjson.loads(closed.blob)["state"]["club_id"])
