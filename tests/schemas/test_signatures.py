"""Signatures: what they cover, what breaks them, and that no two messages share their bytes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.device import CoverageLease, DeviceCommand, DeviceCommandKind
from schemas.ed25519 import KeyRing, SignatureCheck, SigningKey, fresh_seed
from schemas.signing import keys_bytes, lease_bytes, order_bytes, welcome_bytes
from schemas.trust import KeysDocument, PublicKeyEntry, Welcome

KEY = SigningKey("A" * 43 + "=")
LEASE = CoverageLease(
    lease_id="s1",
    chain_id="orbit",
    club_id="north",
    pc_id="pc1",
    session_id="s1",
    seq=7,
    epoch=3,
    issued_at_ms=1_000,
    duration_ms=60_000,
    hard_stop_at_ms=61_000,
    offline_max_ms=60_000,
    kid=KEY.kid,
)
LEASE_CHANGES: dict[str, object] = {
    "lease_id": "s2",
    "chain_id": "other",
    "club_id": "south",
    "pc_id": "pc2",
    "session_id": "s2",
    "seq": 8,
    "epoch": 4,
    "issued_at_ms": 1_001,
    "duration_ms": 60_001,
    "hard_stop_at_ms": 61_001,
    "offline_max_ms": None,
    "kid": "other",
}
ORDER = DeviceCommand(
    cmd_id="c1",
    kind=DeviceCommandKind.MAINTENANCE,
    not_after_ms=5_000,
    text="a",
    duration_ms=1,
    mac="00:11:22:33:44:55",
    code_hash="h",
    kid=KEY.kid,
)
ORDER_CHANGES: dict[str, object] = {
    "cmd_id": "c2",
    "kind": DeviceCommandKind.REBOOT,
    "not_after_ms": 5_001,
    "text": "b",
    "duration_ms": 2,
    "mac": "00:11:22:33:44:56",
    "code_hash": "g",
    "kid": "other",
}
WELCOME = Welcome(nonce="0" * 32, at_ms=1, epoch=2, rev=3, kid=KEY.kid)
WELCOME_CHANGES: dict[str, object] = {
    "nonce": "1" * 32,
    "at_ms": 2,
    "epoch": 3,
    "rev": 4,
    "kid": "other",
}
KEYS = KeysDocument(version=2, keys=(KEY.entry,), kid=KEY.kid)


def of_pc(order: DeviceCommand, club_id: str = "north", pc_id: str = "pc1") -> bytes:
    return order_bytes(order, club_id=club_id, pc_id=pc_id)


def test_the_bytes_are_the_agreed_ones_for_ever() -> None:
    """An old PC verifies what a new controller signs: these bytes never change."""
    assert lease_bytes(LEASE) == (
        b"15:clubctl lease 1,11:lease_id=s1,14:chain_id=orbit,13:club_id=north,9:pc_id=pc1,"
        b"13:session_id=s1,5:seq=7,7:epoch=3,17:issued_at_ms=1000,17:duration_ms=60000,"
        b"21:hard_stop_at_ms=61000,20:offline_max_ms=60000,20:kid=" + KEY.kid.encode() + b","
    )
    assert KEY.sign(b"clubctl").startswith("DPP/Zm")


@pytest.mark.parametrize("name", LEASE_CHANGES)
def test_every_field_of_a_lease_is_covered(name: str) -> None:
    changed = LEASE.model_copy(update={name: LEASE_CHANGES[name]})
    assert lease_bytes(changed) != lease_bytes(LEASE)


def test_no_field_was_forgotten() -> None:
    outside = {"signature", "v"}
    assert set(CoverageLease.model_fields) - outside == set(LEASE_CHANGES)
    assert set(DeviceCommand.model_fields) - outside == set(ORDER_CHANGES)
    assert set(Welcome.model_fields) - outside == set(WELCOME_CHANGES)
    assert set(KeysDocument.model_fields) - outside == {"version", "keys", "kid"}


@pytest.mark.parametrize("name", ORDER_CHANGES)
def test_every_field_of_an_order_is_covered_and_so_is_its_pc(name: str) -> None:
    changed = ORDER.model_copy(update={name: ORDER_CHANGES[name]})
    assert of_pc(changed) != of_pc(ORDER)
    assert of_pc(ORDER, pc_id="pc2") != of_pc(ORDER) != of_pc(ORDER, club_id="south")


@pytest.mark.parametrize("name", WELCOME_CHANGES)
def test_every_field_of_a_welcome_is_covered_and_so_is_its_pc(name: str) -> None:
    changed = WELCOME.model_copy(update={name: WELCOME_CHANGES[name]})
    as_said = welcome_bytes(WELCOME, club_id="north", pc_id="pc1")
    assert welcome_bytes(changed, club_id="north", pc_id="pc1") != as_said
    assert welcome_bytes(WELCOME, club_id="north", pc_id="pc2") != as_said


def test_every_key_of_a_list_is_covered_in_its_order() -> None:
    other = SigningKey(fresh_seed()).entry
    lists = [KEYS.model_copy(update={"keys": keys}) for keys in ((other,), (KEY.entry, other))]
    lists += [KEYS.model_copy(update={"keys": (other, KEY.entry)})]
    lists += [KEYS.model_copy(update={"version": 3}), KEYS.model_copy(update={"kid": None})]
    assert len({keys_bytes(one) for one in (KEYS, *lists)}) == 6


@given(st.text(max_size=40), st.text(max_size=40))
def test_free_text_cannot_play_another_field(one: str, other: str) -> None:
    first, second = (ORDER.model_copy(update={"text": text}) for text in (one, other))
    assert (of_pc(first) == of_pc(second)) is (one == other)


@pytest.mark.parametrize("break_it", [lambda s: s[:-3] + "A==", lambda _: "A" * 86 + "=="])
def test_a_signature_that_was_touched_is_forged(break_it: Callable[[str], str]) -> None:
    ring = KeyRing((KEY.entry,))
    signature = KEY.sign(b"message")
    broken = break_it(signature)
    assert ring.check(b"message", kid=KEY.kid, signature=signature) is SignatureCheck.GENUINE
    if broken != signature:
        assert ring.check(b"message", kid=KEY.kid, signature=broken) is SignatureCheck.FORGED
    assert ring.check(b"massage", kid=KEY.kid, signature=signature) is SignatureCheck.FORGED


def test_a_name_alone_makes_nobody_a_signer() -> None:
    stranger = SigningKey(fresh_seed())
    ring = KeyRing((KEY.entry,))
    signature = stranger.sign(b"message")
    check = ring.check
    assert check(b"message", kid=stranger.kid, signature=signature) is SignatureCheck.UNKNOWN_KEY
    assert check(b"message", kid=KEY.kid, signature=signature) is SignatureCheck.FORGED
    assert check(b"message", kid=None, signature=signature) is SignatureCheck.FORGED
    assert check(b"message", kid=KEY.kid, signature=None) is SignatureCheck.FORGED


@pytest.mark.parametrize("seed", ["", "AAAA", "no base64", "A" * 44])
def test_a_seed_is_32_bytes_of_base64(seed: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        SigningKey(seed)


def test_keys_name_themselves() -> None:
    assert SigningKey("A" * 43 + "=").kid == KEY.kid != SigningKey(fresh_seed()).kid
    assert PublicKeyEntry.model_validate(KEY.entry.model_dump()) == KEY.entry
