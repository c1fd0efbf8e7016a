"""These need a Windows, and a desktop; elsewhere they are not collected. See docs/agent.md."""

import sys

collect_ignore_glob = [] if sys.platform == "win32" else ["test_*.py"]
