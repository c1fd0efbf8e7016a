"""What an agent asks of the operating system: which boot this is, and a restart."""

import subprocess
import sys
import uuid
from pathlib import Path
from typing import Final

_LINUX_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """The same for every agent started within one boot, where the system tells; else unique.

    Where it does not tell, a restart of the agent counts as a reboot: up to
    ``agent.PERSIST_EVERY_MS`` of consumed time is then not counted.
    """
    try:
        return _LINUX_BOOT_ID.read_text().strip()
    except OSError:
        return str(uuid.uuid4())


def reboot() -> None:
    """Restart the machine. Raises ``subprocess.CalledProcessError`` when it is not allowed to."""
    argv = ["shutdown", "/r", "/t", "0"] if sys.platform == "win32" else ["systemctl", "reboot"]
    subprocess.run(argv, check=True)  # noqa: S603 - fixed words
