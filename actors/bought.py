"""What a holder has bought, as stored among the chain's documents."""

from collections.abc import Sequence
from typing import Final

import orjson

from billing_core.player_tariff import PlayerTariff
from billing_core.stored import StoredKind, StoredValueError, player_tariff_from_dict, unchanged

DOCUMENT_VERSION: Final = 1
BOUGHT: Final = StoredKind(DOCUMENT_VERSION, {0: unchanged})


def bought_blob(owned: Sequence[PlayerTariff]) -> bytes:
    """The document: ``{"v", "player_tariffs"}``."""
    return orjson.dumps({"v": DOCUMENT_VERSION, "player_tariffs": owned})


def read_bought(blob: bytes) -> tuple[PlayerTariff, ...]:
    """Inverse of :func:`bought_blob`. Raises StoredValueError.

    Before documents of this kind had a version they were the list alone.
    """
    document = orjson.loads(blob)
    if isinstance(document, list):
        document = {"v": 0, "player_tariffs": document}
    document = BOUGHT.upgraded(document)
    for name in document.keys() - {"v", "player_tariffs"}:
        raise StoredValueError(name, "unknown field")
    return tuple(map(player_tariff_from_dict, document["player_tariffs"]))
