"""Templates and static files of the pages."""

from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

_HERE: Final = Path(__file__).parent
_STATIC: Final = _HERE / "static"


def _data(value: object) -> Markup:
    """JSON that cannot leave its script element."""
    text = orjson.dumps(value).decode()
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 -- escaped above for the only place it is used in


def _type_words(schema: Mapping[str, Any]) -> str:
    """A field's type in a few words, such as ``string (date-time) | null``."""
    if "anyOf" in schema:
        return " | ".join(_type_words(option) for option in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if schema.get("type") == "array":
        return f"{_type_words(schema['items'])}[]"
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    form = f" ({schema['format']})" if "format" in schema else ""
    return f"{schema.get('type', 'any')}{form}"


@cache
def _asset(name: str) -> str:
    """The address of a static file; it changes with the content, so that nothing stale is run."""
    digest = blake2b((_STATIC / name).read_bytes(), digest_size=6).hexdigest()
    return f"/static/{name}?v={digest}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data"] = _data
    environment.filters["type_words"] = _type_words
    environment.globals["asset"] = _asset
    return environment


def render_page(template: str, **values: object) -> str:
    """A page as HTML. Raises jinja2.UndefinedError for a value the template misses."""
    return _environment().get_template(template).render(**values)


class _PageFiles(StaticFiles):
    """Static files that a browser asks about again each time; they answer 304 when unchanged."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


def static_files() -> StaticFiles:
    """The application that serves styles, scripts and icons."""
    return _PageFiles(directory=_STATIC)
