"""Writes the client's calls from the API's document: ``python -m controller.client.generate``.

One module per tag; a test fails when they are not what the document says.
"""

import builtins
import json
import pkgutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any, Final

import controller.api

DOCUMENT: Final = Path("docs/openapi.json")
FOLDER: Final = Path(__file__).parent
STREAMED: Final = "streamHall"
"""It has no end and no answer to parse; a reader of server-sent events follows it."""
KEY_HEADER: Final = "Idempotency-Key"
_PREFIX: Final = "/api/v1"
_ANSWERS: Final = tuple(
    import_module(f"controller.api.{found.name}")
    for found in sorted(
        pkgutil.iter_modules(controller.api.__path__),
        key=lambda one: not one.name.endswith("models"),
    )
    if found.name.endswith(("models", "_routes"))
)
"""Where answers are defined: modules of models first, routes import from them."""
_SCALARS: Final = {"string": "str", "integer": "int", "boolean": "bool", "number": "float"}
_LITERALS_MAX: Final = 6

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One operation as a method."""

    name: str
    method: str
    path: str
    operation: Json
    schemas: Json

    @property
    def answer(self) -> str:
        """``module.Model`` of the answer."""
        responses = self.operation["responses"]
        taken = next(responses[status] for status in sorted(responses) if status.startswith("2"))
        ref = taken["content"]["application/json"]["schema"]["$ref"]
        model = ref.rpartition("/")[2]
        module = next(one for one in _ANSWERS if hasattr(one, model))
        return f"{module.__name__.rpartition('.')[2]}.{model}"

    @property
    def body(self) -> Json:
        """The schema of the body; empty without one."""
        content = self.operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        for one in (schema, *schema.get("anyOf", ())):
            if "$ref" in one:
                found: Json = self.schemas[one["$ref"].rpartition("/")[2]]
                return found
        return {}

    def resolved(self, schema: Json) -> Json:
        """The schema with named enumerations written out where they are named."""
        if "$ref" in schema:
            named: Json = self.schemas[schema["$ref"].rpartition("/")[2]]
            return named if "enum" in named else schema
        if "anyOf" in schema:
            return {**schema, "anyOf": [self.resolved(one) for one in schema["anyOf"]]}
        if "items" in schema:
            return {**schema, "items": self.resolved(schema["items"])}
        return schema

    def parameters(self, place: str) -> list[str]:
        """Names of the parameters in the path, the query or the headers."""
        found = self.operation.get("parameters", ())
        return [one["name"] for one in found if one["in"] == place]


def modules(document: Json) -> dict[str, str]:
    """File name -> text, one per tag, unformatted."""
    by_tag: dict[str, list[Call]] = {}
    for path, operations in sorted(document["paths"].items()):
        for method, operation in sorted(operations.items()):
            name = operation["operationId"]
            if name == STREAMED:
                continue
            call = Call(
                snake(name), method.upper(), path, operation, document["components"]["schemas"]
            )
            by_tag.setdefault(operation["tags"][0], []).append(call)
    texts = {f"{tag}_calls.py": _module(tag, calls) for tag, calls in sorted(by_tag.items())}
    return texts | {"every_call.py": _every_call(sorted(by_tag))}


def _every_call(tags: list[str]) -> str:
    lines = [
        '"""Every call of the API in one class, written from docs/openapi.json."""',
        "",
        *(f"from controller.client.{tag}_calls import {tag.title()}Calls" for tag in tags),
        "from controller.client.stream import StreamCalls",
        "",
        "",
        f"class ClubctlClient({', '.join(f'{tag.title()}Calls' for tag in tags)}, StreamCalls):",
        '    """Every operation of the API, for one key of a chain."""',
        "",
    ]
    return "\n".join(lines)


def _module(tag: str, calls: list[Call]) -> str:
    text = "\n".join(_method(call) for call in calls)
    used = [one.__name__.rpartition(".")[2] for one in _ANSWERS]
    imported = [name for name in used if f" {name}." in text or f"({name}." in text]
    abstract = [name for name in ("Mapping", "Sequence") if f"{name}[" in text]
    lines = [
        f'"""The API\'s calls about {tag}, written from docs/openapi.json: do not edit by hand."""',
        "",
        f"from collections.abc import {', '.join(abstract)}" if abstract else "",
        "from typing import Literal" if "Literal[" in text else "",
        "",
        f"from controller.api import {', '.join(imported)}",
        f"from controller.client.transport import {_helpers(text)}",
        "",
        "",
        f"class {tag.title()}Calls(Transport):",
        f'    """Calls about {tag}."""',
        "",
        text,
    ]
    return "\n".join(lines)


def _helpers(text: str) -> str:
    used = ("given(", "part(", "Clear |")
    return ", ".join(["Transport", *(name.rstrip("( |") for name in used if name in text)])


def _method(call: Call) -> str:
    path_names = call.parameters("path")
    optional = _fields(call, required=False)
    keyed = KEY_HEADER in call.parameters("header")
    named = ["key: str"] if keyed else []
    named += [*_fields(call, required=True), *(f"{one} = None" for one in optional)]
    named += [f"{snake(name)}: {kind} = None" for name, kind in _queried(call)]
    conditions = [name for name in call.parameters("header") if name != KEY_HEADER]
    named += [f"{_of_header(name)}: str | None = None" for name in conditions]
    signature = ["self", *(f"{snake(name)}: str" for name in path_names)]
    signature += ["*", *named] if named else []
    asked = [call.answer, f'"{call.method}"', _address(call)]
    asked += ["key=key"] if keyed else []
    asked += _collected("body", call.body.get("properties", ()))
    asked += _collected("query", call.parameters("query"))
    if conditions:
        pairs = ", ".join(f'"{name}": {_of_header(name)}' for name in conditions)
        asked.append(f"headers={{{pairs}}}")
    summary = call.operation["description"].split("\n\n")[0].replace("\n", " ")
    documentation = _wrapped(summary)
    return (
        f"    async def {call.name}({', '.join(signature)}) -> {call.answer}:\n"
        f"        {documentation}\n"
        f"        return await self.send({', '.join(asked)})\n"
    )


def _wrapped(summary: str) -> str:
    lines, line = [], '"""'
    for word in summary.split():
        if len(line) + len(word) > 88:
            lines.append(line)
            line = "        " + word
        else:
            line = f"{line}{'' if line.endswith(chr(34)) else ' '}{word}"
    return "\n".join([*lines, line]) + ('\n        """' if lines else '"""')


def _address(call: Call) -> str:
    path = call.path.removeprefix(_PREFIX)
    for name in call.parameters("path"):
        path = path.replace(f"{{{name}}}", f"{{part({snake(name)})}}")
    return f'f"{path}"' if "{" in path else f'"{path}"'


def _collected(name: str, fields: Any) -> list[str]:  # noqa: ANN401 - names, however they come
    if not fields:
        return []
    given = [f"{one}={snake(one)}" for one in sorted(fields) if not iskeyword(one)]
    given += [f'**{{"{one}": {snake(one)}}}' for one in sorted(fields) if iskeyword(one)]
    return [f"{name}=given({', '.join(given)})"]


def _queried(call: Call) -> list[tuple[str, str]]:
    """Parameters of the query with their types; words are not checked here but there."""
    found = []
    for one in call.operation.get("parameters", ()):
        if one["in"] == "query":
            kinds = [one["schema"], *one["schema"].get("anyOf", ())]
            types = {kind.get("type") for kind in kinds}
            kind = "Sequence[str]" if "array" in types else "int" if "integer" in types else "str"
            found.append((one["name"], f"{kind} | None"))
    return found


def _fields(call: Call, *, required: bool) -> list[str]:
    wanted = set(call.body.get("required", ()))
    changes = _change if call.method == "PATCH" else _optional
    typed = _type if required else changes
    return [
        f"{snake(name)}: {typed(call.resolved(schema))}"
        for name, schema in sorted(call.body.get("properties", {}).items())
        if (name in wanted) is required
    ]


def _optional(schema: Json) -> str:
    found = _type(schema)
    return found if found.endswith("| None") else f"{found} | None"


def _change(schema: Json) -> str:
    """Of a field that may be emptied: None leaves it alone, as with every other."""
    may_be_empty = any(one.get("type") == "null" for one in schema.get("anyOf", ()))
    found = _optional(schema)
    return f"{found.removesuffix(' | None')} | Clear | None" if may_be_empty else found


def _type(schema: Json) -> str:
    if "anyOf" in schema:
        kinds = [_type(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " | ".join([*dict.fromkeys(kinds), "None"])
    if "enum" in schema and len(schema["enum"]) <= _LITERALS_MAX:
        return f"Literal[{', '.join(json.dumps(one) for one in schema['enum'])}]"
    if schema.get("type") == "array":
        return f"Sequence[{_type(schema['items'])}]"
    return _SCALARS.get(schema.get("type", ""), "Mapping[str, object]")


def _of_header(name: str) -> str:
    return name.lower().replace("-", "_")


def snake(name: str) -> str:
    """``plannedStartAt`` as ``planned_start_at``; what Python has a meaning for ends in ``_``."""
    words = "".join(f"_{one.lower()}" if one.isupper() else one for one in name)
    return f"{words}_" if iskeyword(words) or hasattr(builtins, words) else words


def formatted(text: str, name: str) -> str:
    """The text as the house formats it."""
    ruff = [sys.executable, "-m", "ruff"]
    for step in (
        [*ruff, "check", "--fix-only", "--select", "I,E3,W", "-q", "--stdin-filename", name, "-"],
        [*ruff, "format", "-q", "--stdin-filename", name, "-"],
    ):
        done = subprocess.run(step, input=text, capture_output=True, text=True, check=True)  # noqa: S603
        text = done.stdout
    return text


def written(document: Json) -> dict[str, str]:
    """File name -> text, as committed."""
    return {name: formatted(text, str(FOLDER / name)) for name, text in modules(document).items()}


if __name__ == "__main__":
    for file_name, source in written(json.loads(DOCUMENT.read_text())).items():
        (FOLDER / file_name).write_text(source)
