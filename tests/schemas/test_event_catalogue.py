"""Every kind of event has a schema, a sample that fits it, and its place in the documents."""

import json

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from billing_core.events import EventKind
from controller import event_catalogue
from schemas.events import (
    EVENT_DATA,
    ClubEventKind,
    EventMessage,
    OrderEventKind,
    published,
    source_of,
)

ENTRY = {
    "v": 1,
    "id": "session:s1:4",
    "source": "session:s1",
    "chain_id": "orbit",
    "club_id": "north",
    "event": {
        "kind": "coverage_ending",
        "session_id": "s1",
        "club_id": "north",
        "seq": 4,
        "at_ms": 1_800_000_000_000,
        "payload": {"level": "ENDING_SOON", "until_ms": 1_800_000_600_000, "cause": "BALANCE"},
    },
}


def test_every_kind_that_can_happen_has_a_schema() -> None:
    assert set(EVENT_DATA) == {*EventKind, *ClubEventKind, *OrderEventKind}


def test_the_documents_are_what_the_code_says() -> None:
    hint = "run: python -m controller.event_catalogue"
    assert event_catalogue.PAGE.read_text() == event_catalogue.page(), hint
    assert event_catalogue.SCHEMAS.read_text() == event_catalogue.schemas(), hint


@pytest.mark.parametrize("kind", sorted(EVENT_DATA))
def test_samples_fit_the_schema_that_is_published(kind: str) -> None:
    schema = json.loads(event_catalogue.schemas())
    shown = event_catalogue.sample(kind)
    Draft202012Validator(schema).validate(shown)
    assert EventMessage.model_validate(shown).type == kind
    del shown["data"][next(iter(shown["data"]))]
    assert not Draft202012Validator(schema).is_valid(shown)


def test_an_entry_leaves_in_camel_case_with_instants() -> None:
    message = published(ENTRY)
    assert EventMessage.model_validate(message).model_dump(by_alias=True) == message
    assert message == {
        "id": "session:s1:4",
        "type": "coverage_ending",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "source": "session:s1",
        "sequence": 4,
        "chainId": "orbit",
        "clubId": "north",
        "data": {
            "sessionId": "s1",
            "level": "ENDING_SOON",
            "until": "2027-01-15T08:10:00.000Z",
            "cause": "BALANCE",
        },
    }


def test_an_entry_from_before_sources_had_names_is_of_its_session() -> None:
    assert source_of({"event": {"session_id": "s1"}}) == "session:s1"


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "session_vanished"},
        {"data": {"sessionId": "s1"}},
        {"sequence": 0},
        {"source": "s1"},
        {"data": {**published(ENTRY)["data"], "surprise": 1}},
    ],
)
def test_a_message_off_its_schema_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EventMessage.model_validate(published(ENTRY) | changes)


def test_a_message_that_is_no_object_is_refused() -> None:
    with pytest.raises(ValidationError):
        EventMessage.model_validate([])
