"""Players of a chain, found by name or phone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from actors.clock import Clock
from actors.store import ReadModels, StoredEntity
from controller.api.phones import normalised
from controller.readable import readable
from schemas.catalogue import PlayerDocument

MAX_PLAYERS_FOUND: Final = 20
FRESH_FOR_MS: Final = 1_000
_KEY_PREFIX: Final = "player:"


@dataclass(frozen=True, slots=True)
class _Held:
    stored: Sequence[StoredEntity]
    parsed: tuple[PlayerDocument, ...]
    read_at_ms: int


class Players:
    """The chains' players; a search reads a chain's at most once a second."""

    def __init__(self, store: ReadModels, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._held: dict[str, _Held] = {}

    async def exists(self, chain_id: str, player_id: str) -> bool:
        """Whether the chain has this player."""
        key = _KEY_PREFIX + player_id
        return key in await self._store.documents(chain_id, [key])

    async def labels(self, chain_id: str, player_ids: Iterable[str]) -> Mapping[str, str]:
        """What these players are called; whoever is unknown is left out."""
        keys = [_KEY_PREFIX + player_id for player_id in player_ids]
        found = await self._store.documents(chain_id, keys) if keys else {}
        stored = (PlayerDocument.model_validate_json(one.blob) for one in found.values())
        return {player.player_id: player.label for player in stored}

    async def holder_of_phone(self, chain_id: str, phone: str) -> str | None:
        """The player whose number this is, however it was written down, as of a second ago."""
        for player in await self._known(chain_id):
            if player.phone is not None and normalised(player.phone) == phone:
                return player.player_id
        return None

    def forget(self, chain_id: str) -> None:
        """A player was edited here: whoever asks next reads them again."""
        self._held.pop(chain_id, None)

    async def matching(self, chain_id: str, query: str) -> tuple[str, ...]:
        """Ids of every player whose label or phone contains the query."""
        wanted = query.strip().casefold()
        digits = "".join(character for character in wanted if character.isdigit())
        known = await self._known(chain_id)
        return tuple(one.player_id for one in known if _matches(one, wanted, digits))

    async def find(self, chain_id: str, query: str) -> tuple[PlayerDocument, ...]:
        """Players whose label or phone contains the query, by label; one more than a page."""
        wanted = query.strip().casefold()
        digits = "".join(character for character in wanted if character.isdigit())
        known = await self._known(chain_id)
        found = [player for player in known if _matches(player, wanted, digits)]
        return tuple(found[: MAX_PLAYERS_FOUND + 1])

    async def _known(self, chain_id: str) -> tuple[PlayerDocument, ...]:
        held = self._held.get(chain_id)
        now_ms = self._clock.mono_ms()
        if held is not None and now_ms - held.read_at_ms < FRESH_FOR_MS:
            return held.parsed
        stored = await self._store.documents_by_prefix(chain_id, _KEY_PREFIX)
        if held is not None and stored == held.stored:
            parsed = held.parsed
        else:
            players = (player for _, player in readable(stored, _player_of))
            parsed = tuple(sorted(players, key=lambda player: player.label.casefold()))
        self._held[chain_id] = _Held(stored, parsed, now_ms)
        return parsed


def _player_of(stored: StoredEntity) -> PlayerDocument:
    return PlayerDocument.model_validate_json(stored.blob)


def _matches(player: PlayerDocument, wanted: str, digits: str) -> bool:
    if wanted in player.label.casefold() or wanted == player.player_id.casefold():
        return True
    phone = "".join(character for character in player.phone or "" if character.isdigit())
    return bool(digits) and digits in phone
