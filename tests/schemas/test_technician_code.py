"""A technician's code is recognised, and nothing else is."""

import pytest

from schemas.technician import hash_code, is_code

SALT = bytes(range(16))
KEPT = hash_code("4711-open", SALT)


def test_the_code_is_recognised_and_not_kept() -> None:
    assert is_code("4711-open", KEPT)
    assert "4711" not in KEPT
    assert len(KEPT) <= 200
    assert hash_code("4711-open", bytes(16)) != KEPT


@pytest.mark.parametrize("typed", ["", "4711", "4711-opem", "4711-OPEN", "4711-open "])
def test_anything_else_is_refused(typed: str) -> None:
    assert not is_code(typed, KEPT)


@pytest.mark.parametrize("kept", ["", "plain", "scrypt:zz:00", "scrypt:00:00", "md5" + KEPT[6:]])
def test_a_hash_that_is_none_opens_nothing(kept: str) -> None:
    assert not is_code("4711-open", kept)
