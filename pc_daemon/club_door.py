"""How a PC speaks to the club's API before, and besides, the broker: a few POSTs over HTTPS."""

import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

ANSWER_TIMEOUT_S: Final = 15.0
ANSWER_BYTES_MAX: Final = 256 * 1024

M = TypeVar("M", bound=BaseModel)


class DoorError(Exception):
    """The API said no, or nothing. ``code`` is the problem's stable code, empty for no answer."""

    def __init__(self, code: str, words: str, *, retry_after_s: int = 0) -> None:
        super().__init__(words)
        self.code = code
        self.retry_after_s = retry_after_s

    @property
    def is_final(self) -> bool:
        """Whether asking again is no use."""
        return bool(self.code) and not self.retry_after_s


class ClubDoor:
    """The API at ``url``; ``ca_file`` names the authority to trust instead of the system's.

    Raises ValueError for a URL that would send secrets in clear over a network.
    """

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.scheme not in ("http", "https"):
            raise ValueError("the API's address begins with https:// and names a host")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError("https:// is needed: a secret would cross the network in clear")
        self._url = url.rstrip("/")
        self._tls = ssl.create_default_context(cafile=ca_file)

    async def post(self, path: str, asked: BaseModel, answer: type[M]) -> M:
        """Ask, and read the answer. Raises DoorError."""
        try:
            async with httpx.AsyncClient(
                verify=self._tls, timeout=ANSWER_TIMEOUT_S, trust_env=False
            ) as client:
                response = await client.post(
                    f"{self._url}{path}",
                    content=asked.model_dump_json().encode(),
                    headers={"Content-Type": "application/json"},
                )
        except httpx.HTTPError as error:
            raise DoorError("", f"{type(error).__name__}: {error}") from error
        if not response.is_success:
            raise _refusal(response)
        try:
            return answer.model_validate_json(response.content[:ANSWER_BYTES_MAX])
        except ValidationError as error:
            raise DoorError("", "the answer is not one of a clubctl API") from error


def _refusal(response: httpx.Response) -> DoorError:
    waited = response.headers.get("retry-after", "0")
    retry_after_s = int(waited) if waited.isdecimal() else 0
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict) or "code" not in problem:
        return DoorError("", f"HTTP {response.status_code}", retry_after_s=retry_after_s)
    words = f"{problem.get('title', '')}. {problem.get('detail', '')}"
    return DoorError(str(problem["code"]), words, retry_after_s=retry_after_s)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
