"""What controller and API show each other where Ray is started by us.

Any user of the machine can open Ray's ports, so a key guards them: a file in the state folder that
only its owner reads, made by whoever comes first.
"""

import os
import secrets
from collections.abc import MutableMapping
from typing import Final

from controller.kept_secret import kept_secret
from controller.settings import Settings

RAY_KEY_FILE: Final = "ray-auth"
MODE_VARIABLE: Final = "RAY_AUTH_MODE"
FILE_VARIABLE: Final = "RAY_AUTH_TOKEN_PATH"
_KEY_BYTES: Final = 32
_SAID_OTHERWISE: Final = (MODE_VARIABLE, FILE_VARIABLE, "RAY_AUTH_TOKEN")


def share_ray_key(settings: Settings, environment: MutableMapping[str, str] = os.environ) -> None:
    """Tell Ray of the key, before it is imported: it looks once.

    What the environment says of it stays. A Ray that is there already (``ray_address``) has the
    key of this folder, if there is one, or none. Raises OSError where the folder is not writable.
    """
    folder = settings.state_dir.resolve()
    file = folder / RAY_KEY_FILE
    is_ours = settings.ray_address is None or file.exists()
    if not is_ours or any(name in environment for name in _SAID_OTHERWISE):
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept_secret(file, secrets.token_hex(_KEY_BYTES))
    environment[MODE_VARIABLE] = "token"
    environment[FILE_VARIABLE] = str(file)
