"""Counts PCs and open sessions for the gauges."""

from collections import Counter
from collections.abc import Mapping

from actors.club import ClubSupervisor
from actors.follow_through import shown_session
from actors.rendering import use_of
from actors.workspace import Memory, Workspace
from billing_core.session import SessionState

PcLabels = tuple[str, str, str, str]
SessionLabels = tuple[str, str, str]


def count_population(
    memory: Memory,
    clubs: Mapping[str, ClubSupervisor],
    *,
    pcs: Counter[PcLabels],
    sessions: Counter[SessionLabels],
) -> None:
    """Add a shard's PCs and open sessions to the counts."""
    workspace = Workspace(memory)
    for club_id, club in clubs.items():
        for pc_id, actor in club.pcs.items():
            pc = workspace.pc(pc_id)
            held = pc is not None and pc.hold is not None
            use = use_of(shown_session(workspace.sessions_on(pc_id)), held=held)
            zone = club.setup.zone_of_pc(pc_id).name
            pcs[club_id, zone, actor.presence.link.value, use.value] += 1
    for entity in memory.entities.values():
        state = entity.state
        if isinstance(state, SessionState):
            coverage = "NONE" if state.coverage is None else state.coverage.status.value
            sessions[state.club_id, state.status.value, coverage] += 1
