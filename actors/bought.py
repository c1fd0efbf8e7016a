"""What a holder has bought, as stored among the chain's documents."""

from collections.abc import Sequence
from typing import Final

import orjson

from billing_core.player_tariff import PlayerTariff
from billing_core.stored import StoredValueError, player_tariff_from_dict

DOCUMENT_VERSION: Final = 1


def bought_blob(owned: Sequence[PlayerTariff]) -> bytes:
    """The document: ``{"v", "player_tariffs"}``."""
    return orjson.dumps({"v": DOCUMENT_VERSION, "player_tariffs": owned})


def read_bought(blob: bytes) -> tuple[PlayerTariff, ...]:
    """Inverse of :func:`bought_blob`. Raises StoredValueError.

    Before documents of this kind had a version they were the list alone.
    """
    document = orjson.loads(blob)
    if isinstance(document, list):
        document = {"v": DOCUMENT_VERSION, "player_tariffs": document}
    if document["v"] != DOCUMENT_VERSION:
        raise StoredValueError("v", f"unknown version {document['v']!r}")
    return tuple(map(player_tariff_from_dict, document["player_tariffs"]))
