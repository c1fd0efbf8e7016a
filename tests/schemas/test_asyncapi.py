"""The published description of the wire is the one the code would write today."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from test_device_wire import EXAMPLES

from controller.asyncapi import DOCUMENT, Json, build_document, render
from schemas.codec import MESSAGE_OF_LEAF, encode
from schemas.topics import DELIVERIES, Leaf

ROOT = Path(__file__).parents[2]


def test_the_committed_document_is_fresh() -> None:
    stale = "run: python -m controller.asyncapi"
    assert (ROOT / DOCUMENT).read_text() == render(build_document()), stale


def test_every_leaf_has_a_channel_an_operation_and_a_message() -> None:
    document = build_document()
    names = {f"{type(leaf).__name__[:-4].lower()}_{leaf}" for leaf in DELIVERIES}
    assert set(_keys(document["channels"])) == set(_keys(document["operations"])) == names


def test_every_reference_leads_somewhere() -> None:
    document = build_document()
    for reference in _references(document):
        target: Json = document
        for step in reference.removeprefix("#/").split("/"):
            assert isinstance(target, dict), reference
            assert step in target, reference
            target = target[step]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b": {"c": [True, None]}}, "a: 1\nb:\n  c:\n    - true\n    - null\n"),
        ({"$ref": "#/x", "e": {}, "l": []}, '"$ref": "#/x"\ne: {}\nl: []\n'),
        ([{"a": "x: y"}], '-\n  a: "x: y"\n'),
    ],
)
def test_yaml_is_written_as_expected(value: Json, text: str) -> None:
    assert render(value) == text


@pytest.mark.parametrize("leaf", DELIVERIES)
def test_what_is_sent_is_what_the_document_describes(leaf: Leaf) -> None:
    """The largest of each message, as it travels, against the published schema."""
    document = build_document()
    name = MESSAGE_OF_LEAF[leaf].__name__
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    validator = Draft202012Validator(schema)
    Draft202012Validator.check_schema(document["components"]["schemas"][name])  # type: ignore[index,call-overload]
    payload = json.loads(encode(EXAMPLES[leaf]))
    assert list(validator.iter_errors(payload)) == []
    assert not validator.is_valid({"v": "one"})


def _keys(value: Json) -> list[str]:
    assert isinstance(value, dict)
    return list(value)


def _references(value: Json) -> list[str]:
    if isinstance(value, dict):
        own = [str(value["$ref"])] if "$ref" in value else []
        return own + [found for item in value.values() for found in _references(item)]
    if isinstance(value, list):
        return [found for item in value for found in _references(item)]
    return []
