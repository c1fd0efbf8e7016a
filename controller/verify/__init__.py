"""Whether balances, ledger, archive, sessions and receipts agree; the rows that differ.

It may run while clubs are open: each piece of state is read at one instant, and history up to it.
"""

from controller.verify.books import Row
from controller.verify.comparing import differences, missing_rows
from controller.verify.report import Report, verify, verify_chain

__all__ = ["Report", "Row", "differences", "missing_rows", "verify", "verify_chain"]
