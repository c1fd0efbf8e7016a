"""Phone numbers in their one form: ``+491515550101``."""

import re
from typing import Final

_BETWEEN: Final = re.compile(r"[\s().\-/]")
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")


def normalised(text: str) -> str | None:
    """The number as E.164 has it; None for anything without a country code or out of shape."""
    bare = _BETWEEN.sub("", text)
    if bare.startswith("00"):
        bare = f"+{bare[2:]}"
    return bare if _NUMBER.fullmatch(bare) else None
