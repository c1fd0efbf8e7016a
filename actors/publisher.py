"""What PCs are told on its way out, and how long a PC takes to obey."""

from typing import Final

from actors.clock import Clock
from actors.device_signing import DeviceSigner
from actors.telemetry import Telemetry
from actors.turn import AcknowledgeUsage, CommandDevice, DeviceEffect, PcInput, PublishDesired
from schemas.codec import encode
from schemas.deliveries import pc_message
from schemas.device import DesiredDocument
from schemas.link_port import MqttLink
from schemas.topics import DownLeaf

SLOWEST_COUNTED_MS: Final = 60_000
"""A PC that was away obeys when it returns; that is not the latency of a command."""

HELD_S: Final = 10.0
"""A host that stood still for longer may have been replaced; what its link still held would come
after the new owner's word, and stay. PCs that miss a document show it with their next beat."""

_PcKey = tuple[str, str]


class DevicePublisher:
    """Hands documents to the link, which keeps the newest per PC until the broker has it.

    A document the link cannot take is not kept here: the PC's next heartbeat shows that it
    obeys another one, and the newest is published again.
    """

    def __init__(
        self, link: MqttLink, *, clock: Clock, telemetry: Telemetry, signer: DeviceSigner
    ) -> None:
        self._link = link
        self._signer = signer
        self._clock = clock
        self._telemetry = telemetry
        self._sent: dict[_PcKey, tuple[tuple[int, int], int]] = {}

    def publish(self, effect: DeviceEffect, chain_id: str | None = None) -> None:
        """Send what a turn wants a PC of this chain to be told."""
        match effect:
            case AcknowledgeUsage():
                self._acknowledge(effect)
            case CommandDevice():
                self._order(effect)
            case PublishDesired():
                self._desire(effect, chain_id)

    def _acknowledge(self, effect: AcknowledgeUsage) -> None:
        """One that is lost is made up for: the PC offers its records again."""
        pc = (effect.club_id, effect.pc_id)
        taken = self._link.publish(pc_message(pc, DownLeaf.ACK, encode(effect.ack)))
        self._telemetry.usage_acks.labels("sent" if taken else "refused").inc()

    def _order(self, effect: CommandDevice) -> None:
        """Sent once, signed: one that is lost is told to be without an answer, not repeated."""
        pc = (effect.club_id, effect.pc_id)
        command = self._signer.order(effect.command, pc)
        message = pc_message(pc, DownLeaf.CMD, encode(command), held_s=HELD_S)
        taken = self._link.publish(message)
        self._telemetry.pc_commands.labels("sent" if taken else "refused").inc()

    def _desire(self, effect: PublishDesired, chain_id: str | None) -> None:
        """Send a document, retained, with its lease signed."""
        key = (effect.club_id, effect.pc_id)
        version = (effect.document.epoch, effect.document.rev)
        pending = self._sent.get(key)
        if effect.changed and (pending is None or pending[0] != version):
            self._sent[key] = (version, self._clock.mono_ms())
        document = self._signed(effect.document, chain_id)
        message = pc_message(key, DownLeaf.DESIRED, encode(document), held_s=HELD_S)
        taken = self._link.publish(message)
        self._telemetry.desired.labels("sent" if taken else "refused").inc()

    def _signed(self, document: DesiredDocument, chain_id: str | None) -> DesiredDocument:
        if document.lease is None:
            return document
        lease = document.lease.model_copy(update={"chain_id": chain_id})
        return document.model_copy(update={"lease": self._signer.lease(lease)})

    def heard(self, heard: PcInput) -> None:
        """A PC says what it obeys: if it is the newest document, that took this long."""
        if heard.applied is None or heard.applied.version is None:
            return
        pending = self._sent.get((heard.club_id, heard.pc_id))
        if pending is None or heard.applied.version < pending[0]:
            return
        del self._sent[(heard.club_id, heard.pc_id)]
        latency_ms = max(0, heard.received_mono_ms - pending[1])
        if latency_ms <= SLOWEST_COUNTED_MS:
            self._telemetry.command_to_pc.observe(latency_ms / 1_000)
