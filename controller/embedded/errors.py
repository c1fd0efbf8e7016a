"""What can go wrong with a server we start ourselves.

EmbeddedError > ChildFailedError, NoServerError, PortTakenError, RefusedInProductionError,
StateFolderInUseError.
"""

from pathlib import Path


class EmbeddedError(Exception):
    """Base of this tree."""


class RefusedInProductionError(EmbeddedError):
    """Embedded servers have no replica, no backup and no password."""

    def __init__(self) -> None:
        super().__init__(
            "embedded servers are refused with CLUBCTL_ENV=production: "
            "set CLUBCTL_REDIS_URL and CLUBCTL_MQTT_URL to servers you run"
        )


class StateFolderInUseError(EmbeddedError):
    """Another process works in this state folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"another clubctl uses {folder}: stop it or choose another state folder")


class NoServerError(EmbeddedError):
    """No binary of a server was found on this machine."""


class ChildFailedError(EmbeddedError):
    """A child process ended, or did not get ready in time; the message ends with its last lines."""

    def __init__(self, name: str, what: str, log_tail: str) -> None:
        super().__init__(f"{name} {what}" + (f":\n{log_tail}" if log_tail else ""))
        self.name = name


class PortTakenError(EmbeddedError):
    """Somebody else listens where a server of this state folder was."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(f"{name} cannot start: port {port} is taken; start again for another one")
