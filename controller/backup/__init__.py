"""A whole installation in one file: every chain's store and archive, checked to the byte."""

from controller.backup.backup_file import BackupError
from controller.backup.replaying import Replayed, replay
from controller.backup.restoring import restore
from controller.backup.taking import back_up

__all__ = ["BackupError", "Replayed", "back_up", "replay", "restore"]
