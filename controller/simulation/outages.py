"""What was given back for time in which a PC did not serve, held against what the PC really did."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from controller.simulation.credits import CREDITED
from controller.simulation.world import World

UNSURE_REAL_MS: Final = 6_000
"""A PC's clock is tied to the controller's by messages that take up to two seconds, by hosts
whose clocks are off; and it is looked at every second."""
UNSURE_MS: Final = 15_000
"""A power cut forgets up to ten seconds of what was served."""
PROPOSED: Final = "PROPOSED"

Document = Mapping[str, Any]


def unserved_violations(world: World, sessions: Mapping[str, Document]) -> Iterator[str]:
    """Time that came back, or would if staff agreed, is no time in which the PC was seen to
    serve that very session."""
    unsure_ms = UNSURE_MS + int(UNSURE_REAL_MS * world.business.speed)
    for name, session in sessions.items():
        for outage in session["outages"]:
            if outage["status"] not in (CREDITED, PROPOSED):
                continue
            from_ms, until_ms = outage["from_ms"] + unsure_ms, outage["until_ms"] - unsure_ms
            for at_ms, served in world.pcs[outage["pc_id"]].served:
                if served == name and from_ms < at_ms < until_ms:
                    number, verdict = outage["number"], outage["verdict"]
                    yield f"{name} outage {number} {verdict}: it was served at {at_ms}"
                    break
