"""A real Mosquitto on the configuration that clubctl writes, with the PCs a test names."""

import os
import secrets
import signal
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gmqtt
from brokers_under_test import QUICK, Listener, _ProcessUnderTest, eventually

from controller.broker.access import CONTROLLER_USER, KnownPc
from controller.broker.certificates import (
    CA_CERT,
    CA_KEY,
    SERVER_CERT,
    SERVER_KEY,
    make_authority,
    make_server_certificate,
    write_issued,
)
from controller.broker.config import (
    CONFIG,
    BrokerPlan,
    Listening,
    write_configuration,
    write_rules,
)
from controller.broker.passwords import broker_hash
from controller.embedded.state import free_port
from schemas.enrolment import pc_user
from schemas.link import GmqttLink
from schemas.link_port import Credentials, LinkSettings, Will
from schemas.topics import UpLeaf, pc_down_filter, pc_topic

CONTROLLER_SECRET = "the controller's own secret"
NOW_MS = time.time_ns() // 1_000_000

Place = tuple[str, str]


class GuardedBroker(_ProcessUnderTest):
    """``port`` is the PCs' listener (TLS); ``controller_port`` is plain on loopback."""

    name = "guarded"

    def __init__(self, folder: Path, *places: Place, names: tuple[str, ...] = ("localhost",)):
        super().__init__(folder)
        self.controller_port = free_port()
        self.plan = BrokerPlan(
            folder=folder / "conf",
            data_dir=folder / "data",
            pcs=Listening("127.0.0.1", self.port),
            controller=Listening("127.0.0.1", self.controller_port),
            max_pcs=100,
            run_as="root" if os.geteuid() == 0 else None,
        )
        self.secrets = {place: secrets.token_urlsafe(32) for place in places}
        self._configure(names)
        self.admit(*places)

    def _configure(self, names: tuple[str, ...]) -> None:
        write_configuration(self.plan, controller_secret=CONTROLLER_SECRET, salt=b"0123456789ab")
        authority = make_authority("club", NOW_MS)
        write_issued(authority, self.plan.folder / CA_CERT, self.plan.folder / CA_KEY)
        server = make_server_certificate(authority, names, NOW_MS)
        write_issued(server, self.plan.folder / SERVER_CERT, self.plan.folder / SERVER_KEY)

    def _ports(self) -> tuple[int, ...]:
        return (self.port, self.controller_port)

    def settings(self, client_id: str, **changes: Any) -> LinkSettings:
        """Where a link goes: the PCs' listener by name, unless told otherwise."""
        given: dict[str, Any] = {"at": "localhost", "port": self.port, "backoff": QUICK, **changes}
        return LinkSettings(host=given.pop("at"), client_id=client_id, **given)

    def as_controller(self) -> dict[str, Any]:
        """Settings of a link on the controller's listener."""
        credentials = Credentials(CONTROLLER_USER, CONTROLLER_SECRET)
        return {"at": "127.0.0.1", "port": self.controller_port, "credentials": credentials}

    def hash_of(self, place: Place) -> str:
        """What the broker knows of a PC's secret."""
        return broker_hash(self.secrets[place], place[1].encode().ljust(12, b"."))

    def admit(self, *places: Place) -> None:
        """Let exactly these PCs in, once the files are read."""
        write_rules(self.plan.folder, [KnownPc(*place, self.hash_of(place)) for place in places])

    def reload(self) -> None:
        """SIGHUP."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def trust(self, ca: Path | None = None) -> ssl.SSLContext:
        """What a PC trusts: the installation's authority alone."""
        return ssl.create_default_context(cafile=ca or self.plan.folder / CA_CERT)

    def pc(
        self,
        place: Place,
        host: Listener | None = None,
        *,
        will: Callable[[], Will | None] = lambda: None,
        **changes: Any,
    ) -> GmqttLink:
        """The link of a PC with its own secret."""
        user = pc_user(*place)
        given: dict[str, Any] = {
            "tls": self.trust(),
            "credentials": Credentials(user, self.secrets.get(place, "none")),
            **changes,
        }
        link = self.link(given.pop("client_id", user), host, will=will, **given)
        assert isinstance(link, GmqttLink)
        return link

    async def pc_up(self, place: Place, **changes: Any) -> tuple[GmqttLink, Listener]:
        """A connected PC that hears what is said to it."""
        heard = Listener()
        link = self.pc(place, heard, **changes)
        link.subscribe(pc_down_filter(*place))
        link.start()
        await eventually(lambda: link.connected)
        return link, heard

    async def controller(
        self, *filters: str, client_id: str = "host-1"
    ) -> tuple[GmqttLink, Listener]:
        """A link of the controller's."""
        heard = Listener()
        link = self.link(client_id, heard, **self.as_controller())
        assert isinstance(link, GmqttLink)
        for topic_filter in filters:
            link.subscribe(topic_filter)
        link.start()
        await eventually(lambda: link.connected)
        return link, heard

    def bare(self, place: Place, client_id: str | None = None, **options: Any) -> gmqtt.Client:
        """The library's own client with a PC's credentials, for what our link would never do."""
        client = gmqtt.Client(client_id or pc_user(*place), **options)
        client.set_auth_credentials(pc_user(*place), self.secrets[place])
        client.set_config({"reconnect_retries": 0})
        return client

    def _argv(self) -> list[str]:
        return ["/usr/sbin/mosquitto", "-c", str(self.plan.folder / CONFIG)]


def said(place: Place, leaf: UpLeaf = UpLeaf.HEARTBEAT) -> str:
    """A topic of a PC's own."""
    return pc_topic(*place, leaf)
