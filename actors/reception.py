"""What PCs ask in their births and heartbeats, answered at once: the time, and newer keys.

Nothing here is decided or stored. An answer that is lost is asked for again with the next beat.
"""

from typing import Final

from actors.clock import Clock
from actors.device_signing import DeviceSigner, PcName
from schemas.codec import UpMessage, encode
from schemas.deliveries import pc_message
from schemas.device import Birth, DocumentVersion, Heartbeat
from schemas.link_port import MqttLink
from schemas.topics import DownLeaf, PcTopic
from schemas.trust import KeysDocument, Welcome

KEYS_AGAIN_MS: Final = 5_000
"""A PC gets the next keys this seldom, however often it says that it has older ones."""


class Reception:
    """One for a host; ``newest`` is the version of the newest document of a PC."""

    def __init__(self, link: MqttLink, clock: Clock, signer: DeviceSigner) -> None:
        self._link = link
        self._clock = clock
        self._signer = signer
        self._versions: dict[PcName, int] = {}
        self._told_at_ms: dict[PcName, int] = {}

    def answer(self, address: PcTopic, message: UpMessage, newest: DocumentVersion) -> None:
        """Answer what a message asks, if it asks anything."""
        if not isinstance(message, Birth | Heartbeat):
            return
        pc = (address.club_id, address.pc_id)
        if message.nonce is not None:
            welcome = Welcome(
                nonce=message.nonce,
                at_ms=self._clock.wall_ms(),
                epoch=newest.epoch,
                rev=newest.rev,
            )
            self._send(pc, DownLeaf.WELCOME, self._signer.welcome(welcome, pc))
        if message.keys_version is not None:
            self._versions[pc] = message.keys_version
            self._bring_up_to_date(pc)

    def refresh(self) -> None:
        """When the keys have changed, tell every PC heard here before it meets the new one."""
        if self._signer.refresh():
            self._told_at_ms.clear()
            for pc in list(self._versions):
                self._bring_up_to_date(pc)

    def _bring_up_to_date(self, pc: PcName) -> None:
        document = self._signer.keys_after(self._versions[pc])
        now_ms = self._clock.mono_ms()
        told_at_ms = self._told_at_ms.get(pc)
        if document is None:
            self._told_at_ms.pop(pc, None)
        elif told_at_ms is None or now_ms - told_at_ms >= KEYS_AGAIN_MS:
            self._told_at_ms[pc] = now_ms
            self._send(pc, DownLeaf.KEYS, document)

    def _send(self, pc: PcName, leaf: DownLeaf, message: Welcome | KeysDocument) -> None:
        self._link.publish(pc_message(pc, leaf, encode(message)))
