"""What the browser's tests share."""

import pytest
from browsers_under_test import OpenHall, opened_hall


@pytest.fixture
def open_hall() -> OpenHall:
    """Opens the hall of an address, signed in."""
    return opened_hall
