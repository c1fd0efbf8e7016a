"""Whom a PC believes: the keys it was enrolled with, and those that came after them."""

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from pydantic import ValidationError

from pc_daemon.durable_file import replace_file
from schemas.device import AgentFault, CoverageLease, DeviceCommand
from schemas.ed25519 import KeyRing, SignatureCheck
from schemas.signing import keys_bytes, lease_bytes, order_bytes, welcome_bytes
from schemas.trust import KeysDocument, Welcome

_logger = logging.getLogger("clubctl.pc.trust")

_LEASE_FAULTS: Final = {
    SignatureCheck.GENUINE: None,
    SignatureCheck.UNKNOWN_KEY: AgentFault.LEASE_KEY_UNKNOWN,
    SignatureCheck.FORGED: AgentFault.LEASE_FORGED,
}


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys in force. Without a document everybody is believed: for development only."""

    document: KeysDocument | None = None
    ring: KeyRing = field(default_factory=lambda: KeyRing(()), compare=False)

    @classmethod
    def of(cls, document: KeysDocument | None) -> "Trust":
        """Trust in the keys of a document. Raises ``ValueError`` for one that holds no keys."""
        return cls() if document is None else cls(document, KeyRing(document.keys))

    @property
    def checks(self) -> bool:
        """Whether anything has to be signed."""
        return self.document is not None

    @property
    def version(self) -> int | None:
        """Of the keys in force."""
        return None if self.document is None else self.document.version

    def lease_fault(self, lease: CoverageLease) -> AgentFault | None:
        """What is wrong with the signature of a lease."""
        check = self._check(lease_bytes(lease), lease.kid, lease.signature)
        return _LEASE_FAULTS[check]

    def believes_order(self, order: DeviceCommand, *, club_id: str, pc_id: str) -> bool:
        """Whether the controller gave this PC this order."""
        signed = order_bytes(order, club_id=club_id, pc_id=pc_id)
        return self._check(signed, order.kid, order.signature) is SignatureCheck.GENUINE

    def believes_welcome(self, welcome: Welcome, *, club_id: str, pc_id: str) -> bool:
        """Whether the controller said this to this PC."""
        signed = welcome_bytes(welcome, club_id=club_id, pc_id=pc_id)
        return self._check(signed, welcome.kid, welcome.signature) is SignatureCheck.GENUINE

    def believes_keys(self, document: KeysDocument) -> bool:
        """Whether a newer list of keys was signed by one of those in force."""
        signed = keys_bytes(document)
        return self._check(signed, document.kid, document.signature) is SignatureCheck.GENUINE

    def _check(self, message: bytes, kid: str | None, signature: str | None) -> SignatureCheck:
        if not self.checks:
            return SignatureCheck.GENUINE
        return self.ring.check(message, kid=kid, signature=signature)


class PinnedKeys(Protocol):
    """Where the keys in force are kept."""

    def load(self) -> KeysDocument | None:
        """The keys, or None where this PC believes everybody. Raises ``PinnedKeysError``."""

    def save(self, document: KeysDocument) -> None:
        """Keep newer ones. Raises ``OSError``."""


class PinnedKeysError(Exception):
    """The file of keys is missing, unreadable or open to others: the agent does not start."""


class MemoryKeys:
    """Keys of a simulated PC; None believes everybody."""

    def __init__(self, document: KeysDocument | None = None) -> None:
        self._document = document

    def load(self) -> KeysDocument | None:
        """See ``PinnedKeys``."""
        return self._document

    def save(self, document: KeysDocument) -> None:
        """See ``PinnedKeys``."""
        self._document = document


class FileKeys:
    """A file with the JSON of a ``KeysDocument``, laid there at enrolment, followed from then on.

    It holds no secret, but whoever may write it decides what this PC believes: a file that
    others than its owner may write is refused.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> KeysDocument:
        """See ``PinnedKeys``."""
        try:
            mode = self._path.stat().st_mode
            raw = self._path.read_bytes()
        except OSError as error:
            raise PinnedKeysError(f"{self._path}: {error.strerror}") from error
        if os.name == "posix" and mode & 0o022:
            raise PinnedKeysError(f"{self._path}: others may write it")
        try:
            document = KeysDocument.model_validate_json(raw)
            Trust.of(document)
        except (ValidationError, ValueError) as error:
            raise PinnedKeysError(f"{self._path}: not a list of keys") from error
        return document

    def save(self, document: KeysDocument) -> None:
        """See ``PinnedKeys``."""
        replace_file(self._path, document.model_dump_json(exclude_none=True).encode())
        _logger.info("keys of version %s are in force", document.version)
