"""Servers and processes that one parent starts on this machine, for a demo or a test.

Everything listens on loopback, keeps its data, its logs and its port in one state folder, and
ends with its parent, even when the parent is killed. Refused in production.
"""

from controller.embedded.broker import EmbeddedBroker
from controller.embedded.child import ChildProcess
from controller.embedded.errors import (
    ChildFailedError,
    EmbeddedError,
    NoServerError,
    PortTakenError,
    RefusedInProductionError,
    StateFolderInUseError,
)
from controller.embedded.state import StateFolder
from controller.embedded.valkey import EmbeddedValkey

__all__ = [
    "StateFolder",
    "EmbeddedValkey",
    "EmbeddedBroker",
    "ChildProcess",
    "EmbeddedError",
    "ChildFailedError",
    "NoServerError",
    "PortTakenError",
    "RefusedInProductionError",
    "StateFolderInUseError",
]
