"""Whether balances, ledger, archive, sessions and receipts agree; the rows that differ.

It may run while clubs are open: state is read at one instant, and the streams only grow.
"""

from controller.verify.books import ArchivedHistory, Row
from controller.verify.report import Report, verify, verify_chain

__all__ = ["ArchivedHistory", "Report", "Row", "verify", "verify_chain"]
