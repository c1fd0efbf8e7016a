"""The broker's wire and memory: TLS only, our own authority, state that survives SIGKILL."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest
from brokers_under_test import Listener, eventually
from guarded_broker import CONTROLLER_SECRET, NOW_MS, GuardedBroker, said

from actors.host import HostIdentity
from actors.host_process import HostValues
from actors.host_process import _link_settings as link_settings_of
from actors.store_enrolment import FieldChange
from actors.store_memory import MemoryStore
from controller.broker.access import CONTROLLER_USER
from controller.broker.certificates import (
    CA_CERT,
    CertificateError,
    expires_at_ms,
    make_authority,
    make_server_certificate,
    write_issued,
)
from controller.broker.config import CONFIG, Listening, configuration
from controller.broker.follow import RulesKeeper, reload_of
from schemas.catalogue import PcDocument
from schemas.enrolment import CredentialState, PcCredential, pc_user
from schemas.link import GmqttLink
from schemas.link_port import BackoffPolicy, Credentials, Outgoing
from schemas.topics import DownLeaf, UpLeaf, club_up_filter, pc_topic

pytestmark = pytest.mark.integration

PC1, PC2 = ("arena", "pc1"), ("arena", "pc2")
CHAIN = "chain"


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GuardedBroker]:
    under_test = GuardedBroker(tmp_path, PC1, PC2)
    await under_test.start()
    yield under_test
    await under_test.aclose()


@pytest.fixture
async def brokers(tmp_path: Path) -> AsyncIterator[Callable[..., GuardedBroker]]:
    """Makes brokers that are not started yet; ended whatever happens."""
    made: list[GuardedBroker] = []

    def make(*places: tuple[str, str], **more: tuple[str, ...]) -> GuardedBroker:
        made.append(GuardedBroker(tmp_path, *places, **more))
        return made[-1]

    yield make
    for one in made:
        await one.aclose()


async def _refused(broker: GuardedBroker, words: str, **changes: object) -> None:
    link = broker.pc(PC1, **changes)
    link.start()
    await eventually(lambda: link.stats.failures)
    assert words in link.stats.last_error
    assert link.stats.connects == 0
    await link.abort()


async def test_a_refused_pc_comes_back_as_soon_as_it_has_another_secret(
    broker: GuardedBroker,
) -> None:
    """A link that is refused again and again stays away for long; the test does not wait."""
    shown = Credentials(pc_user(*PC1), "replaced")
    settings = broker.settings(
        pc_user(*PC1), tls=broker.trust(), backoff=BackoffPolicy(refused_s=60)
    )
    link = GmqttLink(
        settings,
        Listener(),
        mono_s=time.monotonic,
        random=Random(1),
        credentials=lambda: shown,
    )
    link.start()
    await eventually(lambda: link.stats.failures)
    await asyncio.sleep(1.2)
    assert link.stats.failures == 1
    shown = Credentials(pc_user(*PC1), broker.secrets[PC1])
    await eventually(lambda: link.connected)
    await link.close()


async def test_the_pcs_listener_speaks_nothing_but_tls(broker: GuardedBroker) -> None:
    await _refused(broker, "TimeoutError", tls=None, connect_timeout_s=1)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        trust = broker.trust()
        trust.minimum_version = trust.maximum_version = version
        link, _ = await broker.pc_up(PC1, tls=trust)
        await link.close()


async def test_a_tls_older_than_1_2_is_refused(broker: GuardedBroker) -> None:
    old = broker.trust()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1 is deprecated"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    await _refused(broker, "SSL", tls=old)


async def test_a_broker_of_another_authority_is_not_spoken_to(
    broker: GuardedBroker, tmp_path: Path
) -> None:
    rogue = make_authority("club", NOW_MS)
    write_issued(rogue, tmp_path / "rogue.crt", tmp_path / "rogue.key")
    await _refused(broker, "CERTIFICATE_VERIFY_FAILED", tls=broker.trust(tmp_path / "rogue.crt"))
    # The system's authorities do not know the club's broker either.
    await _refused(broker, "CERTIFICATE_VERIFY_FAILED", tls=ssl.create_default_context())


async def test_a_broker_under_another_name_is_not_spoken_to(broker: GuardedBroker) -> None:
    await _refused(broker, "mismatch, certificate is not valid", at="127.0.0.1")


async def test_a_certificate_may_name_hosts_and_addresses(
    brokers: Callable[..., GuardedBroker],
) -> None:
    both = brokers(PC1, names=("broker.lan", "localhost", "127.0.0.1", "::1"))
    await both.start()
    for host in ("localhost", "127.0.0.1"):
        link, _ = await both.pc_up(PC1, at=host)
        await link.close()


def test_certificates_say_what_is_in_the_way(tmp_path: Path) -> None:
    authority = make_authority("club", NOW_MS)
    with pytest.raises(CertificateError, match="at least one"):
        make_server_certificate(authority, [], NOW_MS)
    with pytest.raises(CertificateError, match="neither a host name"):
        make_server_certificate(authority, ["клуб"], NOW_MS)
    cert, key = tmp_path / "a.crt", tmp_path / "a.key"
    write_issued(authority, cert, key)
    with pytest.raises(CertificateError, match="exists"):
        write_issued(authority, cert, key)
    assert key.stat().st_mode & 0o777 == 0o600
    assert abs(expires_at_ms(cert.read_bytes()) - NOW_MS - 3_650 * 86_400_000) < 2_000


async def test_sigkill_takes_nothing_that_was_retained_or_queued(broker: GuardedBroker) -> None:
    controller, _ = await broker.controller()
    away, heard = await broker.pc_up(PC1)
    pc, _ = await broker.pc_up(PC2)
    await away.abort()
    desired = Outgoing(pc_topic(*PC1, DownLeaf.DESIRED), b"document", retain=True)
    presence = Outgoing(said(PC2, UpLeaf.PRESENCE), b"online", retain=True)
    for number in range(10):
        controller.publish(Outgoing(pc_topic(*PC1, DownLeaf.ACK), b"ack %d" % number))
    assert controller.publish(desired)
    assert pc.publish(presence)
    assert await controller.flush(5)
    assert await pc.flush(5)
    await asyncio.sleep(2.5)

    await broker.stop()
    await broker.start()

    away.start()
    await eventually(lambda: away.connected)
    await eventually(lambda: len(set(heard.payloads)) == 11)
    assert set(heard.payloads) == {b"document", *(b"ack %d" % number for number in range(10))}
    _, late = await broker.controller(club_up_filter("arena"), client_id="host-2")
    await eventually(lambda: (said(PC2, UpLeaf.PRESENCE), b"online", True) in late.messages)


def credential(broker: GuardedBroker, place: tuple[str, str]) -> PcCredential:
    return PcCredential(
        pc_id=place[1],
        request_id=f"r-{place[1]}",
        secret_digest="0" * 64,
        broker_hash=broker.hash_of(place),
        enrolled_at_ms=NOW_MS,
        changed_at_ms=NOW_MS,
    )


async def _store_of(broker: GuardedBroker) -> MemoryStore:
    store = MemoryStore()
    pcs = [PcDocument(pc_id=pc, club_id=club, zone_id="z", name=pc) for club, pc in (PC1, PC2)]
    await store.put(CHAIN, {f"pc:{pc.pc_id}": pc.model_dump_json().encode() for pc in pcs})
    for place in (PC1, PC2):
        await _change(store, None, credential(broker, place))
    return store


async def _change(
    store: MemoryStore, before: PcCredential | None, after: PcCredential | None
) -> None:
    stored = [None if one is None else one.model_dump_json().encode() for one in (before, after)]
    one = after or before
    assert one is not None
    assert await store.change_enrolment(CHAIN, "arena", {one.field: FieldChange(*stored)})


async def _followed(broker: GuardedBroker, store: MemoryStore) -> "asyncio.Task[None]":
    keeper = RulesKeeper(store, broker.plan.folder, reload_of(broker.plan.pid_file))
    following = asyncio.create_task(keeper.run())
    await asyncio.sleep(0.2)
    return following


@pytest.mark.parametrize("state", [CredentialState.REVOKED, CredentialState.QUARANTINED, None])
async def test_a_revoked_pc_is_gone_at_once_and_nobody_else_is(
    broker: GuardedBroker, state: CredentialState | None
) -> None:
    store = await _store_of(broker)
    following = await _followed(broker, store)
    _, victim = gone = await broker.pc_up(PC1)
    other, untouched = await broker.pc_up(PC2)

    started_s = time.monotonic()
    active = credential(broker, PC1)
    after = None if state is None else active.model_copy(update={"state": state})
    await _change(store, active, after)
    await eventually(lambda: victim.disconnects)
    took_s = time.monotonic() - started_s

    await eventually(lambda: gone[0].stats.failures)
    assert "Not authorized" in gone[0].stats.last_error
    assert took_s < 2
    assert other.connected
    assert untouched.disconnects == []
    following.cancel()


async def test_a_rotated_secret_shuts_the_old_one_out_at_once(broker: GuardedBroker) -> None:
    store = await _store_of(broker)
    following = await _followed(broker, store)
    _, old = await broker.pc_up(PC1)
    before = credential(broker, PC1)

    broker.secrets[PC1] = "a new secret of its own"
    await _change(store, before, credential(broker, PC1))

    await eventually(lambda: old.disconnects)
    fresh, _ = await broker.pc_up(PC1)
    assert fresh.connected
    following.cancel()


async def test_a_pc_out_of_the_catalogue_has_no_business_on_the_broker(
    broker: GuardedBroker,
) -> None:
    store = await _store_of(broker)
    stray = PcDocument(pc_id="pc1", club_id="closed", zone_id="z", name="pc1")
    following = await _followed(broker, store)
    _, heard = await broker.pc_up(PC1)
    await store.put(CHAIN, {"pc:pc1": stray.model_dump_json().encode()})
    await eventually(lambda: heard.disconnects)
    following.cancel()


async def test_a_controller_elsewhere_speaks_tls_too(
    brokers: Callable[..., GuardedBroker],
) -> None:
    broker = brokers(PC1)
    away = replace(broker.plan, controller=Listening("0.0.0.0", broker.controller_port))
    text = configuration(away)
    assert (configuration(broker.plan).count("certfile"), text.count("certfile")) == (1, 2)
    (away.folder / CONFIG).write_text(text.replace("0.0.0.0", "127.0.0.1"))
    await broker.start()

    user = f"{CONTROLLER_USER}:{quote(CONTROLLER_SECRET, safe='')}"
    values = HostValues(
        "h0",
        "1",
        "redis://unused",
        f"mqtts://{user}@localhost:{broker.controller_port}",
        mqtt_ca_pem=(away.folder / CA_CERT).read_text(),
    )
    identity = HostIdentity("h0", "incarnation", 1, "1")
    for trusted, is_let_in in ((values, True), (replace(values, mqtt_ca_pem=""), False)):
        link = GmqttLink(
            link_settings_of(trusted, identity), Listener(), mono_s=time.monotonic, random=Random(1)
        )
        link.start()
        await eventually(lambda link=link: link.connected or link.stats.failures)
        assert link.connected is is_let_in
        await link.abort()


async def test_a_broker_that_is_down_reads_its_rules_when_it_starts(
    brokers: Callable[..., GuardedBroker],
) -> None:
    broker = brokers()
    broker.secrets[PC1], broker.secrets[PC2] = "a" * 43, "b" * 43
    store = await _store_of(broker)
    following = await _followed(broker, store)
    await broker.start()
    link, _ = await broker.pc_up(PC1)
    assert link.connected
    following.cancel()
