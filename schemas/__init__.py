"""The wire: every message that leaves a process, its topic, version and size limit."""
