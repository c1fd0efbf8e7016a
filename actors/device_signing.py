"""The controller's signature under what PCs are told, behind one port."""

from pathlib import Path
from typing import Final, Protocol

import structlog

from actors.signing_keys import KeyFileError, SigningKeys, load_signing_keys
from schemas.device import CoverageLease, DeviceCommand
from schemas.signing import lease_bytes, order_bytes, welcome_bytes
from schemas.trust import KeysDocument, Welcome

log = structlog.get_logger(__name__)

MAX_REMEMBERED_LEASES: Final = 65_536
"""Beyond so many PCs of one host the oldest signatures are made again when they are asked for."""

PcName = tuple[str, str]
"""(club, PC)."""


class DeviceSigner(Protocol):
    """Signs for one PC at a time."""

    @property
    def keys_version(self) -> int | None:
        """Of the keys that PCs should know; None where nothing is signed."""

    def keys_after(self, version: int) -> KeysDocument | None:
        """The list a PC with the keys of ``version`` is sent next."""

    def lease(self, lease: CoverageLease) -> CoverageLease:
        """The lease with its signature. Asked again for the same, it signs nothing anew."""

    def order(self, order: DeviceCommand, pc: PcName) -> DeviceCommand:
        """The order with its signature for this PC."""

    def welcome(self, welcome: Welcome, pc: PcName) -> Welcome:
        """The welcome with its signature for this PC."""

    def refresh(self) -> bool:
        """Look whether the keys have been changed; whether they have."""


class Unsigned:
    """Signs nothing: for development, where PCs believe everybody."""

    keys_version = None

    def keys_after(self, version: int) -> KeysDocument | None:  # noqa: ARG002
        """See ``DeviceSigner``."""
        return None

    def lease(self, lease: CoverageLease) -> CoverageLease:
        """See ``DeviceSigner``."""
        return lease

    def order(self, order: DeviceCommand, pc: PcName) -> DeviceCommand:  # noqa: ARG002
        """See ``DeviceSigner``."""
        return order

    def welcome(self, welcome: Welcome, pc: PcName) -> Welcome:  # noqa: ARG002
        """See ``DeviceSigner``."""
        return welcome

    def refresh(self) -> bool:
        """See ``DeviceSigner``."""
        return False


class KeySigner:
    """Signs with the newest key of a file, and remembers the last lease of each PC.

    Raises KeyFileError for a file that cannot be used. One that is broken later is reported, and
    the keys read before stay in use. ``signed`` counts signatures.
    """

    def __init__(self, path: Path) -> None:
        self.signed = 0
        self._path = path
        self._leases: dict[PcName, tuple[CoverageLease, CoverageLease]] = {}
        self._read_at = _stamp(path)
        self._use(load_signing_keys(path))

    def refresh(self) -> bool:
        """See ``DeviceSigner``."""
        stamp = _stamp(self._path)
        if stamp == self._read_at:
            return False
        self._read_at = stamp
        try:
            self._use(load_signing_keys(self._path))
        except KeyFileError as error:
            log.error("signing_keys_kept", reason=str(error))  # noqa: TRY400 - the reason says all
            return False
        log.info("signing_keys_changed", version=self.keys_version, kid=self._key.kid)
        return True

    def _use(self, keys: SigningKeys) -> None:
        self._keys, self._key = keys, keys.signing
        believed = {entry.kid for entry in keys.public.keys}
        leases = self._leases.items()
        # A PC that starts now would refuse what a key out of use has signed.
        self._leases = {pc: pair for pc, pair in leases if pair[1].kid in believed}

    @property
    def keys_version(self) -> int:
        """See ``DeviceSigner``."""
        return self._keys.public.version

    def keys_after(self, version: int) -> KeysDocument | None:
        """See ``DeviceSigner``."""
        return self._keys.after(version)

    def lease(self, lease: CoverageLease) -> CoverageLease:
        """See ``DeviceSigner``."""
        pc = (lease.club_id or "", lease.pc_id)
        known = self._leases.pop(pc, None)
        if known is None or known[0] != lease:
            named = lease.model_copy(update={"kid": self._key.kid})
            known = (lease, named.model_copy(update={"signature": self._sign(lease_bytes(named))}))
        self._leases[pc] = known
        if len(self._leases) > MAX_REMEMBERED_LEASES:
            del self._leases[next(iter(self._leases))]
        return known[1]

    def order(self, order: DeviceCommand, pc: PcName) -> DeviceCommand:
        """See ``DeviceSigner``."""
        named = order.model_copy(update={"kid": self._key.kid})
        signature = self._sign(order_bytes(named, club_id=pc[0], pc_id=pc[1]))
        return named.model_copy(update={"signature": signature})

    def welcome(self, welcome: Welcome, pc: PcName) -> Welcome:
        """See ``DeviceSigner``."""
        named = welcome.model_copy(update={"kid": self._key.kid})
        signature = self._sign(welcome_bytes(named, club_id=pc[0], pc_id=pc[1]))
        return named.model_copy(update={"signature": signature})

    def _sign(self, message: bytes) -> str:
        self.signed += 1
        return self._key.sign(message)


def signer_of(key_file: Path | None) -> DeviceSigner:
    """The signer of a host. Raises KeyFileError; without a file nothing is signed."""
    return Unsigned() if key_file is None else KeySigner(key_file)


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
