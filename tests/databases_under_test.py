"""SQL databases for tests: SQLite files, and a real PostgreSQL that the tests start themselves."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg

from controller.embedded.state import free_port

DATABASES = ("sqlite", "postgresql")
PASSWORD = "only-in-tests"
START_S = 60.0

Urls = Callable[[str], str]
"""A database's name to the URL of that database, made empty when it is asked for first."""


def _binary(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = next((str(one / name) for one in folders if (one / name).exists()), None)
    found = found or shutil.which(name)
    assert found is not None, f"install postgresql: the suite runs on it beside SQLite ({name})"
    return found


def _as_a_user(folder: Path) -> list[str]:
    """PostgreSQL refuses root: what to put before its commands, and who owns the folder."""
    if os.getuid() != 0:
        return []
    user = "postgres" if _exists("postgres") else "nobody"
    shutil.chown(folder, user)
    return [shutil.which("setpriv") or "setpriv", f"--reuid={user}", "--clear-groups", "--"]


def _exists(user: str) -> bool:
    return subprocess.run(["id", user], capture_output=True, check=False).returncode == 0


@dataclass
class PostgresUnderTest:
    """A cluster of its own on 127.0.0.1; it can be killed and started again."""

    folder: Path
    port: int = field(default_factory=free_port)
    _process: "subprocess.Popen[bytes] | None" = None
    _names: "count[int]" = field(default_factory=count)

    def create(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        before = _as_a_user(self.folder)
        if before:
            shutil.chown(secret, self.folder.owner())
        options = ["-A", "scram-sha-256", "-U", "clubctl", f"--pwfile={secret}", "-E", "UTF8"]
        command = [*before, _binary("initdb"), "-D", str(self.data), "--no-locale", *options]
        subprocess.run(command, cwd=self.folder, capture_output=True, check=True)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        options = ["-p", str(self.port), "-h", "127.0.0.1", "-k", ""]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_a_user(self.folder), _binary("postgres"), "-D", str(self.data), *options],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until_s = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < until_s, (self.folder / "log").read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            self._connection().close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """``kill -9`` of the server and of everything it started."""
        assert self._process is not None
        for group in self._groups():
            # Some end by themselves when the server is gone.
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self._process.wait()
        self._process = None
        self.data.joinpath("postmaster.pid").unlink(missing_ok=True)

    def _groups(self) -> list[int]:
        """The server's own session; each of its children leads a group in it."""
        assert self._process is not None
        groups = {self._process.pid}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parts = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(parts[3]) == self._process.pid or int(parts[1]) == self._process.pid:
                groups.add(int(parts[2]))
        return sorted(groups)

    def url(self, name: str) -> str:
        """The URL of a database, made when it is not there yet."""
        with self._connection() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if known.fetchone() is None:
                connection.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql+psycopg://clubctl:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def urls(self) -> Urls:
        """Names of databases that nobody else uses."""
        mine = f"t{next(self._names)}"
        return lambda name: self.url(f"{mine}_{name}")

    def _connection(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="clubctl",
            password=PASSWORD,
            dbname="postgres",
            autocommit=True,
            connect_timeout=10,
        )


@contextmanager
def running_postgres() -> Iterator[PostgresUnderTest]:
    """A new cluster; its folder is outside the tests' own, where only this user may look."""
    folder = Path(tempfile.mkdtemp(prefix="clubctl-postgres-"))
    server = PostgresUnderTest(folder)
    try:
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder)


def sqlite_urls(folder: Path) -> Urls:
    """SQLite files in a folder."""
    return lambda name: f"sqlite:///{folder / f'{name}.db'}"
