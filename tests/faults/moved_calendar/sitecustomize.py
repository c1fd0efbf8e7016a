"""Python loads this first where ``PYTHONPATH`` leads here: the process's calendar can be moved.

``MOVED_CALENDARS`` names a folder; its file ``pcs`` holds by how many seconds the calendar of
simulated PCs is moved, ``controller`` that of all other processes. Without a file it is not.
Steady clocks are left alone, as they are by whoever sets a machine's calendar.
"""

import os
import sys
import time
from pathlib import Path

_FOLDER = os.environ.get("MOVED_CALENDARS")
_time, _time_ns = time.time, time.time_ns


def _moved_s() -> int:
    assert _FOLDER is not None
    try:
        return int((Path(_FOLDER) / _WHOSE).read_text() or "0")
    except FileNotFoundError:
        return 0


if _FOLDER is not None:
    _WHOSE = "pcs" if "fleet" in sys.orig_argv else "controller"
    time.time = lambda: _time() + _moved_s()
    time.time_ns = lambda: _time_ns() + _moved_s() * 1_000_000_000
