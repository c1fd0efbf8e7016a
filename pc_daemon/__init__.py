"""The agent on a gaming PC: obeys a desired document and its lease, whoever else is dead."""
