"""The audit of what is done at a terminal of the installation: by whom, on which machine, what.

Whoever works there needs no key of the API, so the entry names the login and the machine. Entries
are written before, or with, what they tell of: none is missing when the command is cut off.
"""

import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from actors.auditing import Asker
from actors.store import CatalogueEdit, Store

CHANNEL: Final = "cli"


@dataclass(frozen=True, slots=True)
class Terminal:
    """Who works at it, as the audit names them, and the machine's name."""

    principal: str
    origin: str

    @classmethod
    def here(cls) -> "Terminal":
        """The process's own user on this machine, whatever its environment says."""
        try:
            login = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            # A container's user need not have a name.
            login = f"uid-{os.getuid()}"
        return cls(f"{CHANNEL}:{login}", socket.gethostname())

    def entry(
        self, operation: str, asked: Mapping[str, object], *, at_ms: int, club_id: str = ""
    ) -> bytes:
        """One entry of a chain's audit; ``club_id`` empty: of the chain itself."""
        asker = Asker(self.principal, CHANNEL, self.origin)
        said = {name: value for name, value in asked.items() if value is not None}
        return asker.entry(operation, said, at_ms=at_ms, club_id=club_id)


async def note(store: Store, chain_id: str, entry: bytes) -> None:
    """Enter it into one chain's audit. Raises StoreError."""
    await store.edit(chain_id, CatalogueEdit(audit=(entry,)))


async def note_in_every_chain(store: Store, entry: bytes) -> None:
    """Enter into every chain's audit what concerns all of them. Raises StoreError."""
    for chain_id in await store.chains():
        await note(store, chain_id, entry)
