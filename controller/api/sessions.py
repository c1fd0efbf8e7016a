"""Sessions and receipts as the hosts left them in the store."""

import orjson

from actors.store import ReadModels
from schemas.views import ReceiptView, SessionView


class SessionReader:
    """Reads a session's stored document, running or closed."""

    def __init__(self, store: ReadModels) -> None:
        self._store = store

    async def session(self, chain_id: str, session_id: str) -> SessionView | None:
        """The session, or None if the chain has none by this id."""
        stored = await self._store.session(chain_id, session_id)
        return None if stored is None else SessionView.model_validate_json(stored.blob)

    async def receipt(self, chain_id: str, session_id: str) -> ReceiptView | None:
        """The session's receipt, or None while there is none."""
        stored = await self._store.session(chain_id, session_id)
        if stored is None:
            return None
        receipt = orjson.loads(stored.blob).get("receipt")
        return None if receipt is None else ReceiptView.model_validate(receipt)
