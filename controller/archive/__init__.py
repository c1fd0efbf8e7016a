"""History in SQL: every ledger transaction, event and closed session, exactly once.

Rows and the cursor they were read up to are written in one SQL transaction, so a consumer that
is killed anywhere goes on where the rows end. Redis is trimmed only behind a durable cursor.
"""

from controller.archive.consumer import ArchiveConsumer
from controller.archive.database import Archive, ArchiveError, ArchiveSlowError, open_archive

__all__ = ["Archive", "ArchiveConsumer", "ArchiveError", "ArchiveSlowError", "open_archive"]
