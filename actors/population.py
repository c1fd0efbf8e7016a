"""Counts PCs and open sessions for the gauges."""

from collections import Counter
from collections.abc import Iterable, Mapping

from actors.club import ClubSupervisor
from actors.follow_through import shown_session
from actors.rendering import use_of
from actors.workspace import Memory, Workspace
from billing_core.session import SessionState

PcLabels = tuple[str, str, str, str]
SessionLabels = tuple[str, str, str]


def population_of(
    shards: Iterable[tuple[Memory, Mapping[str, ClubSupervisor]]],
) -> tuple[Counter[PcLabels], Counter[SessionLabels]]:
    """PCs and open sessions of some shards."""
    pcs, sessions = Counter[PcLabels](), Counter[SessionLabels]()
    for memory, clubs in shards:
        _count_pcs(memory, clubs, pcs)
        for entity in memory.entities.values():
            state = entity.state
            if isinstance(state, SessionState):
                coverage = "NONE" if state.coverage is None else state.coverage.status.value
                sessions[state.club_id, state.status.value, coverage] += 1
    return pcs, sessions


def _count_pcs(memory: Memory, clubs: Mapping[str, ClubSupervisor], pcs: Counter[PcLabels]) -> None:
    workspace = Workspace(memory)
    for club_id, club in clubs.items():
        for pc_id, actor in club.pcs.items():
            pc = workspace.pc(pc_id)
            held = pc is not None and pc.hold is not None
            use = use_of(shown_session(workspace.sessions_on(pc_id)), held=held)
            zone = club.setup.zone_of_pc(pc_id).name
            pcs[club_id, zone, actor.presence.link.value, use.value] += 1
