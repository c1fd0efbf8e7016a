"""Topics and device messages: what goes out comes back, what is wrong is named and dropped."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from schemas.codec import (
    MAX_DESIRED_BYTES,
    MAX_DOWN_BYTES,
    MAX_UP_BYTES,
    MESSAGE_OF_LEAF,
    MalformedCode,
    MalformedMessage,
    decode,
    decode_as,
    encode,
)
from schemas.device import (
    MAX_USAGE_BATCH,
    AgentFault,
    Birth,
    CommandOutcome,
    ControllerState,
    CoverageLease,
    DesiredDocument,
    DeviceCommand,
    DeviceCommandKind,
    DeviceCommandResult,
    DocumentVersion,
    Echo,
    Heartbeat,
    PcMode,
    Presence,
    PresenceReason,
    PresenceState,
    Reported,
    UsageAck,
    UsageBatch,
    UsageEnd,
    UsageRecord,
    WarningLevel,
)
from schemas.journal_events import JournalEvent, JournalEventKind
from schemas.machine_facts import HardwareFacts
from schemas.topics import (
    DownLeaf,
    Leaf,
    PcTopic,
    UpLeaf,
    club_up_filter,
    echo_topic,
    parse_pc_topic,
    pc_down_filter,
    pc_topic,
)
from schemas.trust import KeysDocument, PublicKeyEntry, Welcome

LEAVES: list[Leaf] = [*DownLeaf, *UpLeaf]
WIDE = 2**53
ID = "x" * 64
SIGNATURE = "A" * 86 + "=="

LEASE = CoverageLease(
    lease_id=ID,
    pc_id=ID,
    session_id=ID,
    seq=WIDE,
    epoch=WIDE,
    issued_at_ms=WIDE,
    duration_ms=10**10,
    hard_stop_at_ms=WIDE,
    offline_max_ms=10**10,
    chain_id=ID,
    club_id=ID,
    kid=ID,
    signature=SIGNATURE,
)
LARGEST_DOCUMENT = DesiredDocument(
    epoch=WIDE,
    rev=WIDE,
    mode=PcMode.UNLOCKED,
    session_id=ID,
    title="\x01" * 80,
    message="\x01" * 280,
    player_label="\x01" * 64,
    ends_at_ms=WIDE,
    warning=WarningLevel.NEEDS_ATTENTION,
    warn_before_ms=(10**10,) * 4,
    lease=LEASE,
)
RECORD = UsageRecord(
    boot_id=ID,
    seq=WIDE,
    session_id=ID,
    lease_id=ID,
    started_boot_ms=WIDE,
    ended_boot_ms=WIDE,
    started_at_ms=WIDE,
    ended_at_ms=WIDE,
    end=UsageEnd.INTERRUPTED,
)
EVENT = JournalEvent(
    boot_id=ID,
    seq=WIDE,
    kind=JournalEventKind.SCREEN_RESTARTED,
    started_boot_ms=WIDE,
    ended_boot_ms=WIDE,
    started_at_ms=WIDE,
    ended_at_ms=WIDE,
    session_id=ID,
    detail="d" * 64,
)
HARDWARE = HardwareFacts(
    cpu_percent=7, memory_percent=50, gpu_percent=99, cpu_celsius=71, gpu_celsius=80
)
LARGEST_ORDER = DeviceCommand(
    cmd_id=ID,
    kind=DeviceCommandKind.SHUTDOWN,
    not_after_ms=WIDE,
    text="\x01" * 280,
    duration_ms=10**10,
    mac="00:11:22:aa:bb:ff",
    code_hash="h" * 200,
    kid=ID,
    signature=SIGNATURE,
)
KEYS = KeysDocument(
    version=WIDE,
    keys=tuple(PublicKeyEntry(kid=f"{n}{ID[1:]}", public="A" * 43 + "=") for n in range(4)),
    kid=ID,
    signature=SIGNATURE,
)
EXAMPLES: dict[Leaf, BaseModel] = {
    DownLeaf.DESIRED: LARGEST_DOCUMENT,
    DownLeaf.CMD: DeviceCommand(
        cmd_id="c1", kind=DeviceCommandKind.MESSAGE, not_after_ms=1, text="Пицца готова 🍕"
    ),
    DownLeaf.ACK: UsageAck(boot_id="b", seq=1),
    DownLeaf.WELCOME: Welcome(
        nonce="0f" * 16, at_ms=WIDE, epoch=WIDE, rev=WIDE, kid=ID, signature=SIGNATURE
    ),
    DownLeaf.KEYS: KEYS,
    UpLeaf.BIRTH: Birth(boot_id="b", connection_epoch=1, agent_version="1.0", mode=PcMode.LOCKED),
    UpLeaf.PRESENCE: Presence(
        state=PresenceState.OFFLINE, reason=PresenceReason.CONNECTION_LOST, connection_epoch=1
    ),
    UpLeaf.HEARTBEAT: Heartbeat(
        seq=1,
        connection_epoch=1,
        applied=DocumentVersion(1, 2),
        mode=PcMode.LOCKED,
        nonce="0f" * 16,
        keys_version=1,
        hardware=HARDWARE,
    ),
    UpLeaf.REPORTED: Reported(
        connection_epoch=1, mode=PcMode.LOCKED, errors=(AgentFault.LEASE_ENDED,), at_ms=1
    ),
    UpLeaf.USAGE: UsageBatch(connection_epoch=1, records=(RECORD,) * MAX_USAGE_BATCH),
    UpLeaf.RESULT: DeviceCommandResult(cmd_id="c1", outcome=CommandOutcome.DONE),
}


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_leaf_has_a_message_that_survives_the_wire(leaf: Leaf) -> None:
    message = EXAMPLES[leaf]
    assert type(message) is MESSAGE_OF_LEAF[leaf]
    assert decode(leaf, encode(message)) == message


@pytest.mark.parametrize(
    "message", [ControllerState(epoch=1, online=True), Echo(seq=1, sent_mono_ms=2)]
)
def test_controller_messages_survive_the_wire(message: BaseModel) -> None:
    assert decode_as(type(message), encode(message)) == message


def test_the_largest_messages_fit_their_limits() -> None:
    assert len(encode(LARGEST_DOCUMENT)) <= MAX_DESIRED_BYTES
    assert len(encode(EXAMPLES[UpLeaf.USAGE])) <= MAX_UP_BYTES
    half = MAX_USAGE_BATCH // 2
    mixed = UsageBatch(connection_epoch=WIDE, records=(RECORD,) * half, events=(EVENT,) * half)
    assert len(encode(mixed)) <= MAX_UP_BYTES
    assert len(encode(LARGEST_ORDER)) <= MAX_DOWN_BYTES


@pytest.mark.parametrize("count", [(0, 0), (MAX_USAGE_BATCH, 1)])
def test_a_batch_is_neither_empty_nor_larger_than_agreed(count: tuple[int, int]) -> None:
    records, events = count
    with pytest.raises(ValueError, match="1 to 16"):
        UsageBatch(connection_epoch=1, records=(RECORD,) * records, events=(EVENT,) * events)


def test_the_newest_of_a_batch_is_the_last_of_records_and_events() -> None:
    event = EVENT.model_copy(update={"boot_id": "b2", "seq": 7})
    record = RECORD.model_copy(update={"boot_id": "b1", "seq": 6})
    batch = UsageBatch(connection_epoch=1, records=(record,), events=(event,))
    assert batch.newest == ("b2", 7)


def test_each_key_of_a_list_has_a_name_of_its_own() -> None:
    twice = (PublicKeyEntry(kid="k1", public="A" * 43 + "="),) * 2
    with pytest.raises(ValueError, match="each kid"):
        KeysDocument(version=1, keys=twice)


@pytest.mark.parametrize(
    ("payload", "code", "detail"),
    [
        (b"", MalformedCode.NOT_JSON, "not JSON"),
        (b"{", MalformedCode.NOT_JSON, "not JSON"),
        (b"\xff", MalformedCode.NOT_JSON, "not JSON"),
        (b"[1]", MalformedCode.INVALID_FIELD, "message: model_type"),
        (b'{"v": 2, "seq": 1}', MalformedCode.UNSUPPORTED_VERSION, "v"),
        (b'{"v": "1"}', MalformedCode.UNSUPPORTED_VERSION, "v"),
        (b'{"seq": "1", "connection_epoch": 1}', MalformedCode.INVALID_FIELD, "seq: int_type"),
        (
            b'{"seq": -1, "connection_epoch": 1}',
            MalformedCode.INVALID_FIELD,
            "seq: greater_than_equal",
        ),
        (b'{"seq": 1, "connection_epoch": 1}', MalformedCode.INVALID_FIELD, "mode: missing"),
        (b" " * (MAX_UP_BYTES + 1), MalformedCode.OVERSIZED, "8193 > 8192 bytes"),
    ],
)
def test_a_malformed_heartbeat_names_its_fault_and_never_its_content(
    payload: bytes, code: MalformedCode, detail: str
) -> None:
    with pytest.raises(MalformedMessage) as caught:
        decode(UpLeaf.HEARTBEAT, payload)
    assert (caught.value.code, caught.value.detail) == (code, detail)


@given(leaf=st.sampled_from(LEAVES), payload=st.binary(max_size=200))
def test_decoding_anything_answers_or_raises_one_error(leaf: Leaf, payload: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        message = decode(leaf, payload)
        assert decode(leaf, encode(message)) == message


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_decoding_any_json_answers_or_raises_one_error(document: object) -> None:
    with pytest.raises(MalformedMessage):
        decode(UpLeaf.REPORTED, json.dumps({"body": document}).encode())


def test_unknown_fields_are_ignored_so_that_either_end_may_be_upgraded_first() -> None:
    body = json.loads(encode(EXAMPLES[UpLeaf.HEARTBEAT])) | {"from_the_future": 1}
    assert decode(UpLeaf.HEARTBEAT, json.dumps(body).encode()) == EXAMPLES[UpLeaf.HEARTBEAT]


@pytest.mark.parametrize("missing", ["session_id", "lease"])
def test_an_unlocking_document_without_session_or_lease_is_malformed(missing: str) -> None:
    body = json.loads(encode(LARGEST_DOCUMENT))
    del body[missing]
    with pytest.raises(MalformedMessage, match="invalid-field"):
        decode(DownLeaf.DESIRED, json.dumps(body).encode())


def test_documents_are_ordered_by_epoch_first() -> None:
    assert DocumentVersion(1, 9) < DocumentVersion(2, 0) < DocumentVersion(2, 1)


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_topic_is_parsed_to_what_it_was_built_from(leaf: Leaf) -> None:
    topic = pc_topic("berlin-1", "pc_07", leaf)
    assert parse_pc_topic(topic) == PcTopic("berlin-1", "pc_07", leaf)


def test_topics_are_spelled_as_documented() -> None:
    assert pc_topic("c", "p", DownLeaf.DESIRED) == "clubctl/v1/c/pc/p/down/desired"
    assert pc_topic("c", "p", UpLeaf.HEARTBEAT) == "clubctl/v1/c/pc/p/up/hb"
    assert club_up_filter("c") == "clubctl/v1/c/pc/+/up/+"
    assert pc_down_filter("c", "p") == "clubctl/v1/c/pc/p/down/+"
    assert echo_topic("host-1") == "clubctl/v1/ctl/host-1/echo"


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "clubctl/v1",
        "clubctl/v2/c/pc/p/up/hb",
        "clubctl/v1/c/pc/p/up/unknown",
        "clubctl/v1/c/pc/p/down/hb",
        "clubctl/v1/c/kiosk/p/up/hb",
        "clubctl/v1/c/pc/p/up/hb/more",
        "clubctl/v1//pc/p/up/hb",
        "clubctl/v1/c c/pc/p/up/hb",
        "clubctl/v1/c/pc/-p/up/hb",
        f"clubctl/v1/{'c' * 65}/pc/p/up/hb",
        "clubctl/v1/ctl/h1/echo",
    ],
)
def test_a_topic_that_is_not_ours_is_none(topic: str) -> None:
    assert parse_pc_topic(topic) is None


@pytest.mark.parametrize("bad", ["", "+", "#", "a/b", "a b", "ä", "-a", "a" * 65])
def test_an_id_unfit_for_a_topic_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="topic level"):
        pc_topic(bad, "p", UpLeaf.HEARTBEAT)
    with pytest.raises(ValueError, match="topic level"):
        club_up_filter(bad)
