"""The least a PC could be as a process. Alone in its module: it must not pay for our imports."""

import os


class NaivePc:
    """What a PC shows, how long it may, what it said last."""

    def __init__(self, pc_id: str) -> None:
        self._state: dict[str, object] = {"pc_id": pc_id, "covered_until_ms": 0, "rev": 0}

    def pid(self) -> int:
        """The process it lives in."""
        return os.getpid()
