"""The API against its own document: generated requests to a real club, no answer off the schema.

Half of them are about things that exist, at the version these have; and every operation is asked
for something it has to do.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from api_under_test import KEY
from clerk_under_test import Clerk
from hypothesis import HealthCheck, given, settings
from requests_under_test import READS, VALID, Asked
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from served_under_test import JUDGING_KEY, ServedClubs

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

EXAMPLES_PER_OPERATION = 25
WRONG_PER_OPERATION = 15
FRESH_PER_OPERATION = 3
"""What was used up is worth asking about too, and takes no time to make."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
NOT_ASKED: Final = {
    "streamHall": "its answer ends when its reader leaves; tests of the live hall read it",
}
"""Operation -> why it is not asked here."""
DONE: Final = frozenset({200, 201, 202})
LOST: Final = frozenset({"listOutages", "approveOutage", "rejectOutage"})
"""Asked of the club where time was lost: an outage takes minutes, which its clock does not."""
EXISTING: Final[Mapping[str, Any]] = {
    "clubId": "club-1",
    "playerId": "anna",
    "pcId": "pc-1",
    "tariffId": "minute",
    "tariffIds": ["block"],
    "zoneId": "std",
}
DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
OPERATIONS = {
    found.ok().definition.raw["operationId"]: found.ok()
    for found in schemathesis.openapi.from_path(DOCUMENT).get_all_operations()
}
TAKE_A_LIST: Final = frozenset(
    name
    for name, operation in OPERATIONS.items()
    if any(
        "array" in str(parameter["schema"])
        for parameter in operation.definition.raw.get("parameters", ())
        if parameter["in"] == "query"
    )
)
"""To the generator one value is no list; in an address it is a list of one."""


@pytest.fixture(scope="module")
def served() -> Iterator[ServedClubs]:
    with ServedClubs() as clubs:
        yield clubs


@pytest.fixture(scope="module")
def clerk(served: ServedClubs) -> Iterator[Clerk]:
    made = Clerk(served.at.address, KEY)
    made.send("/clubs/club-1/players/anna/wallet/top-ups", {"amountMinor": 900_000})
    yield made
    made.close()


def test_every_operation_has_a_request_that_succeeds() -> None:
    assert VALID.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - NOT_ASKED.keys()))
def test_every_operation_does_its_work_and_no_answer_is_a_fault_or_off_the_schema(
    name: str, served: ServedClubs, clerk: Clerk
) -> None:
    def answered(case: Any) -> int:
        address, key = served.at.address, KEY
        if name in LOST:
            address, key = served.at.judging, JUDGING_KEY
        headers = {"Authorization": f"Bearer {key}"}
        response = case.call_and_validate(base_url=address, headers=headers, checks=CHECKS)
        status: int = response.status_code
        return status

    @settings(
        max_examples=EXAMPLES_PER_OPERATION,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[name].as_strategy())
    def generated(case: Any) -> None:
        is_led = len(str(case.path_parameters) + str(case.body)) % 2 == 1
        if is_led:
            _lead_somewhere(case, occasion.now(), clerk)
        status = answered(case)
        statuses[status] += 1
        if is_led and status in DONE:
            occasion.used()

    statuses: Counter[int] = Counter()
    occasion = _Occasion(name, clerk)
    assert answered(_as_asked(name, occasion.now(), clerk)) in DONE
    occasion.used()
    generated()
    assert statuses
    assert 401 not in statuses


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - NOT_ASKED.keys()))
def test_what_does_not_fit_the_document_is_refused_as_the_document_says(
    name: str, served: ServedClubs, clerk: Clerk
) -> None:
    """Wrong types, unknown fields, values out of bounds: about what exists, half of the time."""

    @settings(
        max_examples=WRONG_PER_OPERATION,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[name].as_strategy(GenerationMode.NEGATIVE))
    def generated(case: Any) -> None:
        response = case.call(base_url=served.at.address, headers={"Authorization": f"Bearer {KEY}"})
        case.validate_response(response, checks=CHECKS)
        # To the check a body that is refused for its size alone is not refused.
        is_too_large = response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if not is_too_large and name not in TAKE_A_LIST:
            case.validate_response(response, checks=[negative_data_rejection])

    generated()


class _Occasion:
    """What an operation is asked about: another thing when one is used up, a few times."""

    def __init__(self, name: str, clerk: Clerk) -> None:
        self._name = name
        self._clerk = clerk
        self._left = 0 if name in READS else FRESH_PER_OPERATION
        self._asked: Asked | None = None

    def now(self) -> Asked:
        if self._asked is None:
            self._asked = VALID[self._name](self._clerk)
        return self._asked

    def used(self) -> None:
        if self._left:
            self._left -= 1
            self._asked = None


def _as_asked(name: str, asked: Asked, clerk: Clerk) -> Any:
    headers = {"Idempotency-Key": clerk.fresh("asked")}
    if asked.version is not None:
        headers["If-Match"] = asked.version
    return OPERATIONS[name].Case(
        path_parameters=dict(asked.path),
        query=dict(asked.query),
        headers=headers,
        body=NOT_SET if asked.body is None else asked.body,
        media_type=None if asked.body is None else "application/json",
    )


def _lead_somewhere(case: Any, asked: Asked, clerk: Clerk) -> None:
    """The case about what exists, with a key of its own; the rest of it stays as it was drawn."""
    case.path_parameters = dict(asked.path)
    case.query = _existing(case.query)
    case.body = _existing(case.body)
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = clerk.fresh("case")
    if asked.version is not None:
        case.headers["If-Match"] = asked.version


def _existing(drawn: Any) -> Any:
    if isinstance(drawn, dict):
        return {name: EXISTING.get(name, _existing(value)) for name, value in drawn.items()}
    return drawn
