"""Which PCs a chain's clubs have, as enrolment needs to know them."""

from collections.abc import Mapping
from typing import Final

from schemas.catalogue import PcAdministrativeState, PcDocument

_PC: Final = "pc:"


def halls_of(catalogue: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    """Club id -> the PCs in service there, id -> name."""
    halls: dict[str, dict[str, str]] = {}
    for name, document in catalogue.items():
        if not name.startswith(_PC):
            continue
        pc = PcDocument.model_validate_json(document)
        if pc.state is PcAdministrativeState.IN_SERVICE:
            halls.setdefault(pc.club_id, {})[pc.pc_id] = pc.name
    return halls
