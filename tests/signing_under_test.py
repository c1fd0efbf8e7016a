"""Keys for tests: a signer as a host has it, and what PCs were enrolled with."""

from pathlib import Path

from actors.device_signing import KeySigner
from actors.signing_keys import SigningKeys, new_signing_keys, save_signing_keys


def key_file(folder: Path, keys: SigningKeys | None = None) -> Path:
    """A file of signing keys, replaced when it is there."""
    path = folder / "signing-keys.json"
    save_signing_keys(path, keys or new_signing_keys(), replace=True)
    return path


def signer_in(folder: Path) -> KeySigner:
    """A signer with keys of its own."""
    return KeySigner(key_file(folder))
