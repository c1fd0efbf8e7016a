"""What a PC is told besides its own secret: the broker, whom to trust, whose signatures count."""

from collections.abc import Callable
from dataclasses import dataclass

from schemas.enrolment import PcCredential, Standing, pc_user
from schemas.trust import KeysDocument


@dataclass(frozen=True, slots=True)
class PcTerms:
    """``mqtt_url`` is the broker as PCs reach it. ``keys`` is asked each time: keys rotate."""

    mqtt_url: str
    ca_pem: str = ""
    keys: Callable[[], KeysDocument | None] = lambda: None

    def standing(self, club: tuple[str, str], pc_name: str, credential: PcCredential) -> Standing:
        """How things stand for one PC of a club (id, name)."""
        club_id, club_name = club
        return Standing(
            club_id=club_id,
            pc_id=credential.pc_id,
            club_name=club_name,
            pc_name=pc_name,
            mqtt_url=self.mqtt_url,
            username=pc_user(club_id, credential.pc_id),
            ca_pem=self.ca_pem,
            keys=self.keys(),
            renew_wanted=credential.renew_wanted,
        )
