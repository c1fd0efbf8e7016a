"""Who may touch what this agent makes on Windows: files, its folder, and the screen's process."""

import sys
from typing import TYPE_CHECKING, Final

PRIVATE: Final = "D:P(A;;FA;;;SY)(A;;FA;;;BA)"
"""A file of SYSTEM and the administrators; nothing is inherited."""
PRIVATE_FOLDER: Final = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
SCREEN: Final = "O:SYG:SYD:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;0x101000;;;IU)"
"""Who sits at the PC may see that the process is there and wait for its end, not end it."""
SCREEN_MAKES: Final = "D:(A;;GA;;;SY)(A;;GA;;;BA)"
"""Its threads, and the Python that a virtual environment's starts in its turn."""

if sys.platform == "win32":
    import msvcrt
    import os
    from pathlib import Path
    from typing import IO

    import ntsecuritycon
    import pywintypes
    import win32con
    import win32file
    import win32security

    if TYPE_CHECKING:
        from _win32typing import PySECURITY_ATTRIBUTES, PySECURITY_DESCRIPTOR

    def new_private_file(path: Path) -> IO[bytes]:
        """A new file that was never open to anybody else. Raises ``OSError``."""
        try:
            handle = win32file.CreateFile(
                str(path),
                win32con.GENERIC_WRITE,
                0,
                attributes(PRIVATE),
                win32con.CREATE_NEW,
                win32con.FILE_ATTRIBUTE_NORMAL,
                None,
            )
        except pywintypes.error as error:
            raise PermissionError(f"{path}: {error.strerror}") from error
        return os.fdopen(msvcrt.open_osfhandle(int(handle.Detach()), os.O_WRONLY), "wb")

    def shut_folder(path: Path) -> None:
        """Make a folder, and what is in it, SYSTEM's and the administrators'. Raises ``OSError``.

        Left to what it inherits, players could put files of their own into it.
        """
        path.mkdir(parents=True, exist_ok=True)
        descriptor = _descriptor(PRIVATE_FOLDER)
        what = win32security.DACL_SECURITY_INFORMATION
        what |= win32security.PROTECTED_DACL_SECURITY_INFORMATION
        try:
            win32security.SetNamedSecurityInfo(
                str(path),
                win32security.SE_FILE_OBJECT,
                what,
                None,
                None,
                descriptor.GetSecurityDescriptorDacl(),
                None,
            )
        except pywintypes.error as error:
            raise PermissionError(f"{path} could not be shut: {error.strerror}") from error

    def attributes(sddl: str) -> "PySECURITY_ATTRIBUTES":
        """Rights for something about to be made; its handle is not inherited."""
        made = win32security.SECURITY_ATTRIBUTES()
        made.SECURITY_DESCRIPTOR = _descriptor(sddl)
        return made

    def screens_token(token: int) -> int:
        """A token to run the screen with: whatever it makes is out of its user's reach."""
        own = win32security.DuplicateTokenEx(
            token,
            win32security.SecurityImpersonation,
            win32con.MAXIMUM_ALLOWED,
            win32security.TokenPrimary,
        )
        dacl = _descriptor(SCREEN_MAKES).GetSecurityDescriptorDacl()
        win32security.SetTokenInformation(own, ntsecuritycon.TokenDefaultDacl, dacl)
        return own

    def _descriptor(sddl: str) -> "PySECURITY_DESCRIPTOR":
        return win32security.ConvertStringSecurityDescriptorToSecurityDescriptor(
            sddl, win32security.SDDL_REVISION_1
        )
