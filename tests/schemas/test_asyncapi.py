"""The published description of the wire is the one the code would write today.

``official/`` is the specification's own schema, unchanged, out of the npm package
``@asyncapi/specs`` 6.11.1 (``schemas/3.0.0-without-$id.json``), with its licence and notice.
"""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from test_device_wire import EXAMPLES

from controller.asyncapi import DOCUMENT, Json, build_document, render
from schemas.codec import MESSAGE_OF_LEAF, encode
from schemas.deliveries import DELIVERIES, WILL_DELAY_S, pc_message, pc_will
from schemas.topics import Leaf, UpLeaf

ROOT = Path(__file__).parents[2]
OFFICIAL = Path(__file__).parent / "official" / "asyncapi-3.0.0.json"
OFFICIAL_SHA256 = "abe96881dbfaad495ccbb6bd8d3fb43ca18a13b9d7564849ccb66f39d5e5b20f"


def test_the_committed_document_is_fresh() -> None:
    stale = "run: python -m controller.asyncapi"
    assert (ROOT / DOCUMENT).read_text() == render(build_document()), stale


def published() -> Any:
    """The committed document, as a reader of YAML has it."""
    return yaml.safe_load((ROOT / DOCUMENT).read_text())


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    text = OFFICIAL.read_bytes()
    assert sha256(text).hexdigest() == OFFICIAL_SHA256, "it is not the specification's own"
    schema = json.loads(text)
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def test_the_document_is_one_by_the_specification_s_own_schema(official: Draft7Validator) -> None:
    assert [error.message for error in official.iter_errors(published())] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.update(asyncapi="2.6.0"),
        lambda document: document["info"].pop("version"),
        lambda document: document.update(topics={}),
        lambda document: document["operations"]["down_cmd"].update(action="publish"),
        lambda document: document["operations"]["down_cmd"].pop("channel"),
        lambda document: document["operations"]["down_cmd"]["bindings"]["mqtt"].update(qos=3),
        lambda document: document["channels"]["down_cmd"]["parameters"].update(pc={"schema": {}}),
        lambda document: document["components"]["messages"]["Birth"].update(payload=7),
        lambda document: document["components"]["schemas"]["Birth"].update(type="record"),
    ],
)
def test_what_the_specification_does_not_allow_is_noticed(
    official: Draft7Validator, spoil: Callable[[Any], object]
) -> None:
    document = published()
    spoil(document)
    assert not official.is_valid(document)


def test_every_leaf_has_a_channel_an_operation_and_a_message() -> None:
    document = build_document()
    names = {f"{type(leaf).__name__[:-4].lower()}_{leaf}" for leaf in DELIVERIES}
    names.add("ctl_echo")
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


@pytest.mark.parametrize("leaf", DELIVERIES)
def test_what_is_sent_travels_as_the_document_describes(leaf: Leaf) -> None:
    name = f"{type(leaf).__name__[:-4].lower()}_{leaf}"
    described = published()["operations"][name]["bindings"]["mqtt"]
    message = pc_message(("north", "pc1"), leaf, b"")
    assert (message.qos, message.retain, message.expiry_s) == (
        described["qos"],
        described["retain"],
        described.get("messageExpiryInterval"),
    )


def test_the_will_is_in_the_document() -> None:
    operation = published()["operations"]["up_presence"]
    will, said = pc_will(("north", "pc1"), b""), operation["bindings"]["mqtt"]
    assert will.topic == pc_message(("north", "pc1"), UpLeaf.PRESENCE, b"").topic
    assert (will.qos, will.retain) == (said["qos"], said["retain"])
    assert will.delay_s == operation["x-will-delay-interval"] == WILL_DELAY_S


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
