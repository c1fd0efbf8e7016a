"""The controller's signature: made once for a lease, by the newest key, and believed by PCs."""

import os
from pathlib import Path

import pytest
from signing_under_test import key_file, signer_in

from actors.device_signing import KeySigner, Unsigned, signer_of
from actors.signing_keys import (
    KEYS_BELIEVED,
    MAX_DOCUMENTS,
    KeyFileError,
    load_signing_keys,
    new_signing_keys,
    save_signing_keys,
)
from schemas.device import CoverageLease, DeviceCommand, DeviceCommandKind
from schemas.ed25519 import KeyRing, SignatureCheck
from schemas.signing import keys_bytes, lease_bytes, order_bytes, welcome_bytes
from schemas.trust import Welcome

PC = ("north", "pc1")


def lease(seq: int = 1, pc_id: str = "pc1") -> CoverageLease:
    return CoverageLease(
        lease_id="s1",
        chain_id="orbit",
        club_id="north",
        pc_id=pc_id,
        session_id="s1",
        seq=seq,
        epoch=1,
        issued_at_ms=1,
        duration_ms=2,
        hard_stop_at_ms=3,
    )


def test_the_same_lease_is_signed_once_however_often_it_is_published(tmp_path: Path) -> None:
    signer = signer_in(tmp_path)
    first = signer.lease(lease())
    assert [signer.lease(lease()) for _ in range(5)] == [first] * 5
    assert signer.signed == 1

    signer.lease(lease(pc_id="pc2"))
    signer.lease(lease(seq=2))
    assert signer.signed == 3
    ring = KeyRing(load_signing_keys(tmp_path / "signing-keys.json").public.keys)
    check = ring.check(lease_bytes(first), kid=first.kid, signature=first.signature)
    assert check is SignatureCheck.GENUINE


def test_orders_and_welcomes_are_signed_for_their_pc(tmp_path: Path) -> None:
    signer = signer_in(tmp_path)
    ring = KeyRing(load_signing_keys(tmp_path / "signing-keys.json").public.keys)
    order = DeviceCommand(cmd_id="c1", kind=DeviceCommandKind.REBOOT, not_after_ms=1)
    signed = signer.order(order, PC)
    said = order_bytes(signed, club_id="north", pc_id="pc1")
    assert ring.check(said, kid=signed.kid, signature=signed.signature) is SignatureCheck.GENUINE
    welcome = signer.welcome(Welcome(nonce="0" * 32, at_ms=1, epoch=1, rev=1), PC)
    said = welcome_bytes(welcome, club_id="north", pc_id="pc1")
    assert ring.check(said, kid=welcome.kid, signature=welcome.signature) is SignatureCheck.GENUINE


def test_without_a_file_nothing_is_signed() -> None:
    signer = signer_of(None)
    assert isinstance(signer, Unsigned)
    order = DeviceCommand(cmd_id="c1", kind=DeviceCommandKind.REBOOT, not_after_ms=1)
    welcome = Welcome(nonce="0" * 32, at_ms=1, epoch=1, rev=1)
    assert signer.lease(lease()) == lease()
    assert (signer.order(order, PC), signer.welcome(welcome, PC)) == (order, welcome)
    assert (signer.keys_version, signer.keys_after(0), signer.refresh()) == (None, None, False)


def test_a_rotation_is_noticed_and_a_broken_file_is_not_followed(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    signer = KeySigner(path)
    before = signer.lease(lease())
    assert not signer.refresh()

    save_signing_keys(path, load_signing_keys(path).rotated(), replace=True)
    assert signer.refresh()
    assert signer.keys_version == 2
    assert signer.lease(lease()) == before
    assert signer.lease(lease(seq=2)).kid != before.kid

    save_signing_keys(path, load_signing_keys(path).rotated(), replace=True)
    assert signer.refresh()
    # Two rotations on, what the first key has signed is signed anew.
    again = signer.lease(lease())
    assert again.kid not in (before.kid, None)
    assert again.model_copy(update={"kid": None, "signature": None}) == lease()

    path.write_text("{")
    assert not signer.refresh()
    path.unlink()
    assert not signer.refresh()
    assert signer.lease(lease(seq=3)).kid == signer.lease(lease(seq=2)).kid


def test_each_list_is_vouched_for_by_the_one_before_it() -> None:
    keys = new_signing_keys()
    for _ in range(MAX_DOCUMENTS + 3):
        keys = keys.rotated()
    assert len(keys.documents) == MAX_DOCUMENTS
    for before, after in zip(keys.documents, keys.documents[1:], strict=False):
        assert after.version == before.version + 1
        check = KeyRing(before.keys).check(
            keys_bytes(after), kid=after.kid, signature=after.signature
        )
        assert check is SignatureCheck.GENUINE
    assert len(keys.public.keys) == len(keys.seeds) == KEYS_BELIEVED
    oldest = keys.documents[0].version
    assert keys.after(oldest) == keys.documents[1]
    assert keys.after(keys.public.version) is None


def test_what_is_saved_is_loaded_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    keys = new_signing_keys().rotated()
    path = tmp_path / "keys" / "signing.json"
    save_signing_keys(path, keys, replace=False)
    assert load_signing_keys(path) == keys
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        save_signing_keys(path, keys, replace=False)
    assert all(seed not in repr(keys.public) for seed in keys.seeds)

    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_signing_keys(path)


@pytest.mark.parametrize("content", ["", "{}", '{"v": 1, "keys": ["x"], "documents": []}'])
def test_a_file_that_is_none_of_ours_is_named_without_its_content(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="not a file of signing keys"):
        load_signing_keys(path)
    with pytest.raises(KeyFileError, match="No such file"):
        load_signing_keys(tmp_path / "nothing")


def test_a_file_whose_lists_do_not_name_its_keys_is_refused(tmp_path: Path) -> None:
    one, other = new_signing_keys(), new_signing_keys()
    path = key_file(tmp_path, type(one)(one.seeds, other.documents))
    assert os.access(path, os.R_OK)
    with pytest.raises(KeyFileError, match="do not name"):
        load_signing_keys(path)
