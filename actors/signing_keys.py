"""The file of private keys that leases and orders are signed with, and how it changes.

JSON: ``keys`` are the private halves still in use, the newest first; ``documents`` are the
lists of public keys handed out so far, the newest last. The first is pinned at enrolment. Each
later one is signed by the key that was the newest of the list before, so that a PC that missed
some can be sent one after the other. At most two keys are believed at a time.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.ed25519 import SigningKey, fresh_seed
from schemas.signing import keys_bytes
from schemas.trust import KeysDocument

MAX_DOCUMENTS: Final = 64
"""A PC that was away for more rotations than these is enrolled again."""
KEYS_BELIEVED: Final = 2


class KeyFileError(Exception):
    """The file of signing keys is missing, broken, or readable by others."""


class _StoredKeys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    v: Literal[1] = 1
    keys: Annotated[tuple[str, ...], Field(min_length=1, max_length=KEYS_BELIEVED)]
    documents: Annotated[tuple[KeysDocument, ...], Field(min_length=1, max_length=MAX_DOCUMENTS)]


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Private keys, the newest first, and every list of public keys handed out so far."""

    seeds: tuple[str, ...]
    documents: tuple[KeysDocument, ...]

    @property
    def signing(self) -> SigningKey:
        """The key that signs from now on."""
        return SigningKey(self.seeds[0])

    @property
    def public(self) -> KeysDocument:
        """The newest list, for PCs that are enrolled now."""
        return self.documents[-1]

    def after(self, version: int) -> KeysDocument | None:
        """What a PC with the keys of ``version`` is sent next; None when it has the newest."""
        return next((one for one in self.documents if one.version > version), None)

    def rotated(self) -> "SigningKeys":
        """A new key signs; the one before it is believed until the next rotation."""
        before = self.signing
        fresh = SigningKey(seed := fresh_seed())
        document = KeysDocument(
            version=self.public.version + 1, keys=(fresh.entry, before.entry), kid=before.kid
        )
        signed = document.model_copy(update={"signature": before.sign(keys_bytes(document))})
        seeds = (seed, *self.seeds)[:KEYS_BELIEVED]
        return SigningKeys(seeds, (*self.documents, signed)[-MAX_DOCUMENTS:])


def new_signing_keys() -> SigningKeys:
    """One key, and the list that is pinned at enrolment."""
    seed = fresh_seed()
    return SigningKeys((seed,), (KeysDocument(version=1, keys=(SigningKey(seed).entry,)),))


def load_signing_keys(path: Path) -> SigningKeys:
    """What the file holds. Raises KeyFileError, also when others than its owner may read it."""
    try:
        mode = path.stat().st_mode
        raw = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    if os.name == "posix" and mode & 0o077:
        raise KeyFileError(f"{path}: must be readable by its owner only (chmod 600)")
    try:
        stored = _StoredKeys.model_validate_json(raw)
        keys = SigningKeys(stored.keys, stored.documents)
        names = {SigningKey(seed).kid for seed in keys.seeds}
    except (ValidationError, ValueError) as error:
        raise KeyFileError(f"{path}: not a file of signing keys") from error
    if keys.public.keys[0].kid != keys.signing.kid or not names <= _kids(keys.public):
        raise KeyFileError(f"{path}: its lists do not name its keys")
    return keys


def save_signing_keys(path: Path, keys: SigningKeys, *, replace: bool) -> None:
    """Write the file for its owner's eyes only. Raises ``OSError``; FileExistsError too."""
    stored = _StoredKeys(keys=keys.seeds, documents=keys.documents)
    content = stored.model_dump_json(exclude_none=True, indent=2).encode() + b"\n"
    if not replace and path.exists():
        raise FileExistsError(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _kids(document: KeysDocument) -> set[str]:
    return {entry.kid for entry in document.keys}
