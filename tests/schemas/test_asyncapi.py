"""The published description of the wire is the one the code would write today."""

from pathlib import Path

import pytest

from controller.asyncapi import DOCUMENT, Json, build_document, render
from schemas.topics import DELIVERIES

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
