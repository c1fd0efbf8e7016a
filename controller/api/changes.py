"""What a change leaves out stays as it is; what it names as null is cleared, or refused by name."""

from typing import Annotated, TypeVar

from pydantic import BeforeValidator
from pydantic.json_schema import SkipJsonSchema

T = TypeVar("T")


def _not_null(value: object) -> object:
    if value is None:
        raise ValueError("cannot be empty; leave it out to keep it as it is")
    return value


Kept = Annotated[T | SkipJsonSchema[None], BeforeValidator(_not_null)]
"""A field of a change that is kept when it is left out, and cannot be cleared: null is refused."""
